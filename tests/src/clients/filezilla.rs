//! FileZilla, on a screen that nobody sees, with a mouse that nobody holds.
//!
//! With `WHARF_SCREENSHOTS` in the environment a picture of its window goes to that directory.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::secure::{protected, secure};
use super::{Desk, hollow, kills, largest_open_file, noise, settle};
use crate::client::reset;
use crate::server::eventually;
use crate::{Config, Program, Server, cases};

cases! { "clients";
    filezilla_lists_downloads_and_uploads("filezilla", "Xvfb", "xdotool"),
    filezilla_resumes_an_upload("filezilla", "Xvfb", "xdotool"),
    filezilla_mixes_no_halves_of_two_files("filezilla", "Xvfb", "xdotool"),
    filezilla_that_is_killed_stores_nothing("filezilla", "Xvfb", "xdotool"),
    filezilla_asks_whether_to_trust_a_certificate("filezilla", "Xvfb", "xdotool"),
}

/// Where the first file of the local list and of the remote list is shown.
const LOCAL: (&str, &str) = ("80", "494");
const REMOTE: (&str, &str) = ("697", "494");

/// No greeting, no search for updates, and uploads to a name that exists are resumed.
const SETTINGS: &str = r#"<?xml version="1.0"?>
<FileZilla3 version="3.63.0" platform="*nix"><Settings>
<Setting name="Greeting version">99.0.0</Setting>
<Setting name="Update Check">0</Setting>
<Setting name="Disable update check">1</Setting>
<Setting name="File exists action upload">5</Setting>
</Settings></FileZilla3>
"#;

struct Screen {
    display: String,
    children: Vec<Child>,
}

impl Screen {
    /// Shows FileZilla, connected, with the listing of both sides.
    fn show(desk: &Desk, server: &Server) -> Self {
        let screen = Self::open(desk, server);
        screen.wait_for_a_listing(server);
        screen
    }

