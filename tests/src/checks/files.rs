//! Staying in the tree, and what may be done there. P67 to P69, P72, P73, P75 to P78.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use super::{Setup, Stand, Target, checks};
use crate::Client;
use crate::conversations::transfer::pattern;

checks! {
    p67_stays_in_its_tree,
    p68_follows_no_link_out_of_its_tree,
    p69_refuses_to_move_a_directory_into_itself ("unshare", "mount", "root"),
    p72_matches_patterns_in_no_time,
    p73_lists_a_loop_of_links_to_an_end,
    p75_tells_no_path_of_the_machine,
    p76_runs_no_site_command_of_others,
    p77_keeps_files_that_may_not_be_changed,
    p78_stays_within_a_quota ("unshare", "mount", "root"),
}

/// Whatever refuses.
const NO: &[u16] = &[
    450, 451, 500, 501, 502, 503, 504, 530, 550, 551, 552, 553, 554,
];

/// Tries to fetch something: what came, if anything did.
fn try_get(client: &mut Client, line: &str) -> Vec<u8> {
    let data = client.data();
    client.send(line);
    let (code, text) = client.reply();
    if code != 150 {
        assert!(code >= 400, "{line}: {text}");
        return Vec::new();
    }
    let bytes = crate::server::rest(client.protect(data));
    client.expect_one_of(line, &[226, 250, 426, 450, 451, 550]);
    bytes
}

/// Tries to store something: whether it is said to be stored.
fn try_put(client: &mut Client, line: &str, bytes: &[u8]) -> bool {
    let data = client.data();
    client.send(line);
    let (mut code, _) = client.reply();
    if code == 150 {
        let mut data = client.protect(data);
        // The server may have given up before all is sent.
        let _ = data.write_all(bytes);
        let _ = data.finish();
        drop(data);
        code = client.reply().0;
    }
    code < 400
}

fn p67_stays_in_its_tree(stand: &Stand<'_>) {
    let target = stand.serve();
    target.make("sub");
    let outside = target.home.parent().expect("a parent").join("x");
    fs::write(outside, b"root: outside").expect("a file");
    let mut client = target.login();
    for path in [
        "../../etc/passwd",
        "/etc/passwd",
        "sub/../../x",
        "../x",
        "..\\..\\x",
        "%2e%2e/x",
        "/../../../../../../../../etc/passwd",
    ] {
        let got = try_get(&mut client, &format!("RETR {path}"));
        assert!(
            !got.windows(5).any(|word| word == b"root:"),
            "{path} leads out"
        );
    }
    client.one_of("CWD /../..", &[250, 550]);
    assert!(
        client.command("PWD", 257).starts_with("257 \"/\""),
        "it is elsewhere"
    );
    // They mean nothing special.
    for name in ["%2e%2e", "back\\slash"] {
        let (code, _) = client.one_of(&format!("MKD {name}"), &[257, 550, 553]);
        assert_eq!(target.has(name), code == 257, "{name}");
    }
}

fn p68_follows_no_link_out_of_its_tree(stand: &Stand<'_>) {
    let target = stand.serve();
    let outside = target.home.parent().expect("a parent").join("outside");
    fs::create_dir(&outside).expect("a directory");
    fs::set_permissions(&outside, fs::Permissions::from_mode(0o777)).expect("a mode");
    let secret = outside.join("secret");
    fs::write(&secret, b"secret").expect("a file");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o666)).expect("a mode");
    target.link(&outside, "folder");
    target.link(&secret, "file");
    target.link("../outside/secret", "up");
    target.put("mine", b"mine");
    let mut client = target.login();
    for path in ["file", "up", "folder/secret"] {
        assert_eq!(
            try_get(&mut client, &format!("RETR {path}")),
            b"",
            "RETR {path}"
        );
        // It may replace the link itself.
        try_put(&mut client, &format!("STOR {path}"), b"broken in");
        try_put(&mut client, &format!("APPE {path}"), b"broken in");
    }
    try_put(&mut client, "STOR folder/new", b"broken in");
    client.one_of("CWD folder", NO);
    for line in ["LIST folder/", "NLST folder/", "MLSD folder"] {
        let listed = String::from_utf8_lossy(&try_get(&mut client, line)).into_owned();
        assert!(!listed.contains("secret"), "{line} tells what is outside");
    }
    client.one_of("RNFR folder/secret", NO);
    client.one_of("DELE folder/secret", NO);
    client.one_of("MKD folder/new", NO);
    if target.has("mine") && client.one_of("RNFR mine", &[350]).0 == 350 {
        client.one_of("RNTO folder/mine", NO);
        client.command("RNFR mine", 350);
        let mut codes = NO.to_vec();
        codes.push(250);
        client.one_of("RNTO file", &codes);
    }
    assert_eq!(
        fs::read(&secret).expect("a file"),
        b"secret",
        "it was changed"
    );
    assert_eq!(fs::read_dir(&outside).expect("a directory").count(), 1);
}

