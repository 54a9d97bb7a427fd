//! Homes that are missing, come later, or are made anew while a server runs.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::server::{HASH, eventually};
use crate::{Client, Program, cases, certificates};

cases! { "homes";
    serves_everybody_else_when_one_home_is_missing,
    does_not_start_when_nobody_can_be_served,
    waits_for_homes_where_that_is_said,
    serves_what_stands_under_the_name_at_each_login,
    serves_what_a_link_leads_to_at_each_login,
    serves_what_was_mounted_later("root", "unshare", "nsenter", "mount"),
    serves_homes_below_a_closed_directory_as_they_were("root"),
    refuses_a_home_that_its_user_cannot_enter("root"),
    starts_though_the_only_home_is_closed("root"),
    follows_no_link_that_a_client_may_have_made,
    reads_no_certificate_through_a_link_of_a_client,
    does_the_same_when_another_user_starts_it("root", "setpriv"),
    keeps_out_of_what_reach_does_not_name,
    reaches_what_a_link_led_to_at_the_start,
    holds_no_descriptor_for_those_who_are_not_there("prlimit"),
}

/// A server with homes of its own.
struct Host {
    child: Child,
    address: SocketAddr,
    folder: TempDir,
}

/// `[[user]]` of that name and home, with every right.
fn user(name: &str, home: &str) -> String {
    format!(
        "[[user]]\nname = \"{name}\"\npassword = \"{HASH}\"\nhome = \"{home}\"\n\
         rights = [\"list\", \"read\", \"write\", \"delete\"]\n"
    )
}

/// A directory that everybody may walk through, in which the homes are.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a directory");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("to open it");
    folder
}

impl Host {
    fn start(program: &Program, folder: TempDir, wrapper: &[&str], text: &str) -> Self {
        let (mut child, log) = spawn(program, folder.path(), wrapper, text);
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut said = String::new();
        while !said.contains("serving ") {
            if output.read_line(&mut said).expect("a line") == 0 {
                let log = fs::read_to_string(log).unwrap_or_default();
                panic!("it ended: {said}{log}");
            }
        }
        // It names every home, and waits for whoever reads that.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        let address = said
            .lines()
            .find_map(|line| line.strip_prefix("listening on "));
        let address = address.and_then(|address| address.parse().ok());
        Self {
            child,
            address: address.expect("an address"),
            folder,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn login(&self, name: &str) -> Client {
        let mut client = Client::connect(self.address);
        client.login(name, "12345");
        client
    }

    /// What `PASS` is answered, where the password is right.
    fn pass(&self, name: &str) -> u16 {
        let mut client = Client::connect(self.address);
        client.command(&format!("USER {name}"), 331);
        client.send("PASS 12345");
        client.reply().0
    }

    /// Stores a file and looks where it is.
    fn stores(&self, name: &str, file: &Path) {
        let mut client = self.login(name);
        client.store("stored", b"hello");
        assert_eq!(fs::read(file.join("stored")).expect("the file"), b"hello");
        assert!(client.lines("NLST").iter().any(|line| line == "stored"));
        client.command("DELE stored", 250);
    }

    fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).map_or(0, Iterator::count)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of the server\n{}---", self.log());
        }
    }
}

fn spawn(program: &Program, folder: &Path, wrapper: &[&str], text: &str) -> (Child, PathBuf) {
    let file = folder.join("wharf.toml");
    fs::write(&file, format!("listen = [\"127.0.0.1:0\"]\n{text}")).expect("a file");
    let log = folder.join("log");
    let mut words = wrapper.to_vec();
    words.push(program.0);
    let child = Command::new(words[0])
        .args(&words[1..])
        .arg("-c")
        .arg(&file)
        .stdout(Stdio::piped())
        .stderr(fs::File::create(&log).expect("a log"))
        .spawn()
        .expect("the server starts");
    (child, log)
}

/// How a server ends that does not start, and what it says.
fn refusal(program: &Program, folder: &Path, text: &str) -> (Option<i32>, String) {
    let (mut child, log) = spawn(program, folder, &[], text);
    let code = child.wait().expect("an end").code();
    (code, fs::read_to_string(log).unwrap_or_default())
}

