//! DELE, RMD, MKD, RNFR and RNTO, MFMT, MFF, SITE: what changes the storage.

use wharf_core::{Capabilities, Note, Rights};

use crate::common::{Scene, logged_in, passive};

#[test]
fn files_and_directories_are_removed() {
    logged_in(
        "C: DELE f
         A: delete /f
         E: ok
         S: 250 Deleted.
         C: DELE d
         A: delete /d
         E: IsADirectory
         S: 550 Is a directory.
         C: RMD d
         A: rmdir /d
         E: ok
         S: 250 Directory removed.
         C: XRMD d
         A: rmdir /d
         E: NotEmpty
         S: 550 Directory not empty.
         C: RMD /
         S: 550 Permission denied.
         C: DELE
         S: 501
         C: RMD
         S: 501",
    );
}

#[test]
fn mkd_answers_with_the_whole_path_in_quotes() {
    logged_in(
        "C: MKD a\"b
         A: mkdir /a\"b
         E: ok
         S: 257 \"/a\"\"b\" created.
         C: XMKD d
         A: mkdir /d
         E: IsADirectory
         S: 550 Directory already exists
         C: MKD f
         A: mkdir /f
         E: Exists
         S: 550 File exists.
         C~: MKD a\\x7f\\r\\n
         S: 553 A name cannot hold control characters.
         C: MKD
         S: 501",
    );
}

#[test]
fn a_rename_takes_two_commands() {
    logged_in(
        "C: RNTO g
         S: 503 RNFR comes first.
         C: RNFR f
         A: stat /f
         E: file 5
         S: 350 Ready for RNTO.
         C: NOOP
         S: 200
         C: RNTO g
         A: rename /f -> /g replace
         E: ok
         S: 250 Renamed.
         C: RNTO h
         S: 503",
    );
}

#[test]
fn the_last_rnfr_counts() {
    logged_in(
        "C: RNFR a
         A: stat /a
         E: file 5
         S: 350
         C: RNFR b
         A: stat /b
         E: dir
         S: 350
         C: RNTO c
         A: rename /b -> /c replace
         E: ok
         S: 250
         C: RNFR a
         A: stat /a
         E: file 5
         S: 350
         C: RNFR b
         A: stat /b
         E: NotFound
         S: 550
         C: RNTO c
         S: 503",
    );
}

#[test]
fn a_failed_rnto_uses_the_name_up() {
    for refused in [
        "RNTO g\nA: rename /f -> /g replace\nE: NotFound\nS: 550",
        "RNTO f/g\nS: 553 Cannot be moved there.",
        "RNTO\nS: 501",
    ] {
        let used_up = if refused.ends_with("501") {
            "A: rename /f -> /h replace"
        } else {
            "S: 503"
        };
        logged_in(&format!(
            "C: RNFR f
             A: stat /f
             E: file 5
             S: 350
             C: {refused}
             C: RNTO h
             {used_up}"
        ));
    }
}

#[test]
fn a_directory_does_not_move_into_itself() {
    logged_in(
        "C: RNFR d
         A: stat /d
         E: dir
         S: 350
         C: RNTO d/e/f
         S: 553 Cannot be moved there.
         C: RNFR d
         A: stat /d
         E: dir
         S: 350
         C: RNTO dd
         A: rename /d -> /dd replace
         E: ok
         S: 250
         C: RNFR d
         A: stat /d
         E: dir
         S: 350
         C: RNTO d
         A: rename /d -> /d replace
         E: ok
         S: 250",
    );
}

#[test]
fn without_the_right_a_rename_may_not_replace() {
    let scene = Scene::new().without(Rights::OVERWRITE);
    scene.logged_in(
        "C: RNFR f
         A: stat /f
         E: file 5
         S: 350
         C: RNTO g
         A: rename /f -> /g
         E: Exists
         S: 550",
    );
}

