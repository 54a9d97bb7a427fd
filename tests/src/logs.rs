//! What a server writes: lines that tell who did what and why it was refused, that nobody can
//! forge, and that programs can read.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::client::connect_from;
use crate::server::{Config, eventually};
use crate::{Client, Program, Server, Tls, cases};

cases! { "logs";
    names_account_and_session_in_every_line,
    tells_every_change_and_why_it_was_refused,
    tells_what_an_account_may_not_do,
    tells_which_account_is_full,
    tells_that_tls_is_demanded,
    sums_up_what_is_refused_too_often,
    loses_nothing_of_what_comes_in_one_segment,
    loses_nothing_to_a_flood_while_it_is_read_slowly,
    counts_what_is_lost_by_kind,
    says_why_a_client_is_gone,
    keeps_what_a_client_says_in_quotes,
    has_fail2ban_find_guessers_and_nobody_else("fail2ban-regex"),
    writes_nothing_but_json_when_told_so,
    complains_in_json_when_told_so,
    is_not_ended_by_signals_that_mean_nothing,
    says_what_sighup_did,
    stops_while_a_certificate_cannot_be_read,
}

const RIGHTS: &str =
    r#""list", "read", "write", "mkdir", "delete", "rename", "overwrite", "symlink""#;

/// The line of the log that has all these words, without its time.
fn line(server: &Server, words: &[&str]) -> String {
    let mut found = String::new();
    eventually(&format!("a line with {words:?}"), || {
        let log = server.log();
        let mut lines = log.lines();
        let line = lines.find(|line| words.iter().all(|word| line.contains(word)));
        line.and_then(|line| line.split_once(' '))
            .map(|(_, line)| found = line.trim_start().to_owned())
            .is_some()
    });
    found
}

/// The value of a field.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!(" {name}="))?;
    match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => rest.split(' ').next(),
    }
}

fn names_account_and_session_in_every_line(program: &Program) {
    let server = program.start(Config::default().anonymous("\"list\"").tls(""));
    let tls = Tls::v13();
    let mut clients = [server.connect(), server.connect()];
    clients[0].auth_tls(&tls);
    clients[0].login("user", "12345");
    clients[0].secure(&tls);
    clients[1].login("anonymous", "x");
    clients[0].store("f.bin", b"hello");
    clients[1].lines("LIST");
    clients[1].command("DELE f.bin", 550);
    for client in &mut clients {
        client.command("QUIT", 221);
        client.expect_end();
    }
    let log = server.whole_log();
    let mut sessions = BTreeSet::new();
    for verb in [
        "STOR complete",
        "LIST complete",
        "DELE refused",
        "disconnected",
    ] {
        let line = log.lines().find(|line| line.contains(verb));
        let line = line.unwrap_or_else(|| panic!("no {verb} in {log}"));
        let user = if verb.contains("STOR") {
            "user"
        } else {
            "anonymous"
        };
        if verb != "disconnected" {
            assert_eq!(field(line, "user"), Some(user), "{line}");
        }
        sessions.insert(field(line, "session").expect("a session").to_owned());
    }
    assert_eq!(sessions.len(), 2, "{log}");
    // Whoever has a session is told in each line of it, whatever part of the server writes.
    for line in log.lines().filter(|line| line.contains("peer=127.")) {
        assert!(field(line, "session").is_some(), "{line}");
    }
    assert!(
        log.contains("a data connection is protected by TLS"),
        "{log}"
    );
}