fn p69_refuses_to_move_a_directory_into_itself(stand: &Stand<'_>) {
    let target = stand.start(Setup {
        disk: Some(2),
        ..Setup::default()
    });
    target.make("d");
    target.make("d/sub");
    target.put("f", b"hello");
    let mut client = target.login();
    for to in ["d/e", "d/sub/e", "d/sub/../sub/d"] {
        client.command("RNFR d", 350);
        client.one_of(&format!("RNTO {to}"), NO);
        assert!(target.has("d/sub"), "{to}");
    }
    // To another file system: all of it, or nothing.
    client.command("RNFR f", 350);
    client.send("RNTO disk/f");
    let place = if client.reply().0 == 250 {
        "disk/f"
    } else {
        "f"
    };
    assert_eq!(target.content(place).expect("the file"), b"hello");
    client.command("RNFR d", 350);
    client.send("RNTO disk/d");
    let place = if client.reply().0 == 250 {
        "disk/d/sub"
    } else {
        "d/sub"
    };
    assert!(target.has(place), "nothing is left of the directory");
}

fn p72_matches_patterns_in_no_time(stand: &Stand<'_>) {
    let target = stand.serve();
    for number in 0..10 {
        target.make(&format!("d{number}"));
        target.put(format!("d{number}/{}", "a".repeat(200)), b"x");
    }
    target.put("a".repeat(250), b"x");
    let mut client = target.login();
    for pattern in [
        "*/../*/../*/../*/..".to_owned(),
        "{a,b}".repeat(20),
        "?*".repeat(22),
        "*".repeat(200),
        format!("{}b", "*a".repeat(60)),
        format!("{}b", "[a-z]*".repeat(30)),
    ] {
        for verb in ["LIST", "NLST", "STAT"] {
            let begun = Instant::now();
            if verb == "STAT" {
                client.send(&format!("STAT {pattern}"));
                client.reply();
            } else {
                let listed = try_get(&mut client, &format!("{verb} {pattern}"));
                assert!(listed.len() < 1_000_000, "{verb} {pattern:.20}: too much");
            }
            let spent = begun.elapsed();
            assert!(
                spent < Duration::from_secs(3),
                "{verb} {pattern:.20}: {spent:?}"
            );
        }
    }
}

fn p73_lists_a_loop_of_links_to_an_end(stand: &Stand<'_>) {
    let target = stand.serve();
    target.make("d");
    target.link("..", "d/loop");
    target.link(".", "self");
    target.link("a", "b");
    target.link("b", "a");
    let mut client = target.login();
    let begun = Instant::now();
    let listed = try_get(&mut client, "LIST -R");
    assert!(listed.len() < 10_000, "{} bytes", listed.len());
    assert!(begun.elapsed() < Duration::from_secs(5), "too slow");
    client.command("NOOP", 200);
}

fn p75_tells_no_path_of_the_machine(stand: &Stand<'_>) {
    let target = stand.serve();
    target.put("f", b"x");
    target.make("d");
    target.put("d/f", b"x");
    let folder = target
        .home
        .parent()
        .expect("a parent")
        .to_string_lossy()
        .into_owned();
    let folder = folder.rsplit('/').next().expect("a name");
    let mut client = target.login();
    let mut said = Vec::new();
    for line in [
        "RETR missing",
        "RETR d",
        "STOR d",
        "STOR missing/f",
        "CWD missing",
        "CWD f",
        "MKD d",
        "MKD missing/d",
        "RMD d",
        "RMD missing",
        "DELE d",
        "DELE missing",
        "RNFR missing",
        "SIZE d",
        "SIZE missing",
        "MDTM missing",
        "MLST missing",
        "MLSD missing",
        "LIST missing",
        "STAT missing",
        "STAT d",
        "PWD",
        "MLST d",
        "STAT",
        "SITE CHMOD 644 missing",
        "MFMT 20200101000000 missing",
        "NLST missing",
        "SYST",
        "HELP",
        "SITE HELP",
    ] {
        let verb = line.split(' ').next().unwrap_or_default();
        let takes_data = ["RETR", "STOR", "LIST", "NLST", "MLSD"].contains(&verb);
        let data = takes_data.then(|| client.data());
        client.send(line);
        let (code, text) = client.reply();
        said.push(text);
        drop(data);
        if code == 150 {
            said.push(client.reply().1);
        }
    }
    client.command("RNFR f", 350);
    client.send("RNTO missing/f");
    said.push(client.reply().1);
    for text in said {
        assert!(!text.contains(folder), "{text}");
    }
}

