//! aria2.

use super::{Desk, both, names, noise, url};
use crate::{Program, cases};

cases! { "clients";
    aria2_fetches_in_pieces("aria2c"),
    aria2_resumes_a_download("aria2c"),
    aria2_fetches_odd_names("aria2c"),
}

fn aria2(desk: &Desk, arguments: &[&str]) {
    let ours = "--no-conf --quiet --max-tries=1 --timeout=20 --allow-overwrite=true \
                --auto-file-renaming=false --file-allocation=none";
    let ours: Vec<&str> = ours.split_whitespace().collect();
    desk.run("aria2c", &[&ours, arguments].concat());
}

fn aria2_fetches_in_pieces(program: &Program) {
    let server = both(program);
    let content = noise(1, 12_345_678);
    server.put("f.bin", &content);
    for &address in server.addresses() {
        for mode in ["--ftp-pasv=true", "--ftp-pasv=false"] {
            let desk = Desk::new();
            aria2(
                &desk,
                &[
                    mode,
                    "-x4",
                    "-s4",
                    "-k1M",
                    "-o",
                    "f.bin",
                    &url(address, "f.bin"),
                ],
            );
            assert!(desk.content("f.bin") == content, "{address} {mode}");
        }
    }
    server.still_serves();
}

fn aria2_resumes_a_download(program: &Program) {
    let server = program.serve();
    let content = noise(1, 3_000_000);
    server.put("f.bin", &content);
    let desk = Desk::new();
    desk.put("f.bin", &content[..1_234_567]);
    aria2(
        &desk,
        &["-c", "-o", "f.bin", &url(server.address(), "f.bin")],
    );
    assert!(desk.content("f.bin") == content);
}

fn aria2_fetches_odd_names(program: &Program) {
    let server = program.serve();
    let desk = Desk::new();
    for (seed, name) in (1..).zip(names()) {
        server.put(&name, &noise(seed, 20_000));
        aria2(&desk, &["-o", "back.bin", &url(server.address(), &name)]);
        assert!(desk.content("back.bin") == noise(seed, 20_000), "{name}");
    }
    server.put("empty.bin", b"");
    aria2(
        &desk,
        &["-o", "empty.bin", &url(server.address(), "empty.bin")],
    );
    assert_eq!(desk.content("empty.bin"), b"");
}
