//! Real clients with a bucket of a real store, SeaweedFS.

pub(super) mod filezilla;
pub(super) mod secure;

use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;
use wharf_stores::{Cluster, KEY_ID, Named, SECRET};

use super::{Desk, assert_same, grow, noise};
use crate::client::connect_data;
use crate::server::{eventually, within};
use crate::{Client, Config, Program, Server, cases};

cases! { "buckets";
    curl_stores_fetches_and_resumes("curl", "seaweedfs/bin/weed"),
    lftp_mirrors_there_and_back("lftp", "seaweedfs/bin/weed"),
    rclone_copies_and_finds_the_times("rclone", "seaweedfs/bin/weed"),
    ftplib_does_what_it_can("python3", "seaweedfs/bin/weed"),
    s06_what_a_killed_gateway_began_another_one_ends("seaweedfs/bin/weed"),
    s35_what_a_stop_breaks_off_is_continued("seaweedfs/bin/weed"),
    s01_what_breaks_off_leaves_what_stood_there("seaweedfs/bin/weed"),
    s13_many_upload_at_once_within_the_memory("seaweedfs/bin/weed"),
    s16_rights_hold("seaweedfs/bin/weed"),
    s28_check_names_the_line("seaweedfs/bin/weed"),
    s36_no_file_is_made("strace", "seaweedfs/bin/weed"),
    a_bucket_is_tried_without_a_configuration("curl", "seaweedfs/bin/weed"),
    uploads_and_lists_go_on_when_a_node_is_lost("seaweedfs/bin/weed"),
}

/// The least that a part may have, so that little is much.
const PART: usize = 5 << 20;

/// A bucket of a store.
struct Bucket {
    provider: String,
    endpoint: String,
    name: String,
    folder: TempDir,
}

impl Bucket {
    /// A new one in the store that all cases share: SeaweedFS, or the one that the environment names.
    fn new() -> Self {
        if let Some(store) = Named::by_environment() {
            return Self::of(&store.provider, &store.endpoint, &store.new_bucket());
        }
        let store = wharf_stores::seaweed().expect("it is installed");
        Self::of("seaweedfs", &store.endpoint(), &store.new_bucket())
    }

    fn of(provider: &str, endpoint: &str, name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let secret = folder.path().join("secret");
        fs::write(&secret, SECRET).expect("a file");
        fs::set_permissions(&secret, Permissions::from_mode(0o600)).expect("to close it");
        Self {
            provider: provider.to_owned(),
            endpoint: endpoint.to_owned(),
            name: name.to_owned(),
            folder,
        }
    }

    /// Its section, with the secret in a file.
    fn table(&self) -> String {
        let secret = self.folder.path().join("secret");
        self.section(&format!("secret-file = {secret:?}"))
    }

    fn section(&self, secret: &str) -> String {
        format!(
            "[bucket.main]\nprovider = \"{}\"\nbucket = \"{}\"\nendpoint = \"{}\"\n\
             region = \"us-east-1\"\nkey-id = \"{KEY_ID}\"\n{secret}\npart-size = \"5 MiB\"\n",
            self.provider, self.name, self.endpoint
        )
    }

    /// How a server is started whose `user` sees it.
    fn config(&self) -> Config {
        Config::default()
            .sees("bucket = \"main\"\nprefix = \"u/\"")
            .table(&self.table())
    }

    fn serve(&self, program: &Program) -> Server {
        program.start(self.config())
    }

    /// What rclone says of it, to which it speaks S3.
    fn rclone(&self, desk: &Desk, command: &[&str], path: &str) -> String {
        let endpoint = &self.endpoint;
        let remote = format!(
            ":s3,provider=Other,access_key_id={KEY_ID},secret_access_key={SECRET},endpoint=\"{endpoint}\":{}/{path}",
            self.name
        );
        let ours = ["--config", "/dev/null", "--retries", "1"];
        let remote = [&*remote];
        desk.run("rclone", &[&ours, command, &remote].concat())
    }
}

fn url(address: SocketAddr, path: &str) -> String {
    format!("ftp://user:12345@{address}/{path}")
}