fn serves_everybody_else_when_one_home_is_missing(program: &Program) {
    let folder = folder();
    let mut text = String::new();
    for number in 0..50 {
        let name = format!("u{number}");
        text += &user(&name, &name);
        if number != 17 {
            fs::create_dir(folder.path().join(&name)).expect("a home");
        }
    }
    let host = Host::start(program, folder, &[], &text);
    host.stores("u16", &host.path("u16"));
    assert_eq!(host.pass("u17"), 421);
    let home = host.path("u17");
    let warned = |line: &str| {
        line.contains("WARN")
            && line.contains(&format!("home=\"{}\"", home.display()))
            && line.contains("No such file or directory")
            && line.contains("account=\"u17\"")
    };
    eventually("the start and the login are logged", || {
        host.log().lines().filter(|line| warned(line)).count() == 2
    });
    // Whoever guesses learns nothing of it.
    let mut client = Client::connect(host.address);
    client.command("USER u17", 331);
    client.command("PASS wrong", 530);
    fs::create_dir(&home).expect("the home");
    host.stores("u17", &home);
}

fn does_not_start_when_nobody_can_be_served(program: &Program) {
    let folder = folder();
    let text = user("a", "nowhere") + &user("b", "log");
    let (code, said) = refusal(program, folder.path(), &text);
    assert_eq!(code, Some(2), "{said}");
    // All of it, with where it is named.
    assert!(said.contains("wharf.toml:5:8: "), "{said}");
    assert!(said.contains("wharf.toml:10:8: "), "{said}");
    assert!(said.contains("Not a directory"), "{said}");
}

fn waits_for_homes_where_that_is_said(program: &Program) {
    let folder = folder();
    fs::create_dir(folder.path().join("tree")).expect("a directory");
    let text = format!("[process]\nreach = [\"tree\"]\n{}", user("a", "tree/later"));
    let host = Host::start(program, folder, &[], &text);
    assert_eq!(host.pass("a"), 421);
    fs::create_dir(host.path("tree/later")).expect("a home");
    host.stores("a", &host.path("tree/later"));
}

fn serves_what_stands_under_the_name_at_each_login(program: &Program) {
    let folder = folder();
    fs::create_dir(folder.path().join("home")).expect("a home");
    let host = Host::start(program, folder, &[], &user("a", "home"));
    let mut early = host.login("a");
    early.store("f", b"the old one");
    fs::rename(host.path("home"), host.path("old")).expect("to move it");
    assert_eq!(host.pass("a"), 421);
    fs::create_dir(host.path("home")).expect("a new home");
    fs::write(host.path("home/g"), "the new one").expect("a file");
    host.stores("a", &host.path("home"));
    assert_eq!(host.login("a").fetch("g"), b"the new one");
    // Who was there before goes on.
    assert_eq!(early.fetch("f"), b"the old one");
    fs::remove_dir_all(host.path("home")).expect("to remove it");
    fs::create_dir(host.path("home")).expect("a third one");
    host.stores("a", &host.path("home"));
}

fn serves_what_a_link_leads_to_at_each_login(program: &Program) {
    let folder = folder();
    for name in ["one", "two"] {
        fs::create_dir(folder.path().join(name)).expect("a home");
    }
    let link = folder.path().join("current");
    symlink("one", &link).expect("a link");
    let host = Host::start(program, folder, &[], &user("a", "current"));
    host.stores("a", &host.path("one"));
    fs::remove_file(&link).expect("to remove the link");
    symlink("two", &link).expect("another link");
    host.stores("a", &host.path("two"));
    // It may not lead to what nobody meant.
    fs::remove_file(&link).expect("to remove the link");
    symlink("/", &link).expect("another link");
    assert_eq!(host.pass("a"), 421);
    eventually("it is logged", || {
        let log = host.log();
        // Landlock is asked first, where there is one.
        log.contains("outside of what `reach`") || log.contains("the root of the file system")
    });
}