fn p76_runs_no_site_command_of_others(stand: &Stand<'_>) {
    let target = stand.serve();
    let mut client = target.connect();
    for line in [
        "SITE CPFR /etc/passwd",
        "SITE CPTO x",
        "SITE EXEC id",
        "SITE CHMOD 777 .",
    ] {
        client.one_of(line, &[500, 501, 502, 503, 504, 530, 550]);
    }
    let mut client = target.login();
    for line in [
        "SITE EXEC id",
        "SITE EXEC /bin/sh -c id",
        "SITE CPFR /etc/passwd",
    ] {
        client.one_of(line, &[500, 501, 502, 503, 504, 550]);
    }
}

fn p77_keeps_files_that_may_not_be_changed(stand: &Stand<'_>) {
    let target = stand.start(Setup {
        keeps_files: true,
        ..Setup::default()
    });
    target.put("old", b"the old file");
    let mut client = target.login();
    assert!(
        try_put(&mut client, "STOR new", b"new"),
        "nothing can be stored"
    );
    client.one_of("DELE old", NO);
    for prefix in ["STOR", "APPE", "REST"] {
        if prefix == "REST" {
            client.send("REST 3");
            client.reply();
        }
        let line = if prefix == "APPE" {
            "APPE old"
        } else {
            "STOR old"
        };
        try_put(&mut client, line, b"changed");
        let now = target.content("old").expect("the file");
        assert_eq!(now, b"the old file", "{prefix} changes it");
    }
    client.send("RNFR new");
    if client.reply().0 == 350 {
        client.send("RNTO old");
        client.reply();
    }
    client.send("RNFR old");
    if client.reply().0 == 350 {
        client.send("RNTO gone");
        client.reply();
    }
    let now = target.content("old").expect("RNTO takes the name away");
    assert_eq!(now, b"the old file", "RNTO replaces it");
}

/// What is stored, and all that was acknowledged, is there and whole.
fn is_whole(target: &Target, name: &str, bytes: &[u8]) {
    let now = target.content(name).expect("the file");
    assert!(now == bytes, "{name} is said to be stored, and is not");
}

fn p78_stays_within_a_quota(stand: &Stand<'_>) {
    const ROOM: usize = 2 << 20;
    let target = stand.start(Setup {
        disk: Some(2),
        ..Setup::default()
    });
    let mut client = target.login();
    let half = pattern(ROOM / 2 + 1);
    assert!(try_put(&mut client, "STOR disk/a", &half), "there is room");
    is_whole(&target, "disk/a", &half);
    // However the rest comes, there is no room for it.
    for (restart, line) in [
        (false, "APPE disk/a"),
        (true, "STOR disk/a"),
        (false, "STOR disk/b"),
    ] {
        // What was refused may have taken the old file with it.
        client.send("DELE disk/b");
        client.reply();
        target.put("disk/a", &half);
        if restart {
            client.send(&format!("REST {}", half.len()));
            client.reply();
        }
        let stored = try_put(&mut client, line, &half);
        // Where the restart is ignored, another half takes the place of the first.
        let is_beyond = !restart || target.content("disk/a").is_some_and(|now| now.len() > ROOM);
        assert!(!stored || !is_beyond, "{line} beyond the quota");
    }
    for name in ["disk/a", "disk/b"] {
        client.send(&format!("DELE {name}"));
        client.reply();
    }
    // Two at once, for one of which there is room.
    let stored: Vec<bool> = std::thread::scope(|scope| {
        let upload = |name| {
            let (target, half) = (&target, &half);
            scope.spawn(move || try_put(&mut target.login(), &format!("STOR disk/{name}"), half))
        };
        let both = [upload("c"), upload("d")];
        both.map(|thread| thread.join().expect("an upload"))
            .to_vec()
    });
    assert!(!(stored[0] && stored[1]), "both are said to be stored");
    for (name, _) in ["disk/c", "disk/d"]
        .iter()
        .zip(&stored)
        .filter(|(_, stored)| **stored)
    {
        is_whole(&target, name, &half);
    }
}