fn curl_stores_fetches_and_resumes(program: &Program) {
    let bucket = Bucket::new();
    let server = bucket.serve(program);
    let desk = Desk::new();
    let bytes = noise(1, 3 * PART + 12_345);
    desk.put("big", &bytes);
    desk.put("small", b"small");
    for name in ["big", "small"] {
        let to = url(server.address(), &format!("d/{name}"));
        desk.run("curl", &["-sS", "--ftp-create-dirs", "-T", name, &to]);
        desk.run("curl", &["-sS", "-o", "back", &to]);
        assert_eq!(desk.content("back"), desk.content(name));
    }
    let big = url(server.address(), "d/big");
    desk.put("back", &bytes[..PART + 1]);
    desk.run("curl", &["-sS", "-C", "-", "-o", "back", &big]);
    assert!(desk.content("back") == bytes, "the download is continued");
    desk.put("more", b"more");
    desk.run("curl", &["-sS", "--append", "-T", "more", &big]);
    let appended = server.login().fetch("d/big");
    assert!(appended == [&bytes[..], b"more"].concat());
    let listed = desk.run("curl", &["-sS", "-l", &url(server.address(), "d/")]);
    assert_eq!(listed.replace('\r', ""), "big\nsmall\n");
}

fn lftp_mirrors_there_and_back(program: &Program) {
    let bucket = Bucket::new();
    let (server, other) = (bucket.serve(program), bucket.serve(program));
    let desk = Desk::new();
    fs::create_dir(desk.path().join("tree")).expect("a directory");
    grow(&desk.path().join("tree"));
    let script = |server: &Server, commands: &str| {
        let address = server.address();
        let open = format!(
            "set cmd:fail-exit yes; set net:max-retries 1; open -u user,12345 ftp://{address}; "
        );
        desk.run("lftp", &["-c", &(open + commands)]);
    };
    script(&server, "mirror -R -P 4 --no-perms tree t");
    script(&other, "mirror -P 4 t back");
    assert_same(&desk.path().join("tree"), &desk.path().join("back"));
    script(&other, "mv t t2; rm -r t2; ls");
    assert_eq!(server.login().lines("NLST"), [""; 0]);
}

fn rclone_copies_and_finds_the_times(program: &Program) {
    let bucket = Bucket::new();
    let server = bucket.serve(program);
    let desk = Desk::new();
    for name in ["tree", "back"] {
        fs::create_dir(desk.path().join(name)).expect("a directory");
    }
    grow(&desk.path().join("tree"));
    let (address, password) = (server.address(), desk.run("rclone", &["obscure", "12345"]));
    let (host, port, password) = (address.ip(), address.port(), password.trim());
    let remote = format!(":ftp,host={host},port={port},user=user,pass={password}:tree");
    let ours = [
        "--config",
        "/dev/null",
        "--retries",
        "1",
        "--low-level-retries",
        "1",
    ];
    let rclone = |words: &[&str]| desk.run("rclone", &[&ours, words].concat());
    let copy = ["copy", "--create-empty-src-dirs"];
    rclone(&[&copy[..], &["tree", &remote]].concat());
    rclone(&["check", "--download", "tree", &remote]);
    rclone(&[&copy[..], &[&remote, "back"]].concat());
    assert_same(&desk.path().join("tree"), &desk.path().join("back"));
    // What speaks S3 itself finds the same bytes.
    bucket.rclone(&desk, &["check", "--download", "tree"], "u/tree");
    let mut client = server.login();
    client.store("timed", b"x");
    client.command("MFMT 20010203040506 timed", 213);
    let told = bucket.rclone(&desk, &["lsf", "--format", "tp"], "u/timed");
    assert!(told.contains("2001-02-03 04:05:06"), "{told}");
}

fn ftplib_does_what_it_can(program: &Program) {
    let bucket = Bucket::new();
    let server = bucket.serve(program);
    let desk = Desk::new();
    let address = server.address();
    let script = format!(
        r"
import ftplib, io
f = ftplib.FTP(); f.connect('{}', {}); f.login('user', '12345')
f.mkd('a'); f.mkd('a/b')
assert f.nlst('a') == ['a/b'], f.nlst('a')
f.storbinary('STOR a/b/c', io.BytesIO(b'hello'))
f.storlines('STOR a/b/t', io.BytesIO(b'one\ntwo\n'))
f.sendcmd('TYPE I'); assert f.size('a/b/c') == 5
f.storbinary('APPE a/b/c', io.BytesIO(b'!'))
got = []; f.retrbinary('RETR a/b/c', got.append, rest=2)
assert b''.join(got) == b'llo!', got
facts = dict(f.mlsd('a/b'))
assert sorted(facts) == ['c', 't'] and facts['c']['size'] == '6', facts
try: f.rmd('a'); assert False
except ftplib.error_perm as e: assert str(e).startswith('550'), e
f.rename('a/b/c', 'a/d')
f.rename('a/b', 'e')
f.delete('e/t'); f.rmd('e'); f.delete('a/d'); f.rmd('a')
assert f.nlst() == [], f.nlst()
f.quit()
",
        address.ip(),
        address.port()
    );
    desk.run("python3", &["-c", &script]);
}