/// As `user`, confined, from a server that root has started.
fn serves_what_was_mounted_later(program: &Program) {
    let nobody = "[process]\nuser = \"nobody\"\nreach = [\"srv\"]\n";
    for reach in [nobody, "[process]\nuser = \"nobody\"\n", ""] {
        let folder = folder();
        fs::create_dir_all(folder.path().join("srv/home")).expect("a home");
        let text = format!("{reach}{}", user("a", "srv/home"));
        let wrapper = ["unshare", "-m"];
        let host = Host::start(program, folder, &wrapper, &text);
        let pid = host.child.id().to_string();
        let mount = |words: &[&str]| {
            let mut command = Command::new("nsenter");
            command.args(["-t", &pid, "-m"]).args(words);
            // It can be unmounted as soon as nobody sees it any more.
            eventually(&format!("{words:?}"), || {
                command.output().expect("nsenter").status.success()
            });
        };
        let home = host.path("srv/home").display().to_string();
        host.login("a").lines("NLST");
        mount(&["mount", "-t", "tmpfs", "-o", "mode=0777", "tmpfs", &home]);
        let inner = PathBuf::from(format!("/proc/{pid}/root{home}"));
        host.stores("a", &inner);
        mount(&["umount", &home]);
        assert_eq!(host.login("a").lines("NLST"), Vec::<String>::new());
        // Over a name that was not there at all.
        mount(&["mount", "-t", "tmpfs", "-o", "mode=0777", "tmpfs", &home]);
        host.stores("a", &inner);
    }
}

/// A user who may not walk to a home: the descriptor from the start serves, and that is said.
fn serves_homes_below_a_closed_directory_as_they_were(program: &Program) {
    let folder = folder();
    for name in ["closed/a", "open/b"] {
        let home = folder.path().join(name);
        fs::create_dir_all(&home).expect("a home");
        chown(&home, Some(65_534), Some(65_534)).expect("to give it away");
    }
    let closed = folder.path().join("closed");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).expect("to close it");
    let text = format!(
        "[process]\nuser = \"nobody\"\n{}{}",
        user("a", "closed/a"),
        user("b", "open/b")
    );
    let host = Host::start(program, folder, &[], &text);
    let told = |line: &&str| line.contains("cannot walk to a home");
    eventually("the start says so", || {
        host.log().lines().any(|line| told(&line))
    });
    let log = host.log();
    let line = log.lines().find(told).expect("the line");
    assert!(
        line.contains("closed/a") && line.contains("others=0"),
        "{line}"
    );
    host.stores("a", &host.path("closed/a"));
    host.stores("b", &host.path("open/b"));
    let anew = |name: &str| {
        fs::rename(host.path(name), host.path("old")).expect("to move it");
        fs::create_dir(host.path(name)).expect("a new one");
        chown(host.path(name), Some(65_534), None).expect("to give it away");
    };
    anew("closed/a");
    // It cannot be told from here that another one stands there now.
    host.stores("a", &host.path("old"));
    fs::remove_dir(host.path("old")).expect("to remove it");
    assert_eq!(host.pass("a"), 421, "it is gone, which can be told");
    anew("open/b");
    host.stores("b", &host.path("open/b"));
}

fn refuses_a_home_that_its_user_cannot_enter(program: &Program) {
    let folder = folder();
    for name in ["a", "b"] {
        fs::create_dir(folder.path().join(name)).expect("a home");
    }
    let closed = folder.path().join("a");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).expect("to close it");
    chown(folder.path().join("b"), Some(65_534), None).expect("to give it away");
    let text = format!(
        "[process]\nuser = \"nobody\"\n{}{}",
        user("a", "a"),
        user("b", "b")
    );
    let host = Host::start(program, folder, &[], &text);
    host.stores("b", &host.path("b"));
    assert_eq!(host.pass("a"), 421);
    eventually("it is logged", || {
        host.log().contains("uid 65534 cannot enter it")
    });
    chown(&closed, Some(65_534), None).expect("to give it away");
    host.stores("a", &closed);
}

/// Who closed it may be anybody, and whoever opens it again need not restart the server.
fn starts_though_the_only_home_is_closed(program: &Program) {
    let folder = folder();
    let home = folder.path().join("a");
    fs::create_dir(&home).expect("a home");
    fs::set_permissions(&home, fs::Permissions::from_mode(0o000)).expect("to close it");
    let text = format!("[process]\nuser = \"nobody\"\n{}", user("a", "a"));
    let host = Host::start(program, folder, &[], &text);
    let warned = |host: &Host| {
        let log = host.log();
        let lines = log.lines();
        lines
            .filter(|line| line.contains("WARN") && line.contains("/a\""))
            .count()
    };
    eventually("the start says so", || warned(&host) == 1);
    assert_eq!(host.pass("a"), 421);
    eventually("the login is logged", || warned(&host) == 2);
    fs::set_permissions(&home, fs::Permissions::from_mode(0o755)).expect("to open it");
    chown(&home, Some(65_534), None).expect("to give it away");
    host.stores("a", &home);
}