#[test]
fn times_and_modes_are_set() {
    logged_in(
        "C: MFMT 19700101000001 a file
         A: set /a file modified 1
         E: ok
         S: 213 Modify=19700101000001; /a file
         C: MFMT 19700101000001.05 f
         A: set /f modified 1.050000000
         E: ok
         S: 213 Modify=19700101000001.050000000; /f
         C: MFMT 20240230000000 f
         S: 501
         C: MFMT 20240101000000
         S: 501
         C: MFMT 20240001000000 f
         S: 501
         C: MFMT 20241301000000 f
         S: 501
         C: MFMT 20240100000000 f
         S: 501
         C: MFMT 20240101240000 f
         S: 501
         C: MFMT 20240101006000 f
         S: 501
         C: MFMT 20240101000061 f
         S: 501
         C: MFMT 20240101000000.1234567890 f
         S: 501
         C: MFF Modify=19700101000002;UNIX.mode=0600; f
         A: set /f modified 2 mode 0600
         E: ok
         S: 213 Modify=19700101000002;UNIX.mode=0600; /f
         C: MFF Create=19700101000002; f
         S: 504
         C: MFF Modify=x; f
         S: 501
         C: SITE CHMOD 644 a file
         A: set /a file mode 0644
         E: ok
         S: 200 The mode is 644.
         C: MFF UNIX.mode=; f
         S: 501
         C: SITE CHMOD 888 f
         S: 501
         C: SITE CHMOD 000644 f
         A: set /f mode 0644
         E: ok
         S: 200 The mode is 644.
         C: SITE CHMOD 07755 d
         A: set /d mode 0755
         E: ok
         S: 200 The mode is 755.
         C: SITE CHMOD 0 d
         A: set /d mode 0000
         E: mode 700
         S: 200 The mode is 700.
         C: MFF UNIX.mode=0077; d
         A: set /d mode 0077
         E: mode 777
         S: 213 UNIX.mode=0777; /d
         C: SITE CHMOD 755 .
         A: set / mode 0755
         E: IsHome
         S: 550 The mode of the home itself is not for clients.
         C: MFF UNIX.mode=6711; f
         A: set /f mode 0711
         E: ok
         S: 213 UNIX.mode=0711; /f
         C: SITE CHMOD 77777 f
         S: 501
         C: SITE CHMOD 644
         S: 501
         C: SITE UTIME 197001010001 f
         A: set /f modified 60
         E: NotFound
         S: 550
         C: SITE UTIME a file 19700101000003 19700101000004 19700101000005 UTC
         A: set /a file modified 4
         E: ok
         S: 200
         C: SITE UTIME a file 19700101000003 19700101000004 19700101000005 CET
         S: 501
         C: SITE UTIME f
         S: 501",
    );
}

#[test]
fn a_link_points_to_what_its_target_means_to_cwd() {
    logged_in(
        "C: CWD d
         A: stat /d
         E: dir
         S: 250
         C: SITE SYMLINK ../target link
         A: symlink /d/link -> /target
         E: ok
         S: 200
         C: SITE SYMLINK target a link
         S: 501
         C: SITE SYMLINK target
         S: 501",
    );
}

#[test]
fn a_mask_is_set_shown_and_forgotten_with_the_login() {
    logged_in(
        "C: SITE UMASK
         S: 200 The mask is the server's.
         C: SITE UMASK 027
         S: 200 Mask set for this session.
         C: SITE UMASK
         S: 200 The mask is 027.
         C: SITE UMASK 1777
         S: 501
         C: SITE UMASK 8
         S: 501",
    );
}

#[test]
fn site_knows_what_it_has() {
    logged_in(
        "C: SITE HELP
         S: 214-These SITE commands are known:
         S:  CHMOD mode path
         S:  HELP
         S:  SYMLINK target path
         S:  UMASK [mask]
         S:  UTIME YYYYMMDDhhmm[ss] path
         S: 214 End.
         C: SITE EXEC ls
         S: 504
         C: SITE
         S: 501",
    );
    Scene::new().capabilities(Capabilities::NONE).logged_in(
        "C: SITE HELP
         S: 214-These SITE commands are known:
         S:  HELP
         S: 214 End.",
    );
}

#[test]
fn what_the_storage_cannot_is_502() {
    let scene = Scene::new().capabilities(Capabilities::NONE);
    for command in [
        "RNFR f",
        "MFMT 20200101000000 f",
        "MFF UNIX.mode=0644; f",
        "SITE CHMOD 644 f",
        "SITE UMASK 022",
        "SITE SYMLINK a b",
        "SITE UTIME 202001010000 f",
    ] {
        scene.logged_in(&format!(
            "C: {command}\nS: 502 This storage cannot do that."
        ));
    }
    logged_in(
        "C: SITE CHMOD 644 f
         A: set /f mode 0644
         E: Unsupported
         S: 502",
    );
}

