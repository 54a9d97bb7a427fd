//! What a server gives up before its first client: root, other processes, other files.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use crate::client::some;
use crate::server::{Config, eventually, rest};
use crate::{Program, Server, cases};

cases! { "confinement";
    becomes_another_user_once_it_listens("root"),
    keeps_one_right_to_send_active_data_from_port_20("root"),
    says_that_it_runs_as_root("root"),
    says_whether_landlock_confines_it,
    gives_up_everything_before_its_first_thread("root", "strace"),
    looks_names_up_while_it_is_confined,
    starts_no_process,
    lets_nobody_read_its_memory("root", "setpriv"),
}

/// The user that every system has, in another group than its own.
const NOBODY: &str = "[process]\nuser = \"nobody\"\ngroup = \"daemon\"";

/// A line of the status of each thread, without its name.
fn status(server: &Server, name: &str) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).expect("a process");
    let status = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.ok()?.path().join("status")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.split_whitespace().collect::<Vec<_>>().join(" "))
    });
    status.collect()
}

/// The number of a user or group, by the file that names them.
fn number(file: &str, name: &str) -> u32 {
    let text = fs::read_to_string(file).expect("a file of names");
    let mut fields = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = fields.find(|fields| fields[0] == name);
    found.expect("the name")[2].parse().expect("a number")
}

fn becomes_another_user_once_it_listens(program: &Program) {
    let (user, group) = (
        number("/etc/passwd", "nobody"),
        number("/etc/group", "daemon"),
    );
    // A port that only root may bind, at an address that no other test has.
    let [a, b, ..] = std::process::id().to_le_bytes();
    let server = program.start(
        Config::default()
            .listen(&[&format!("127.{}.{b}.{a}:21", program.0.len() % 200 + 1)])
            .table(NOBODY),
    );
    chown(server.home(), Some(user), Some(group)).expect("to give the home away");
    let mut client = server.login();
    client.store("f.bin", b"hello");
    assert_eq!(client.fetch("f.bin"), b"hello");
    client.command("MKD d", 257);
    client.command("RNFR f.bin", 350);
    client.command("RNTO d/g.bin", 250);
    let stored = fs::metadata(server.home().join("d/g.bin")).expect("the file");
    assert_eq!((stored.uid(), stored.gid()), (user, group));
    fs::write(server.home().join("secret"), b"x").expect("a file of root");
    let private = fs::Permissions::from_mode(0o600);
    fs::set_permissions(server.home().join("secret"), private).expect("to hide it");
    let _data = client.data();
    client.command("RETR secret", 550);

    let all = |number: u32| [number; 4].map(|number| number.to_string()).join(" ");
    for (name, expected) in [
        ("Uid:", all(user)),
        ("Gid:", all(group)),
        ("Groups:", group.to_string()),
        ("CapPrm:", "0".repeat(16)),
        ("CapEff:", "0".repeat(16)),
        ("NoNewPrivs:", "1".into()),
    ] {
        let found = status(&server, name);
        assert!(!found.is_empty());
        assert!(
            found.iter().all(|line| *line == expected),
            "{name} {found:?}"
        );
    }
    let log = server.whole_log();
    // The home was still that of root at the start.
    assert!(log.contains("clients may change it, but the server may not"));
    assert!(!log.contains("running as root"), "{log}");
}

fn keeps_one_right_to_send_active_data_from_port_20(program: &Program) {
    let server = program.start(Config::default().table(NOBODY).table("[active]\nport = 20"));
    let user = number("/etc/passwd", "nobody");
    chown(server.home(), Some(user), None).expect("to give the home away");
    server.put("f.bin", b"hello");
    for _ in 0..3 {
        let mut client = server.login();
        let listener = client.active();
        client.command("RETR f.bin", 150);
        let (data, from) = listener.accept().expect("a data connection");
        assert_eq!(from.port(), 20);
        assert_eq!(rest(data), b"hello");
        client.expect(226);
    }
    // CAP_NET_BIND_SERVICE, which is number 10.
    let only = format!("{:016x}", 1 << 10);
    for (name, expected) in [
        ("CapPrm:", only.as_str()),
        ("CapEff:", &only),
        ("CapInh:", &"0".repeat(16)),
        ("CapAmb:", &"0".repeat(16)),
        ("NoNewPrivs:", "1"),
    ] {
        let found = status(&server, name);
        assert!(!found.is_empty());
        assert!(
            found.iter().all(|line| line == expected),
            "{name} {found:?}"
        );
    }
}

fn says_that_it_runs_as_root(program: &Program) {
    let server = program.serve();
    eventually("the warning is logged", || {
        server.log().contains("running as root")
    });
}