fn tells_every_change_and_why_it_was_refused(program: &Program) {
    let server = program.start(Config::default().rights(RIGHTS));
    server.put("f", b"x");
    let mut client = server.login();
    client.command("MKD d", 257);
    client.command("MKD d", 550);
    client.command("CWD d", 250);
    client.command("RNFR ../f", 350);
    client.command("RNTO g", 250);
    client.command("MFMT 20200102030405 g", 213);
    client.command("SITE CHMOD 600 g", 200);
    client.command("SITE SYMLINK g l", 200);
    client.command("SITE UMASK 027", 200);
    client.command("DELE nothing", 550);
    client.command("DELE g", 250);
    client.command("RMD /d", 550);
    client.data();
    client.command("RETR nothing", 550);
    for (words, rest) in [
        (["MKD complete", ""], r#"path="/d" code=257"#),
        (
            ["MKD refused", ""],
            r#"path="/d" code=550 why="Directory already exists""#,
        ),
        (["RNTO complete", ""], r#"path="/d/g" from="/f" code=250"#),
        (
            ["MFMT complete", ""],
            r#"path="/d/g" modified=20200102030405 code=213"#,
        ),
        (
            ["SITE CHMOD complete", ""],
            r#"path="/d/g" mode=600 code=200"#,
        ),
        (
            ["SITE SYMLINK complete", ""],
            r#"path="/d/l" to="/d/g" code=200"#,
        ),
        (["SITE UMASK complete", ""], "umask=027"),
        (
            ["DELE refused", ""],
            r#"path="/d/nothing" code=550 why="No such file or directory""#,
        ),
        (["DELE complete", ""], r#"path="/d/g" code=250"#),
        (
            ["RMD refused", ""],
            r#"path="/d" code=550 why="Directory not empty""#,
        ),
        (["RETR failed", r#"why="No such file or directory""#], ""),
    ] {
        let line = line(&server, &words);
        assert!(line.starts_with("INFO "), "{line}");
        assert!(line.ends_with(rest), "{line}");
        assert_eq!(field(&line, "user"), Some("user"), "{line}");
    }
}

fn tells_what_an_account_may_not_do(program: &Program) {
    let server = program.start(Config::default().rights("\"list\""));
    let mut client = server.login();
    client.data();
    for command in [
        "RETR f",
        "STOR f",
        "DELE f",
        "MKD d",
        "RNFR f",
        "MFMT 20200102030405 f",
    ] {
        client.command(command, 550);
        let verb = command.split(' ').next().unwrap_or_default();
        let line = line(&server, &[&format!("INFO {verb} refused")]);
        let told = "code=550 why=\"Permission denied\"";
        assert!(line.ends_with(told), "{line}");
        let name = if verb == "MKD" { "/d" } else { "/f" };
        assert_eq!(field(&line, "path"), Some(name), "{line}");
    }
    client.command("PORT 192,0,2,1,200,0", 501);
    line(
        &server,
        &["PORT refused", "Data connections go to your own address"],
    );
    // To look whether something is there is no offence.
    client.command("SIZE nothing", 550);
    assert!(!server.whole_log().contains("SIZE refused"));
}

fn tells_which_account_is_full(program: &Program) {
    let server = program.start(Config::default().table("[limits]\nsessions-per-account = 1"));
    let _first = server.login();
    let mut second = server.connect();
    second.command("USER user", 331);
    second.command("PASS 12345", 421);
    let line = line(&server, &["WARN login turned away"]);
    assert_eq!(field(&line, "user"), Some("user"), "{line}");
    assert!(
        line.ends_with("why=\"too many sessions of the account\""),
        "{line}"
    );
}

fn tells_that_tls_is_demanded(program: &Program) {
    let server = program.start(Config::default().tls("control = \"required\""));
    let mut client = server.connect();
    client.command("USER eve peer=6.6.6.6:1", 530);
    let refused = line(&server, &["USER refused"]);
    assert!(refused.contains("user=\"eve peer=6.6.6.6:1\""), "{refused}");
    assert!(
        refused.contains("Protect the connection with AUTH TLS first"),
        "{refused}"
    );
    let server = program.start(Config::default().tls("data = \"required\""));
    let mut client = server.login();
    client.data();
    client.command("STOR f", 521);
    let refused = line(&server, &["STOR refused", "PROT P"]);
    assert_eq!(field(&refused, "path"), Some("/f"), "{refused}");
}

fn sums_up_what_is_refused_too_often(program: &Program) {
    let server = program.start(Config::default().rights("\"list\""));
    let mut client = server.login();
    client.raw(&b"DELE f\r\n".repeat(432));
    for _ in 0..432 {
        client.expect(550);
    }
    client.command("QUIT", 221);
    client.expect_end();
    let summed = line(&server, &["more refused", "user=\"user\""]);
    let summed = summed.trim_start_matches("INFO ").split(' ').next();
    let more: usize = summed
        .and_then(|count| count.parse().ok())
        .expect("a count");
    let log = server.whole_log();
    let told = log.matches("DELE refused").count();
    assert!((1..=20).contains(&told), "{told}");
    assert_eq!(told + more, 432);
    // What came before was not pushed out.
    assert!(log.contains("logged in"), "{log}");
    assert!(log.find("more refused") < log.find("why=QUIT"), "{log}");
}

fn loses_nothing_of_what_comes_in_one_segment(program: &Program) {
    let server = program.serve();
    let mut client = server.connect();
    client.command("USER user", 331);
    let floods = ["SITE UMASK 077\r\n", "RETR nope\r\n", "DELE nope\r\n"];
    let lines: String = floods.iter().map(|line| line.repeat(60)).collect();
    client.raw(format!("PASS 12345\r\nPORT 127,0,0,1,200,10\r\n{lines}QUIT\r\n").as_bytes());
    while client.reply().0 != 221 {}
    client.expect_end();
    line(&server, &["why=QUIT"]);
    let log = server.whole_log();
    for (words, count) in [
        ("logged in", 1),
        ("SITE UMASK complete", 60),
        ("RETR failed", 20),
        ("100 more refused", 1),
        ("line=\"RETR nope\"", 60),
        ("line=\"DELE nope\"", 60),
        ("line=\"PASS ****\"", 1),
        ("why=QUIT", 1),
    ] {
        assert_eq!(log.matches(words).count(), count, "{words}");
    }
}

/// A server whose log goes into a pipe that nobody reads yet.
fn with_pipe(program: &Program) -> (Server, fs::File) {
    let through = [
        "sh",
        "-c",
        "mkfifo HOME/../pipe; exec \"$@\" 2<>HOME/../pipe",
        "sh",
    ];
    let config = Config::default().anonymous("\"list\", \"read\"");
    let server = program.start(config.through(&through));
    let pipe = fs::File::open(server.folder().join("pipe")).expect("the pipe");
    (server, pipe)
}

/// Reads the log of a pipe, so many bytes a second, until a line has all these words.
fn read_slowly(mut pipe: fs::File, rate: usize, words: &[&str]) -> String {
    let mut log = Vec::new();
    loop {
        let mut piece = vec![0; rate / 50];
        let count = pipe.read(&mut piece).expect("the log");
        log.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&log);
        let tail = text.lines().rev().take(200);
        if tail
            .into_iter()
            .any(|line| words.iter().all(|word| line.contains(word)))
        {
            return text.into_owned();
        }
        sleep(Duration::from_millis(20));
    }
}

fn loses_nothing_to_a_flood_while_it_is_read_slowly(program: &Program) {
    let (server, pipe) = with_pipe(program);
    let long = "d/".repeat(400);
    server.put("f.bin", b"hello");
    thread::scope(|scope| {
        let flooding = scope.spawn(|| {
            let mut client = server.connect();
            client.login("anonymous", "x");
            let mut count = 0;
            while !server.has("done") {
                let (code, _) = client.one_of(&format!("CWD {long}"), &[550]);
                count += usize::from(code == 550);
            }
            client.command("QUIT", 221);
            count
        });
        let reading = scope.spawn(move || read_slowly(pipe, 1_000_000, &["why=QUIT", "anonymous"]));
        sleep(Duration::from_millis(1_500));
        for _ in 0..5 {
            let mut client = server.login();
            client.command("TYPE I", 200);
            client.store("g.bin", b"hello");
            client.command("DELE g.bin", 250);
            drop(client);
        }
        server.put("done", b"");
        let flood = flooding.join().expect("a flood");
        let log = reading.join().expect("a log");
        for words in ["logged in", "STOR complete", "DELE complete"] {
            let ours = log
                .lines()
                .filter(|line| line.contains(words) && field(line, "user") == Some("user"));
            assert_eq!(ours.count(), 5, "{words} {flood}");
        }
        assert!(!log.contains("were lost"), "{flood}");
        let told = log.matches("line=\"CWD d/d/").count();
        assert_eq!(told, flood);
    });
}

/// Nobody reads for so long that lines must be lost: each is counted.
fn counts_what_is_lost_by_kind(program: &Program) {
    let (server, pipe) = with_pipe(program);
    let mut client = server.login();
    let line = format!("CWD {}\r\n", "d/".repeat(400));
    let (mut sent, begun) = (0, Instant::now());
    // More than fits, and longer than a line waits.
    while sent < 3_000 || begun.elapsed() < Duration::from_secs(3) {
        client.raw(line.repeat(5).as_bytes());
        (0..5).for_each(|_| drop(client.expect(550)));
        sent += 5;
    }
    client.command("TYPE I", 200);
    client.store("g.bin", b"hello");
    client.command("QUIT", 221);
    let log = thread::scope(|scope| {
        let end = ["session=2", "why=QUIT"];
        let reading = scope.spawn(move || read_slowly(pipe, 50_000_000, &end));
        // As soon as there is room again, nothing more is lost.
        sleep(Duration::from_millis(500));
        server.login().command("QUIT", 221);
        reading.join().expect("a log")
    });
    let lost = log.lines().filter(|line| line.contains("were lost"));
    let commands = lost.filter_map(|line| field(line, "commands")?.parse::<usize>().ok());
    let lost: usize = commands.sum();
    assert!(lost > 0, "{log}");
    let told = log.matches("line=\"CWD d/d/").count();
    // The others are those around the flood.
    assert!(
        (sent..sent + 10).contains(&(lost + told)),
        "{sent} {lost} {told}"
    );
    for words in ["logged in", "STOR complete"] {
        assert!(log.contains(words), "{words}");
    }
}

fn says_why_a_client_is_gone(program: &Program) {
    let limits = "[limits]\nidle = \"3s\"\nlogin-tries = 1\nlogin-delay = \"0s\"";
    let mut server = program.start(Config::default().table(limits));
    let gone = |why: &str| line(&server, &["disconnected", why]);
    let mut client = server.login();
    client.command("QUIT", 221);
    gone("why=QUIT");
    drop(server.login());
    gone("why=\"closed by the client\"");
    server.login().reset();
    gone("error=\"Connection reset by peer");
    server.login().expect(421);
    gone("why=\"timeout: idle\"");
    let mut client = server.connect();
    client.command("USER user", 331);
    client.command("PASS wrong", 421);
    gone("why=\"the login was refused\"");
    let mut client = server.connect();
    client.command("GET / HTTP/1.1", 421);
    gone("why=\"not an FTP client\"");
    let mut client = server.login();
    server.signal(Signal::TERM);
    client.expect(421);
    server.wait(Duration::from_secs(5));
    line(&server, &["disconnected", "why=shutdown"]);
}

fn keeps_what_a_client_says_in_quotes(program: &Program) {
    let config = Config::default().anonymous("\"list\", \"read\"");
    let server = program.start(config);
    let mut client = server.connect();
    client.login("anonymous", "x");
    client.command("RETR WARN login refused peer=198.51.100.7:1", 425);
    client.data();
    client.command("RETR x\" peer=198.51.100.7:1 user=\"y", 550);
    client.command("DELE \\\" peer=198.51.100.7:1", 550);
    client.raw(b"DELE \xfe\x1b]0;x\x07 peer=198.51.100.7:1\r\n");
    client.expect(550);
    let log = server.whole_log();
    for line in log.lines().filter(|line| line.contains("198.51.100.7")) {
        // Outside of quotes there is the client's own address, and no other.
        let mut outside = String::new();
        let (mut quoted, mut escaped) = (false, false);
        for c in line.chars() {
            match c {
                '"' if !escaped => quoted = !quoted,
                c if !quoted => outside.push(c),
                _ => {}
            }
            escaped = c == '\\' && !escaped;
        }
        assert!(!quoted, "{line}");
        assert!(!outside.contains("198.51.100.7"), "{line}");
        assert!(outside.contains("peer=127.0.0.1:"), "{line}");
    }
    assert!(log.contains(r#"path="/\xfe\x1b]0;x\x07 peer"#), "{log}");
}

/// Forgers, who shall be believed by nobody.
fn forge(connect: impl Fn() -> Client) {
    let mut client = connect();
    client.login("anonymous", "x");
    let lines = [
        "RETR WARN login refused peer=198.51.100.7:1",
        "RETR x\"\\  WARN login refused session=1 peer=198.51.100.7:1 user=\"x\" tries=1",
        "DELE WARN login refused session=1 peer=198.51.100.7:1 user=\"x\" tries=1",
        "CWD \",\"level\":\"WARN\",\"fields\":{\"message\":\"login refused\",\"session\":1,\
         \"peer\":\"198.51.100.7:1\",\"user\":\"x\",\"tries\":1}}",
    ];
    for line in lines {
        client.send(line);
        client.reply();
    }
    client.raw(b"DELE 2026-01-01T00:00:00.000000Z  WARN login refused session=1\x00 ");
    client.raw(b"peer=198.51.100.7:1 user=\"x\" tries=1\r\n");
    client.reply();
    client.command("QUIT", 221);
}

/// Guesses whose names would have others banned.
fn guess(connect: impl Fn() -> Client) {
    for name in [
        "evil peer=198.51.100.7:1 user=x",
        "a\" tries=1",
        "b\" peer=198.51.100.7:1 user=\"x",
        "c\\",
        "d\\\" tries=1\\",
        "é \u{202e}",
    ] {
        let mut client = connect();
        client.command(&format!("USER {name}"), 331);
        client.command("PASS wrong", 530);
    }
}

fn has_fail2ban_find_guessers_and_nobody_else(program: &Program) {
    let filters =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../adapters/server/fail2ban/filter.d");
    let banned = |log: &Path| -> Vec<String> {
        let output = Command::new("fail2ban-regex")
            .args(["-o", "ip"])
            .arg(log)
            // A path with a blank, or a name alone, is an expression to it.
            .arg("./wharf.conf")
            .current_dir(&filters)
            .output()
            .expect("fail2ban-regex");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        said.lines().map(str::to_owned).collect()
    };
    let limits = "[limits]\nlogin-delay = \"0s\"\nback-off = \"0s\"";
    let text = format!("[anonymous]\nhome = \"HOME\"\nrights = [\"list\", \"read\"]\n{limits}");
    let config = || {
        Config::default()
            .listen(&["127.0.0.1:0", "[::1]:0"])
            .table(&text)
    };
    let server = program.start(config());
    let from = |last: u8| {
        let address = server.addresses()[0];
        move || {
            let mut client = Client::over(connect_from(Ipv4Addr::new(127, 0, 0, last), address));
            client.expect(220);
            client
        }
    };
    forge(from(9));
    guess(from(7));
    guess(|| Client::connect(server.addresses()[1]));
    // Once more, so that the last line of a guess is not the last of the log.
    forge(from(9));
    let _ = server.whole_log();
    let mut expected = vec!["127.0.0.7".to_owned(); 6];
    expected.extend(vec!["::1".to_owned(); 6]);
    assert_eq!(banned(server.log_file()), expected);

    let json = Json::start(program, &text);
    forge(|| Client::connect(json.address));
    guess(|| Client::connect(json.address));
    json.stop();
    assert_eq!(
        banned(&json.folder.path().join("log")),
        vec!["127.0.0.1"; 6]
    );
}

/// A server that logs in JSON.
struct Json {
    child: Option<Child>,
    address: SocketAddr,
    /// What it has said by then.
    said: String,
    folder: tempfile::TempDir,
}

impl Json {
    fn start(program: &Program, tables: &str) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let home = folder.path().join("home");
        fs::create_dir(&home).expect("a home");
        let text = tables.replace("HOME", &home.display().to_string());
        let file = folder.path().join("wharf.toml");
        fs::write(&file, format!("listen = [\"127.0.0.1:0\"]\n{text}")).expect("a file");
        let log = fs::File::create(folder.path().join("log")).expect("a log");
        let mut child = Command::new(program.0)
            .args(["-v", "--log-format", "json", "--config"])
            .arg(&file)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the server starts");
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut said = String::new();
        while !said.contains("serving ") {
            assert!(output.read_line(&mut said).expect("a line") > 0, "{said}");
        }
        let (_, address) = said.split_once("listening on ").expect("an address");
        let address = address.split('"').next().and_then(|text| text.parse().ok());
        child.stdout = Some(output.into_inner());
        Self {
            child: Some(child),
            address: address.expect("an address"),
            said,
            folder,
        }
    }

    fn stop(&self) {
        let child = self.child.as_ref().expect("a server");
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a pid"), Signal::TERM).expect("a signal");
        let log = self.folder.path().join("log");
        eventually("it has stopped", || {
            let log = fs::read_to_string(&log).unwrap_or_default();
            log.contains("\"stopping\"")
                && log.matches("\"connected\"").count() == log.matches("\"disconnected\"").count()
        });
    }
}

impl Drop for Json {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Whether each line is a JSON object with a time, a level and a message.
fn check_json(text: &str) {
    for line in text.lines() {
        let object: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for place in ["/timestamp", "/level", "/fields/message"] {
            let word = object.pointer(place).and_then(serde_json::Value::as_str);
            assert!(word.is_some(), "{place} in {line}");
        }
    }
    assert!(!text.is_empty(), "nothing was said");
}

fn writes_nothing_but_json_when_told_so(program: &Program) {
    let json = Json::start(
        program,
        "[anonymous]\nhome = \"HOME\"\nrights = [\"list\", \"read\"]",
    );
    forge(|| Client::connect(json.address));
    guess(|| Client::connect(json.address));
    json.stop();
    check_json(&json.said);
    let log = fs::read_to_string(json.folder.path().join("log")).expect("a log");
    check_json(&log);
    let is_it = |line: &&str| line.contains(r#""message":"login refused""#);
    let line = log.lines().find(is_it).expect("a refused login");
    let object: serde_json::Value = serde_json::from_str(line).expect("an object");
    // What the client wrote, as it is.
    assert_eq!(object["fields"]["user"], "evil peer=198.51.100.7:1 user=x");
    assert_eq!(object["fields"]["tries"], 1);
}

fn complains_in_json_when_told_so(program: &Program) {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("wharf.toml");
    let run = |text: &str, more: &[&str]| -> Output {
        fs::write(&file, text).expect("a file");
        let mut command = Command::new(program.0);
        command
            .arg("--log-format=json")
            .args(more)
            .arg("-c")
            .arg(&file);
        command.output().expect("the program runs")
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mistake = run("greeting = 1\n", &[]);
    assert_eq!(mistake.status.code(), Some(2));
    check_json(&text(&mistake.stderr));
    let unknown = run("", &["--nonsense"]);
    assert_eq!(unknown.status.code(), Some(2));
    check_json(&text(&unknown.stderr));
    let home = folder.path().display();
    // An address that no machine has.
    let nowhere = format!("listen = [\"192.0.2.1:2121\"]\n[anonymous]\nhome = \"{home}\"\n");
    let failed = run(&nowhere, &[]);
    assert_eq!(failed.status.code(), Some(1));
    check_json(&text(&failed.stderr));
    assert!(text(&failed.stderr).contains("192.0.2.1:2121"));
    let good = format!("listen = [\"127.0.0.1:0\"]\n[anonymous]\nhome = \"{home}\"\n");
    let checked = run(&good, &["--check"]);
    check_json(&text(&checked.stdout));
    assert!(checked.status.success());
}

fn is_not_ended_by_signals_that_mean_nothing(program: &Program) {
    let server = program.serve();
    for (signal, name) in [
        (Signal::USR1, "SIGUSR1"),
        (Signal::USR2, "SIGUSR2"),
        (Signal::ALARM, "SIGALRM"),
    ] {
        server.signal(signal);
        line(&server, &[name, "means nothing here"]);
    }
    server.still_serves();
}

fn stops_while_a_certificate_cannot_be_read(program: &Program) {
    let server = program.start(Config::default().tls(""));
    let certificate = server.folder().join("fullchain.pem");
    fs::remove_file(&certificate).expect("to remove it");
    let kind = rustix::fs::FileType::Fifo;
    let mode = rustix::fs::Mode::RWXU;
    rustix::fs::mknodat(rustix::fs::CWD, &certificate, kind, mode, 0).expect("a pipe");
    server.signal(Signal::HUP);
    // It takes a moment until somebody waits for the other end of the pipe.
    sleep(Duration::from_millis(500));
    server.signal(Signal::TERM);
    line(&server, &["stopping"]);
}

fn says_what_sighup_did(program: &Program) {
    let server = program.serve();
    server.signal(Signal::HUP);
    line(
        &server,
        &[
            "SIGHUP: there is no TLS",
            "configuration file is read at the start only",
        ],
    );
    let server = program.start(Config::default().tls(""));
    server.signal(Signal::HUP);
    line(&server, &["SIGHUP: the certificates were read again"]);
    fs::write(server.folder().join("fullchain.pem"), "nonsense").expect("a file");
    server.signal(Signal::HUP);
    line(&server, &["SIGHUP: the certificates stay as they were"]);
    let mut text = String::new();
    let mut log = fs::File::open(server.log_file()).expect("a log");
    log.read_to_string(&mut text).expect("text");
    assert!(
        text.contains("ERROR the certificates stay as they were: "),
        "{text}"
    );
}
