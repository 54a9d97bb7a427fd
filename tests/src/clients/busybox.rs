//! The ftpget and ftpput of busybox.

use super::{Desk, both, names, noise};
use crate::{Program, cases};

cases! { "clients";
    busybox_uploads_and_downloads("busybox"),
    busybox_resumes_a_download("busybox"),
}

fn busybox(desk: &Desk, applet: &str, address: std::net::SocketAddr, rest: &[&str]) {
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    let account = [applet, "-u", "user", "-p", "12345", "-P", &port];
    // Options come first, then the host.
    let (options, names) = rest.split_at(rest.iter().take_while(|word| **word == "-c").count());
    desk.run("busybox", &[&account, options, &[&ip], names].concat());
}

fn busybox_uploads_and_downloads(program: &Program) {
    let server = both(program);
    let desk = Desk::new();
    for &address in server.addresses() {
        for (seed, name) in (1..).zip(names()) {
            desk.put("f.bin", &noise(seed, 20_000));
            let remote = format!("./{name}");
            busybox(&desk, "ftpput", address, &[&remote, "f.bin"]);
            assert!(server.content(&name) == noise(seed, 20_000), "{name}");
            busybox(&desk, "ftpget", address, &["back.bin", &remote]);
            assert!(desk.content("back.bin") == noise(seed, 20_000), "{name}");
        }
        desk.put("empty", b"");
        busybox(&desk, "ftpput", address, &["empty.bin", "empty"]);
        busybox(&desk, "ftpget", address, &["back.bin", "empty.bin"]);
        assert_eq!(desk.content("back.bin"), b"");
    }
}

fn busybox_resumes_a_download(program: &Program) {
    let server = both(program);
    let content = noise(1, 500_000);
    server.put("f.bin", &content);
    for &address in server.addresses() {
        let desk = Desk::new();
        desk.put("f.bin", &content[..123_456]);
        busybox(&desk, "ftpget", address, &["-c", "f.bin", "f.bin"]);
        assert!(desk.content("f.bin") == content);
    }
}