#[test]
fn a_command_between_rnfr_and_rnto_forgets_the_old_name() {
    for (command, code) in [
        ("PWD", 257),
        ("SYST", 215),
        ("REST 0", 350),
        ("TYPE I", 200),
    ] {
        logged_in(&format!(
            "C: RNFR a
             A: stat /a
             E: file 5
             S: 350
             C: {command}
             S: {code}
             C: RNTO b
             S: 503 RNFR comes first."
        ));
    }
    // What is no command at all changes nothing.
    logged_in(
        "C: RNFR a
         A: stat /a
         E: file 5
         S: 350
         C: NONSENSE
         S: 500
         C: NOOP
         S: 200
         C: RNTO b
         A: rename /a -> /b replace
         E: ok
         S: 250",
    );
}

#[test]
fn site_may_be_switched_off() {
    let scene = Scene::new().config(|config| config.site = false);
    scene.logged_in(
        "C: SITE HELP
         S: 502 SITE is not offered.
         C: SITE CHMOD 644 f
         S: 502
         C: HELP SITE
         S: 504",
    );
}

#[test]
fn a_link_takes_a_right_of_its_own() {
    Scene::new().without(Rights::SYMLINK).logged_in(
        "C: SITE SYMLINK target link
         S: 550 Permission denied.",
    );
    Scene::new().rights(Rights::SYMLINK).logged_in(
        "C: SITE SYMLINK target link
         A: symlink /link -> /target
         E: ok
         S: 200",
    );
}

#[test]
fn forbidden_names_are_nowhere() {
    let scene = Scene::new().forbidden(["*.php", ".ssh"]);
    let denied = [
        "CWD .ssh",
        "CWD ~/.ssh",
        "STOR d/.SSH/authorized_keys",
        "STOR a.PHP",
        "STOR .a.php",
        "APPE a.php",
        "RETR d/../.ssh/id",
        "DELE .ssh",
        "RMD .ssh",
        "MKD .Ssh",
        "RNFR .ssh",
        "SIZE .ssh/id",
        "MDTM .ssh/id",
        "MLST .ssh",
        "MFMT 20200101000000 .ssh",
        "SITE CHMOD 700 .ssh",
        "SITE SYMLINK .ssh/id link",
        "SITE SYMLINK target .ssh",
        "STAT .ssh",
        // Which some file systems take for the same.
        "CWD .ssh.",
        "STOR a.php. .",
    ];
    for line in denied {
        let mut peer = scene.passive(&format!("C: {line}\nS: 550 Permission denied."));
        let notes = peer.noted();
        assert!(
            matches!(notes[1], Note::Refused { code: 550, .. }),
            "{line}"
        );
    }
    scene.logged_in(
        "C: RNFR f
         A: stat /f
         E: file 1
         S: 350
         C: RNTO f.php
         S: 550 Permission denied.
         C: MKD php
         A: mkdir /php
         E: ok
         S: 257",
    );
    // Nor does the storage choose one.
    Scene::new().forbidden(["*.1", "*.2"]).passive(
        "C: STOU f
         A: open /f unique
         E: chosen /f.1
         A: finish abandon Storage(Denied)
         E: ok
         S: 451 Permission denied.",
    );
    // Whoever logs in next has its own.
    scene.logged_in(
        "C: REIN
         S: 220
         C: PWD
         S: 530",
    );
}

#[test]
fn a_new_name_reads_as_it_is_written() {
    let refused = [
        "\u{85}",
        "\u{9b}2J",
        "a\u{202e}gpj.exe",
        "\u{2066}x",
        "\x1b[2J",
        "\x7f",
    ];
    for name in refused {
        let mut peer = passive("");
        for verb in ["STOR", "MKD", "APPE", "SITE SYMLINK t"] {
            peer.send(format!("{verb} {name}\r\n").as_bytes());
            let replies = std::mem::take(&mut peer.replies);
            assert!(replies.starts_with(b"553 "), "{verb} {name:?}");
        }
    }
    // Bytes of another encoding stay as they are, and so do letters that join.
    for name in [&b"caf\xe9 \x85\x9b"[..], "été 한글 \u{200d}".as_bytes()] {
        let mut peer = logged_in("");
        peer.send(&[b"MKD ", name, b"\r\n"].concat());
        assert!(
            peer.poll()
                .is_some_and(|action| action.starts_with("mkdir "))
        );
    }
}