/// `user` with every right that lets it plant something.
fn planter(name: &str, home: &str) -> String {
    let rights = "rights = [\"list\", \"read\", \"write\", \"overwrite\", \"delete\", \"rename\"]";
    user(name, home).replace(
        "rights = [\"list\", \"read\", \"write\", \"delete\"]",
        rights,
    )
}

fn follows_no_link_that_a_client_may_have_made(program: &Program) {
    let folder = folder();
    for name in ["srv/a/b", "outside/b", "elsewhere"] {
        fs::create_dir_all(folder.path().join(name)).expect("a directory");
    }
    symlink("srv/a", folder.path().join("way")).expect("a link of the administrator");
    let text = [
        planter("a", "srv/a"),
        user("b", "srv/a/b"),
        user("c", "way/b"),
    ]
    .concat();
    let mut host = Host::start(program, folder, &[], &text);
    eventually("nested homes are told", || {
        let log = host.log();
        log.contains("WARN") && log.contains("lies in the home")
    });
    host.stores("b", &host.path("srv/a/b"));
    host.stores("c", &host.path("srv/a/b"));
    let mut early = host.login("b");
    let mut client = host.login("a");
    client.command("RNFR b", 350);
    client.command("RNTO old", 250);
    for target in ["outside/b", ""] {
        let link = host.path("srv/a/b");
        let _ = fs::remove_file(&link);
        symlink(host.path(target), &link).expect("a link");
        for restarted in [false, true] {
            if restarted {
                let text = format!("reach = [\"{}\"]\n", host.path("").display());
                let text = [
                    "[process]\n",
                    if target.is_empty() { &text } else { "" },
                    &planter("a", "srv/a"),
                    &user("b", "srv/a/b"),
                    &user("c", "way/b"),
                ]
                .concat();
                let _ = host.child.kill();
                let _ = host.child.wait();
                let folder = std::mem::replace(&mut host.folder, self::folder());
                host = Host::start(program, folder, &[], &text);
            } else {
                // Who is in the directory itself stays there.
                early.store("f", b"x");
                early.command("DELE f", 250);
            }
            assert_eq!((host.pass("b"), host.pass("c")), (421, 421), "{target}");
            eventually("it is logged", || {
                host.log().contains("a link that a client may have made")
            });
            host.stores("a", &host.path("srv/a"));
        }
        early = host.login("a");
    }
    assert_eq!(fs::read_dir(host.path("outside/b")).expect("it").count(), 0);
}

fn reads_no_certificate_through_a_link_of_a_client(program: &Program) {
    let folder = folder();
    fs::create_dir_all(folder.path().join("a")).expect("a home");
    certificates::furnish(folder.path());
    let tls = "[tls]\ncertificate = \"a/cert.pem\"\nkey = \"privkey.pem\"\n";
    let text = format!("{tls}{}", planter("a", "a"));
    let (outside, link) = ("../fullchain.pem", folder.path().join("a/cert.pem"));
    fs::copy(folder.path().join("fullchain.pem"), link).expect("a certificate");
    let host = Host::start(program, folder, &[], &text);
    assert_eq!(host.pass("a"), 230);
    fs::remove_file(host.path("a/cert.pem")).expect("to remove it");
    symlink(outside, host.path("a/cert.pem")).expect("a link");
    kill_process(Pid::from_child(&host.child), Signal::HUP).expect("a signal");
    eventually("it is refused while it runs", || {
        let log = host.log();
        log.contains("stay as they were") && log.contains("a link that a client may have made")
    });
    let (code, said) = refusal(program, host.folder.path(), &text);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("a link that a client may have made"),
        "{said}"
    );
}