    /// Shows FileZilla, which begins to connect.
    fn open(desk: &Desk, server: &Server) -> Self {
        let mut xvfb = desk
            .command("Xvfb")
            .args("-displayfd 1 -screen 0 1280x900x24 -nolisten tcp".split(' '))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the screen");
        let mut display = String::from(":");
        let output = xvfb.stdout.take().expect("a pipe");
        let mut screen = Self {
            display: String::new(),
            children: vec![xvfb],
        };
        BufReader::new(output)
            .read_line(&mut display)
            .expect("the number of the screen");
        screen.display = display.trim().into();
        let folder = desk.home().join(".config/filezilla");
        fs::create_dir_all(&folder).expect("a directory");
        fs::write(folder.join("filezilla.xml"), SETTINGS).expect("a file");
        let address = server.address();
        let trusted = format!(
            "<FileZilla3><InsecureHosts><Host Port=\"{}\">{}</Host></InsecureHosts></FileZilla3>",
            address.port(),
            address.ip()
        );
        fs::write(folder.join("trustedcerts.xml"), trusted).expect("a file");
        let filezilla = screen
            .with(desk.command("filezilla"))
            .arg(super::url(address, ""))
            .arg("-a")
            .arg(desk.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("FileZilla starts");
        screen.children.push(filezilla);
        screen
    }

    fn wait_for_a_listing(&self, server: &Server) {
        patiently("FileZilla lists", || server.log().contains("MLSD complete"));
        thread::sleep(Duration::from_secs(1));
    }

    fn press(&self, desk: &Desk, key: &str) {
        let mut command = self.with(desk.command("xdotool"));
        command.args(["key", key]);
        desk.succeed(command);
    }

    fn with(&self, mut command: Command) -> Command {
        command.env("DISPLAY", &self.display);
        command
    }

    fn double_click(&self, desk: &Desk, (x, y): (&str, &str)) {
        let mut command = self.with(desk.command("xdotool"));
        command.args(["mousemove", x, y]);
        command.args("click --repeat 2 --delay 60 1".split(' '));
        desk.succeed(command);
    }

    /// Has it fetch `hello.bin`, which has this content there.
    fn download(&self, desk: &Desk, server: &Server, content: &[u8]) {
        self.double_click(desk, REMOTE);
        patiently("FileZilla downloads", || {
            server.log().contains("RETR complete")
        });
        let file = desk.path().join("hello.bin");
        eventually("the file is there", || {
            fs::read(&file).is_ok_and(|found| found == content)
        });
    }

    /// Has it send the first file of the desk.
    fn upload(&self, desk: &Desk, server: &Server) {
        let behind = server.log().len();
        self.double_click(desk, LOCAL);
        patiently("FileZilla uploads", || {
            let log = &server.log()[behind..];
            log.contains("STOR complete") || log.contains("APPE complete")
        });
    }

    fn picture(&self, desk: &Desk, name: &str) {
        if let Some(folder) = std::env::var_os("WHARF_SCREENSHOTS") {
            thread::sleep(Duration::from_millis(500));
            let mut command = self.with(desk.command("import"));
            let path = std::path::Path::new(&folder).join(name);
            command.args(["-window", "root"]).arg(path);
            desk.succeed(command);
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// FileZilla takes seconds to start.
fn patiently(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..300 {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
    eventually(what, is_so);
}

fn filezilla_lists_downloads_and_uploads(program: &Program) {
    lists_downloads_and_uploads(&program.serve());
}

/// The same wherever the files of `user` are.
pub(super) fn lists_downloads_and_uploads(server: &Server) {
    let desk = Desk::new();
    let (content, other) = (noise(1, 300_000), noise(2, 400_000));
    let mut client = server.login();
    client.store("hello.bin", &content);
    client.store("한글 이름.txt", b"hello");
    drop(client);
    desk.put("a.bin", &other);
    let screen = Screen::show(&desk, server);
    screen.download(&desk, server, &content);
    screen.picture(&desk, "filezilla-download.png");
    screen.upload(&desk, server);
    assert!(server.login().fetch("a.bin") == other);
}

/// It looks at the listing before it goes on, so the server lists what can be continued.
fn filezilla_resumes_an_upload(program: &Program) {
    let server = program.start(Config::default().table("[storage]\npartials = \"listed\""));
    let content = noise(1, 3_000_000);
    break_an_upload(&server, &content[..2_000_000]);
    sends(&server, &content, Some(1_998_848));
}

/// Has it send `hello.bin`, from that byte on, or else the whole file.
pub(super) fn sends(server: &Server, content: &[u8], from: Option<usize>) {
    let desk = Desk::new();
    desk.put("hello.bin", content);
    let screen = Screen::show(&desk, server);
    screen.upload(&desk, server);
    screen.picture(&desk, "filezilla-upload.png");
    let log = server.whole_log();
    match from {
        Some(at) => assert!(log.contains(&format!("REST {at}")), "it begins anew: {log}"),
        None => assert!(!log.contains("REST "), "it goes on: {log}"),
    }
    assert!(server.login().fetch("hello.bin") == content);
}

/// Over an old file it ends with an error or with the new one.
fn filezilla_mixes_no_halves_of_two_files(program: &Program) {
    let server = program.serve();
    let desk = Desk::new();
    let content = noise(1, 3_000_000);
    let old = noise(2, 1_000_000);
    desk.put("hello.bin", &content);
    server.put("hello.bin", &old);
    break_an_upload(&server, &content[..2_000_000]);
    let screen = Screen::show(&desk, &server);
    screen.double_click(&desk, LOCAL);
    patiently("FileZilla has tried", || {
        let log = server.log();
        log.contains("STOR complete") || log.contains("send it from the beginning")
    });
    screen.picture(&desk, "filezilla-broken-overwrite.png");
    let stands = server.content("hello.bin");
    assert!(stands == old || stands == content, "halves of two files");
}

fn filezilla_that_is_killed_stores_nothing(program: &Program) {
    let server = program.serve();
    let desk = Desk::new();
    hollow(&desk.path().join("hello.bin"), 8 << 30);
    // To start it takes seconds.
    for _ in 0..kills().div_ceil(3) {
        let before = server.log().len();
        let screen = Screen::open(&desk, &server);
        patiently("FileZilla lists", || {
            server.log()[before..].contains("MLSD complete")
        });
        thread::sleep(Duration::from_secs(1));
        screen.double_click(&desk, LOCAL);
        patiently("FileZilla uploads", || {
            largest_open_file(&server) > 10_000_000
        });
        drop(screen);
        settle(&server);
        assert!(!server.has("hello.bin"));
        // Otherwise it would ask whether to go on.
        server.login().command("DELE hello.bin", 250);
    }
}

/// An upload of the same account that breaks.
fn break_an_upload(server: &Server, bytes: &[u8]) {
    let mut client = server.login();
    let data = client.data();
    client.command("STOR hello.bin", 150);
    std::io::Write::write_all(&mut &data, bytes).expect("to send");
    eventually("the server has taken the data", || {
        let status = client.command("STAT", 211);
        status.contains(&format!(": {} ", bytes.len()))
    });
    reset(data);
    client.expect(426);
}

/// It tells nobody a password before its user has said yes, and resumes on data connections.
fn filezilla_asks_whether_to_trust_a_certificate(program: &Program) {
    let server = secure(program, "required");
    let desk = Desk::new();
    let content = noise(1, 300_000);
    server.put("hello.bin", &content);
    let screen = Screen::open(&desk, &server);
    patiently("FileZilla begins TLS", || {
        server.log().contains("\"AUTH TLS\"")
    });
    thread::sleep(Duration::from_secs(3));
    screen.picture(&desk, "filezilla-trust.png");
    assert!(!server.log().contains("\"USER "), "it has not asked");
    screen.press(&desk, "Return");
    screen.wait_for_a_listing(&server);
    screen.download(&desk, &server, &content);
    screen.picture(&desk, "filezilla-tls.png");
    assert!(protected(&server, "1.3", true) >= 2);
}
