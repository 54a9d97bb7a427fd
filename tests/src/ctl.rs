//! What an operator asks a running server.

use std::fs::Permissions;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Output};
use std::time::Duration;
use std::{fs, thread};

use crate::client::some;
use crate::server::{Config, eventually};
use crate::{Client, Program, Server, cases};

cases! { "ctl";
    tells_who_is_connected,
    ends_the_sessions_that_it_is_told,
    keeps_networks_out_and_lets_them_in,
    serves_the_networks_that_are_allowed,
    stops_when_it_is_asked,
    answers_whatever_it_is_asked,
    takes_the_place_of_a_socket_that_was_left_behind,
    is_asked_by_the_user_that_it_becomes("root", "setpriv"),
}

const MOMENT: Duration = Duration::from_secs(5);

fn start(program: &Program) -> Server {
    program.start(Config::default().top("ctl-socket = \"ctl\""))
}

impl Program {
    /// Asks a server as an operator does.
    fn ctl(&self, server: &Server, words: &[&str]) -> Output {
        let socket = server.folder().join("ctl");
        let mut command = Command::new(self.0);
        command.arg("ctl").args(words).arg("--socket").arg(socket);
        command.output().expect("it runs")
    }

    /// The same, for what is answered.
    fn asked(&self, server: &Server, words: &[&str]) -> String {
        let output = self.ctl(server, words);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    }
}

fn tells_who_is_connected(program: &Program) {
    let server = start(program);
    assert_eq!(program.asked(&server, &["who"]).lines().count(), 1);
    server.put("f.bin", &vec![1; 40_000_000]);
    let mut busy = server.login();
    let _stranger = server.connect();
    let data = busy.data();
    busy.command("REST 100", 350);
    busy.command("RETR f.bin", 150);
    let _ = some(&data, 1_000);
    thread::sleep(Duration::from_millis(300));
    let table = program.asked(&server, &["who"]);
    let rows: Vec<_> = table.lines().collect();
    let [titles, first, second] = rows[..] else {
        panic!("{table}");
    };
    assert!(titles.starts_with("SESSION  USER  FROM"), "{table}");
    let peer = busy.stream().local_addr().expect("an address").to_string();
    for word in [
        "1 ",
        " user ",
        &peer,
        " no ",
        " RETR /f.bin [",
        " of 38.1 MiB, ",
    ] {
        assert!(first.contains(word), "{word} in {table}");
    }
    assert!(second.starts_with('2') && second.ends_with(" -"), "{table}");
    let line = program.asked(&server, &["who", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    let [first, second] = &told["sessions"].as_array().expect("a list")[..] else {
        panic!("{line}");
    };
    assert_eq!(
        (&first["user"], &second["user"]),
        (&"user".into(), &serde_json::Value::Null)
    );
    let transfer = &first["transfer"];
    assert_eq!(transfer["offset"], 100);
    assert_eq!(transfer["length"], 40_000_000 - 100);
    assert!(
        transfer["bytes"]
            .as_u64()
            .is_some_and(|bytes| bytes >= 1_000),
        "{line}"
    );
    let status = program.asked(&server, &["status"]);
    assert!(
        status.contains(": serving for ") && status.contains(" 2 of "),
        "{status}"
    );
}

fn ends_the_sessions_that_it_is_told(program: &Program) {
    let server = start(program);
    let (mut first, mut second, mut third) = (server.login(), server.login(), server.connect());
    let nobody = program.asked(&server, &["kick", "99", "--user", "nobody"]);
    assert_eq!(nobody, "no session is like that\n");
    let told = program.asked(&server, &["kick", "2"]);
    assert_eq!(told, "session 2 was told to end\n");
    second.expect(421);
    second.expect_end();
    first.command("NOOP", 200);
    program.asked(&server, &["kick", "--user", "user"]);
    first.expect(421);
    program.asked(&server, &["kick", "--address", "::ffff:127.0.0.1"]);
    third.expect(421);
    third.expect_end();
    eventually("they are gone", || {
        program.asked(&server, &["who"]).lines().count() == 1
    });
    let log = server.whole_log();
    assert!(log.contains("why=\"ended by the operator\""), "{log}");
    server.still_serves();
}

/// Who is not served, and learns so.
fn kept_out(server: &Server) {
    let mut client = Client::silent(server.address());
    client.expect(421);
    client.expect_end();
}

fn keeps_networks_out_and_lets_them_in(program: &Program) {
    let server = start(program);
    let mut client = server.login();
    assert_eq!(program.asked(&server, &["bans"]), "no network is banned\n");
    let told = program.asked(&server, &["ban", "192.0.2.7", "127.0.0.0/8", "--for", "1h"]);
    let lines: Vec<_> = told.lines().collect();
    let is_so = matches!(lines[..], [first, second]
        if first.starts_with("192.0.2.7/32  for 59m") && second.starts_with("127.0.0.0/8  for 59m"));
    assert!(is_so, "{told}");
    client.expect(421);
    client.expect_end();
    kept_out(&server);
    let output = program.ctl(&server, &["unban", "127.0.0.0/8", "10.0.0.0/8"]);
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "error: not banned: 10.0.0.0/8\n"
    );
    server.login().command("NOOP", 200);
    program.asked(&server, &["ban", "127.0.0.1", "--for", "1s"]);
    kept_out(&server);
    eventually("it is over", || {
        program.asked(&server, &["bans"]).lines().count() == 1
    });
    server.login().command("NOOP", 200);
    program.asked(&server, &["ban", "::/0"]);
    assert!(
        program
            .asked(&server, &["bans"])
            .ends_with("::/0  until the server ends\n")
    );
    server.login().command("NOOP", 200);
    let log = server.whole_log();
    let why = "refused: clients of its network are not served";
    assert!(log.contains(why), "{log}");
}

fn serves_the_networks_that_are_allowed(program: &Program) {
    let start = |lines: &str| program.start(Config::default().top(lines));
    kept_out(&start("deny = [\"127.0.0.0/8\"]"));
    kept_out(&start("allow = [\"10.0.0.0/8\", \"::1\"]"));
    kept_out(&start("allow = [\"127.0.0.1\"]\ndeny = [\"127.0.0.1\"]"));
    let server = start("allow = [\"127.0.0.1\"]\ndeny = [\"127.0.0.2\"]");
    server.login().command("NOOP", 200);
}

fn stops_when_it_is_asked(program: &Program) {
    let mut server = start(program);
    let mut client = server.login();
    let told = program.asked(&server, &["drain"]);
    assert!(told.contains("stopping"), "{told}");
    client.expect(421);
    assert_eq!(server.wait(MOMENT).code(), Some(0));
    let output = program.ctl(&server, &["status"]);
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && why.contains("no server is running there"),
        "{why}"
    );
}