/// Begins to store, sends these bytes, and leaves the rest to whoever has the two.
fn begin(server: &Server, name: &str, bytes: &[u8]) -> (Client, std::net::TcpStream) {
    let mut client = server.login();
    let mut data = connect_data(client.pasv());
    client.command(&format!("STOR {name}"), 150);
    data.write_all(bytes).expect("to send");
    (client, data)
}

/// Waits until SIZE tells of as much.
fn told(server: &Server, name: &str, size: usize) {
    let mut client = server.login();
    within(Duration::from_secs(30), "the parts are there", || {
        let (_, said) = client.one_of(&format!("SIZE {name}"), &[213, 550]);
        said.trim().ends_with(&format!(" {size}"))
    });
}

/// Has an upload break off behind these bytes, of which all whole parts but the last one are kept.
fn break_off(server: &Server, name: &str, bytes: &[u8]) {
    let (mut client, data) = begin(server, name, bytes);
    told(server, name, (bytes.len() / PART - 1) * PART);
    crate::client::reset(data);
    client.expect_one_of("", &[426, 451]);
}

/// Continues at that byte.
fn go_on(server: &Server, name: &str, at: usize, bytes: &[u8]) {
    let mut client = server.login();
    client.command(&format!("REST {at}"), 350);
    client.send_data(&format!("STOR {name}"), &bytes[at..]);
    assert!(client.fetch(name) == bytes, "it is whole");
    client.command(&format!("DELE {name}"), 250);
}

fn s06_what_a_killed_gateway_began_another_one_ends(program: &Program) {
    let bucket = Bucket::new();
    let (mut first, other) = (bucket.serve(program), bucket.serve(program));
    let bytes = noise(3, 6 * PART + 777);
    let (_client, _data) = begin(&first, "f", &bytes[..4 * PART + 1000]);
    // All parts but the last one that has arrived.
    told(&other, "f", 3 * PART);
    first.signal(Signal::KILL);
    first.wait(Duration::from_secs(10));
    let mut client = other.login();
    assert_eq!(client.lines("NLST"), [""; 0], "it is not visible");
    let data = client.data();
    client.command("RETR f", 550);
    drop(data);
    go_on(&other, "f", 3 * PART, &bytes);
}

fn s35_what_a_stop_breaks_off_is_continued(program: &Program) {
    let bucket = Bucket::new();
    let bytes = noise(4, 4 * PART);
    let mut first = program.start(bucket.config().table("[limits]\ngrace = \"0s\""));
    let (_client, _data) = begin(&first, "f", &bytes[..3 * PART + 1000]);
    told(&first, "f", 2 * PART);
    first.signal(Signal::TERM);
    first.wait(Duration::from_secs(20));
    let other = bucket.serve(program);
    told(&other, "f", 2 * PART);
    go_on(&other, "f", 2 * PART, &bytes);
}

fn s01_what_breaks_off_leaves_what_stood_there(program: &Program) {
    let bucket = Bucket::new();
    let server = bucket.serve(program);
    let mut watcher = server.login();
    watcher.store("f", b"old");
    for length in [10, PART, 3 * PART] {
        let (mut client, data) = begin(&server, "f", &noise(5, length));
        crate::client::reset(data);
        client.expect_one_of("", &[426, 451]);
        assert_eq!(watcher.fetch("f"), b"old", "after a reset");

        let (mut client, data) = begin(&server, "f", &noise(5, length));
        client.command("ABOR", 426);
        client.expect(226);
        drop(data);
        assert_eq!(watcher.fetch("f"), b"old", "after an abort");
        let data = watcher.data();
        // Halves are not mixed.
        watcher.command("APPE f", 554);
        drop(data);
    }
    watcher.store("f", b"new");
    assert_eq!(watcher.fetch("f"), b"new");
}