fn says_whether_landlock_confines_it(program: &Program) {
    let confined = program.serve();
    eventually("it is logged", || {
        let log = confined.log();
        log.contains("confined by Landlock (ABI ") || log.contains("this kernel has no Landlock")
    });
    let free = program.start(Config::default().table("[process]\nlandlock = false"));
    eventually("it is logged", || {
        free.log()
            .contains("not confined: the configuration says so")
    });
    for server in [confined, free] {
        assert!(status(&server, "NoNewPrivs:").iter().all(|set| set == "1"));
        server.still_serves();
    }
}

fn gives_up_everything_before_its_first_thread(program: &Program) {
    let calls = "trace=bind,clone,clone3,fork,vfork,execve,setgroups,setresgid,setresuid,\
                 landlock_restrict_self";
    // As a child of the server it ends with it.
    let through = [
        "strace",
        "-D",
        "-f",
        "-qq",
        "-o",
        "HOME/../trace",
        "-e",
        calls,
    ];
    let server = program.start(Config::default().through(&through).table(NOBODY));
    let user = number("/etc/passwd", "nobody");
    chown(server.home(), Some(user), None).expect("to give the home away");
    let trace = server.home().with_file_name("trace");
    let names = || -> Vec<String> {
        let text = fs::read_to_string(&trace).unwrap_or_default();
        let called = text.lines().filter(|line| !line.contains(" = -1 "));
        let names = called.filter_map(|line| line.split_once(' ')?.1.trim().split_once('('));
        names.map(|(name, _)| name.to_owned()).collect()
    };
    let has_threads = || names().iter().any(|name| name.starts_with("clone"));
    eventually("it has threads", has_threads);
    server.still_serves();
    let names = names();
    let mut order = names.iter().map(String::as_str).collect::<Vec<_>>();
    order.dedup();
    let begun = [
        "execve",
        "bind",
        "setgroups",
        "setresgid",
        "setresuid",
        "landlock_restrict_self",
    ];
    let last = if server.log().contains("confined by Landlock") {
        begun.len()
    } else {
        begun.len() - 1
    };
    assert_eq!(order[..last], begun[..last], "{order:?}");
    assert!(order[last].starts_with("clone"), "{order:?}");
    let text = fs::read_to_string(&trace).expect("a trace");
    // The call, and not a path that has the word in it.
    let clones = |line: &&str| {
        let call = line.split_once(' ').map_or("", |(_, call)| call.trim());
        call.starts_with("clone") || call.starts_with("<... clone")
    };
    for line in text.lines().filter(clones) {
        assert!(
            line.contains("CLONE_THREAD") || line.contains("resumed"),
            "{line}"
        );
    }
    let starts = |name: &&str| ["fork", "vfork", "execve"].contains(name);
    assert_eq!(order.into_iter().filter(starts).count(), 1);
}

fn looks_names_up_while_it_is_confined(program: &Program) {
    let server = program.start(
        Config::default()
            .listen(&["127.0.0.5:0"])
            .table("[passive]\naddress = \"localhost\""),
    );
    let mut client = server.login();
    let text = client.command("PASV", 227);
    assert!(text.contains("(127,0,0,1,"), "{text}");
}

fn starts_no_process(program: &Program) {
    let server = program.serve();
    let children = || {
        let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).expect("a process");
        tasks
            .filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok())
            .collect::<String>()
    };
    let content = vec![7; 20_000_000];
    server.put("f.bin", &content);
    let mut client = server.login();
    for line in ["LIST", "NLST -R", "MLSD"] {
        client.lines(line);
        assert_eq!(children(), "", "{line}");
    }
    let data = client.data();
    client.command("RETR f.bin", 150);
    let begun = some(&data, 1_000).len();
    assert_eq!(children(), "");
    assert_eq!(rest(data).len() + begun, content.len());
    client.expect(226);
    client.command("SITE CHMOD 600 f.bin", 200);
    client.store("g.bin", &content);
    assert_eq!(children(), "");
}

/// Whoever has the same user id could take keys and passwords out of it. What is in `/proc` of a
/// process that does not let them is root's.
fn lets_nobody_read_its_memory(program: &Program) {
    let start = "chmod 755 HOME/.. && chmod 644 HOME/../wharf.toml && \
                 exec setpriv --reuid=nobody --regid=daemon --clear-groups \"$@\"";
    let server = program.start(Config::default().through(&["sh", "-c", start, "sh"]));
    let nobody = number("/etc/passwd", "nobody");
    assert_eq!(
        status(&server, "Uid:")[0].split(' ').next(),
        Some(&*nobody.to_string())
    );
    let memory = format!("/proc/{}/mem", server.pid());
    crate::server::eventually("it is its own", || {
        fs::metadata(&memory).is_ok_and(|seen| seen.uid() == 0)
    });
    server.login().command("PWD", 257);
}