fn answers_whatever_it_is_asked(program: &Program) {
    let server = start(program);
    let socket = server.folder().join("ctl");
    let mode = fs::metadata(&socket)
        .expect("a socket")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    for request in [
        "",
        "\n",
        "{}",
        "nonsense\n",
        r#"{"command":"who","more":1}"#,
        "\u{0}\n",
    ] {
        let mut asks = UnixStream::connect(&socket).expect("it listens");
        asks.write_all(request.as_bytes()).expect("room");
        asks.shutdown(Shutdown::Write).expect("a socket");
        let mut answer = String::new();
        asks.read_to_string(&mut answer).expect("an answer");
        assert!(
            answer.starts_with("{\"error\":\"the request"),
            "{request}: {answer}"
        );
    }
    // More than any request has.
    let mut asks = UnixStream::connect(&socket).expect("it listens");
    let _ = asks.write_all(&vec![b' '; 1 << 20]);
    assert!(program.asked(&server, &["status"]).contains("serving"));
}

fn takes_the_place_of_a_socket_that_was_left_behind(program: &Program) {
    let mut server = start(program);
    let socket = server.folder().join("ctl");
    server.signal(rustix::process::Signal::KILL);
    server.wait(MOMENT);
    assert!(socket.exists());
    let config = format!("ctl-socket = {socket:?}");
    let server = program.start(Config::default().top(&config));
    let who = |socket: &std::path::Path| {
        let mut command = Command::new(program.0);
        command.args(["ctl", "who", "--socket"]).arg(socket);
        command.output().expect("it runs").status.success()
    };
    assert!(who(&socket));
    drop(server);
    // One that somebody listens on is left alone, and so is what is none.
    let _ = fs::remove_file(&socket);
    let _listener = UnixListener::bind(&socket).expect("a socket");
    let plain = socket.with_file_name("plain");
    fs::write(&plain, "text").expect("a file");
    for (at, why) in [
        (&socket, "another server listens there"),
        (&plain, "something else stands there"),
    ] {
        let mut command = Command::new(program.0);
        let file = socket.with_file_name("other.toml");
        fs::write(
            &file,
            format!("listen = [\"127.0.0.1:0\"]\nctl-socket = {at:?}\n"),
        )
        .expect("a file");
        let output = command
            .arg("--config")
            .arg(&file)
            .arg(socket.parent().expect("a folder"));
        let output = output.output().expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && told.contains(why), "{told}");
    }
    assert_eq!(fs::read(&plain).expect("a file"), b"text");
}

fn is_asked_by_the_user_that_it_becomes(program: &Program) {
    let config = Config::default()
        .top("ctl-socket = \"ctl\"")
        .table("[process]\nuser = \"nobody\"");
    let server = program.start(config);
    assert!(program.asked(&server, &["status"]).contains("serving"));
    // Others may walk there.
    fs::set_permissions(server.folder(), Permissions::from_mode(0o711)).expect("our folder");
    let status = |user: &str| {
        let mut command = Command::new("setpriv");
        command.args([&format!("--reuid={user}"), "--clear-groups", "--"]);
        command.arg(program.0).args(["ctl", "status", "--socket"]);
        let output = command
            .arg(server.folder().join("ctl"))
            .output()
            .expect("it runs");
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    assert_eq!(status("nobody"), (true, String::new()));
    let (is_answered, why) = status("daemon");
    assert!(!is_answered && why.contains("and so may root"), "{why}");
}