fn s13_many_upload_at_once_within_the_memory(program: &Program) {
    const CLIENTS: usize = 12;
    let bucket = Bucket::new();
    let limits = "[limits]\nupload-memory = \"16 MiB\"\nstall = \"2s\"";
    let server = program.start(bucket.config().table(limits));
    let bytes = noise(6, PART + 10_000);
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (server, bytes) = (&server, &bytes);
            scope.spawn(move || server.login().store(&format!("f{number}"), bytes));
        }
    });
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("a status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|line| line.trim().strip_suffix(" kB"));
    let peak: usize = peak.and_then(|kib| kib.parse().ok()).expect("a number");
    // Without a bound the parts alone take 60 MiB.
    assert!(peak < 60 << 10, "{peak} KiB");
    let mut client = server.login();
    assert_eq!(client.lines("NLST").len(), CLIENTS);
    assert!(client.fetch("f7") == bytes);
}

fn s16_rights_hold(program: &Program) {
    let bucket = Bucket::new();
    bucket.serve(program).login().store("f", b"old");
    let rights = "\"list\", \"read\", \"write\", \"mkdir\"";
    let server = program.start(bucket.config().rights(rights));
    let mut client = server.login();
    for command in ["DELE f", "RNFR f", "RMD d", "MFMT 20010203040506 f"] {
        client.command(command, 550);
    }
    for command in ["STOR f", "APPE f"] {
        let data = client.data();
        client.command(command, 550);
        drop(data);
    }
    client.store("new", b"new");
    assert_eq!(client.fetch("f"), b"old");
}

fn s28_check_names_the_line(program: &Program) {
    let bucket = Bucket::new();
    let folder = tempfile::tempdir().expect("a directory");
    let user =
        "[anonymous]\nbucket = \"main\"\nrights = [\"list\", \"read\", \"write\", \"overwrite\"]\n";
    for (from, to, line, code) in [
        ("", "", "the configuration is good", 0),
        (KEY_ID, "AKIANOBODY", "wharf.toml:6:10: ", 1),
        (SECRET, "wrong", "wharf.toml:7:10: ", 1),
        (&bucket.name, "no-such-bucket", "wharf.toml:3:10: ", 1),
        (
            &bucket.endpoint,
            "http://127.0.0.1:1",
            "wharf.toml:4:12: ",
            1,
        ),
    ] {
        let mut toml = bucket.section(&format!("secret = \"{SECRET}\"")) + user;
        if !from.is_empty() {
            toml = toml.replace(from, to);
        }
        let file = folder.path().join("wharf.toml");
        fs::write(&file, toml).expect("a configuration");
        fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("to close it");
        let checked = Command::new(program.0)
            .args([
                "--check",
                "--listen",
                "127.0.0.1:0",
                "--config",
                "wharf.toml",
            ])
            .current_dir(folder.path())
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&checked.stdout);
        let said = format!("{said}{}", String::from_utf8_lossy(&checked.stderr));
        assert!(said.contains(line), "{to}: {said}");
        assert_eq!(checked.status.code(), Some(code), "{to}: {said}");
        assert!(!said.contains(SECRET));
    }
    let left = bucket.serve(program).login().lines("LIST -a");
    assert_eq!(left, [""; 0], "it leaves nothing behind");
}

fn s36_no_file_is_made(program: &Program) {
    let bucket = Bucket::new();
    let server = program.start(bucket.config());
    let trace = server.folder().join("trace");
    let mut strace = Command::new("strace")
        .args(["-f", "-e", "trace=%file,pwrite64,copy_file_range", "-o"])
        .arg(&trace)
        .arg("-p")
        .arg(server.pid().to_string())
        .spawn()
        .expect("strace starts");
    let said = || fs::read_to_string(&trace).unwrap_or_default();
    let mut client = server.login();
    client.store("f", &noise(7, 2 * PART + 1));
    client.fetch("f");
    client.command("RNFR f", 350);
    client.command("RNTO g", 250);
    client.command("DELE g", 250);
    thread::sleep(Duration::from_millis(200));
    let _ = strace.kill();
    let _ = strace.wait();
    let made = ["O_CREAT", "mkdir", "rename", "linkat", "pwrite64", "memfd"];
    let said = said();
    let files: Vec<_> = said
        .lines()
        .filter(|line| made.iter().any(|call| line.contains(call)))
        .collect();
    assert!(files.is_empty(), "{files:?}");
}