fn does_the_same_when_another_user_starts_it(program: &Program) {
    let folder = folder();
    let give = |name: &str| {
        let path = folder.path().join(name);
        fs::create_dir(&path).expect("a home");
        chown(path, Some(65_534), Some(65_534)).expect("to give it away");
    };
    give("a");
    fs::create_dir(folder.path().join("b")).expect("a home");
    let closed = fs::Permissions::from_mode(0o700);
    fs::set_permissions(folder.path().join("b"), closed).expect("to close it");
    // Who is that user already need not become it.
    let process = "[process]\nuser = \"nobody\"\n";
    let text = [process, &user("a", "a"), &user("b", "b"), &user("c", "c")].concat();
    let wrapper = [
        "setpriv",
        "--reuid=nobody",
        "--regid=nogroup",
        "--clear-groups",
    ];
    let host = Host::start(program, folder, &wrapper, &text);
    host.stores("a", &host.path("a"));
    assert_eq!((host.pass("b"), host.pass("c")), (421, 421));
    fs::rename(host.path("a"), host.path("c")).expect("to move it");
    host.stores("c", &host.path("c"));
    assert_eq!(host.pass("a"), 421);
    assert!(!host.log().contains("cannot become"), "{}", host.log());
}

fn keeps_out_of_what_reach_does_not_name(program: &Program) {
    let folder = folder();
    for name in ["tree/a", "elsewhere/b", "elsewhere/c"] {
        fs::create_dir_all(folder.path().join(name)).expect("a home");
    }
    let text = format!(
        "[process]\nreach = [\"tree\"]\n{}{}",
        user("a", "tree/a"),
        user("b", "elsewhere/b")
    );
    let host = Host::start(program, folder, &[], &text);
    host.stores("a", &host.path("tree/a"));
    host.stores("b", &host.path("elsewhere/b"));
    if !host.log().contains("confined by Landlock") {
        return;
    }
    let alone = format!("[process]\nreach = []\n{}", user("a", "a"));
    let other = self::folder();
    fs::create_dir(other.path().join("a")).expect("a home");
    let strict = Host::start(program, other, &[], &alone);
    strict.stores("a", &strict.path("a"));
    fs::rename(strict.path("a"), strict.path("old")).expect("to move it");
    fs::create_dir(strict.path("a")).expect("a new one");
    assert_eq!(strict.pass("a"), 421, "none but those from the start");
    fs::rename(host.path("elsewhere/b"), host.path("elsewhere/old")).expect("to move it");
    fs::rename(host.path("elsewhere/c"), host.path("elsewhere/b")).expect("to move it");
    assert_eq!(host.pass("b"), 421);
    eventually("it is logged", || {
        host.log()
            .contains("outside of what `reach` in [process] names")
    });
}

fn reaches_what_a_link_led_to_at_the_start(program: &Program) {
    let folder = folder();
    for name in ["tree", "elsewhere/a"] {
        fs::create_dir_all(folder.path().join(name)).expect("a directory");
    }
    symlink("../elsewhere/a", folder.path().join("tree/a")).expect("a link");
    let text = format!("[process]\nreach = [\"tree\"]\n{}", user("a", "tree/a"));
    let host = Host::start(program, folder, &[], &text);
    host.stores("a", &host.path("elsewhere/a"));
}

fn holds_no_descriptor_for_those_who_are_not_there(program: &Program) {
    let folder = folder();
    let mut text = String::from("[limits]\nsessions-per-address = 600\nsessions = 600\n");
    for number in 0..5_000 {
        let name = format!("u{number}");
        let _ = write!(text, "{}", user(&name, &name));
        fs::create_dir(folder.path().join(&name)).expect("a home");
    }
    text += &user("twin", "u0");
    let wrapper = ["prlimit", "--nofile=1024:1024"];
    let host = Host::start(program, folder, &wrapper, &text);
    let at_first = host.descriptors();
    assert!(at_first < 64, "{at_first} descriptors");
    host.stores("u4999", &host.path("u4999"));
    // How often a home is open.
    let open = |name: &str| {
        let home = host.path(name);
        let all = fs::read_dir(format!("/proc/{}/fd", host.child.id())).expect("descriptors");
        let links = all.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        links.filter(|link| *link == home).count()
    };
    eventually("nobody sees it", || open("u4999") == 0);
    let one = host.login("u0");
    let others: Vec<Client> = (0..10).map(|_| host.login("twin")).collect();
    assert_eq!((open("u0"), open("u1")), (1, 0), "once for all of them");
    drop((one, others));
    eventually("nobody sees it", || open("u0") == 0);
}