fn a_bucket_is_tried_without_a_configuration(program: &Program) {
    let bucket = Bucket::new();
    bucket.serve(program).login().store("f", b"content");
    let folder = tempfile::tempdir().expect("a directory");
    let log = folder.path().join("log");
    let mut tried = Command::new(program.0)
        .args(["--listen", "127.0.0.1:0", "--bucket"])
        .arg(format!("s3://{}/u", bucket.name))
        .args(["--endpoint", &bucket.endpoint])
        .env("AWS_ACCESS_KEY_ID", KEY_ID)
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .stdout(fs::File::create(&log).expect("a file"))
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("it starts");
    let said = || fs::read_to_string(&log).unwrap_or_default();
    eventually("it listens", || said().contains("serving s3://"));
    let said = said();
    let address = said
        .strip_prefix("listening on ")
        .and_then(|said| said.lines().next());
    let address: SocketAddr = address
        .and_then(|text| text.parse().ok())
        .expect("an address");
    let mut client = Client::connect(address);
    client.login("anonymous", "x@");
    assert_eq!(client.fetch("f"), b"content");
    client.command("DELE f", 550);
    let mut stream = client.stream();
    let _ = (stream.shutdown(Shutdown::Both), stream.read(&mut [0]));
    let _ = tried.kill();
    let _ = tried.wait();
}

/// Stores it, again as often as the server says that it was not: as clients do.
fn insist(server: &Server, name: &str, bytes: &[u8]) {
    let mut client = server.login();
    for _ in 0..20 {
        let data = client.data();
        let (code, _) = client.one_of(&format!("STOR {name}"), &[150, 450, 451]);
        if code == 150 {
            let mut data = data;
            // It may be refused amid it.
            let _ = data.write_all(bytes);
            drop(data);
            let (code, _) = client.expect_one_of("", &[226, 426, 450, 451]);
            if code == 226 {
                return;
            }
        }
        thread::sleep(Duration::from_secs(1));
    }
    panic!("{name} cannot be stored");
}

fn uploads_and_lists_go_on_when_a_node_is_lost(program: &Program) {
    const CLIENTS: usize = 4;
    const FILES: usize = 3;
    if std::env::var_os("WHARF_CLUSTER").is_none() {
        println!("skipped: WHARF_CLUSTER is not set");
        return;
    }
    let started = Cluster::start().unwrap_or_else(|log| panic!("{log}"));
    let mut cluster = started.expect("it is installed");
    cluster.make_bucket("shared");
    let buckets = cluster
        .endpoints()
        .map(|endpoint| Bucket::of("seaweedfs", &endpoint, "shared"));
    let servers = buckets.each_ref().map(|bucket| bucket.serve(program));
    for server in &servers {
        // It was made with one of them.
        within(Duration::from_secs(20), "the bucket is known", || {
            let mut client = server.login();
            let _data = client.data();
            client.one_of("NLST", &[150, 451]).0 == 150
        });
    }
    let names = |client: usize| (0..FILES).map(move |file| format!("f{client}-{file}"));
    let content = |name: &str| {
        let seed = name
            .bytes()
            .map(u32::from)
            .fold(7, |a, b| a * 31 % 9_973 + b);
        noise(seed, PART + 4_321)
    };
    let stored = AtomicUsize::new(0);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (server, stored) = (&servers[client % 2], &stored);
            scope.spawn(move || {
                for name in names(client) {
                    insist(server, &name, &content(&name));
                    stored.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for server in &servers {
            let stored = &stored;
            scope.spawn(move || {
                while stored.load(Ordering::Relaxed) < CLIENTS * FILES {
                    // What it lists is there, or was: it never breaks off.
                    let listed = server.login().lines("NLST");
                    assert!(listed.len() <= CLIENTS * FILES, "{listed:?}");
                    thread::sleep(Duration::from_millis(100));
                }
            });
        }
        within(Duration::from_secs(120), "some files are stored", || {
            stored.load(Ordering::Relaxed) >= CLIENTS
        });
        cluster.lose_a_node();
    });
    for client in 0..CLIENTS {
        let other = &servers[(client + 1) % 2];
        for name in names(client) {
            assert!(other.login().fetch(&name) == content(&name), "{name}");
        }
    }
    for server in &servers {
        within(Duration::from_secs(10), "all are listed", || {
            server.login().lines("NLST").len() == CLIENTS * FILES
        });
    }
}
