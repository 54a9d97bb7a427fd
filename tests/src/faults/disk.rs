//! Disks that are full, broken, or do not answer.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::strace::Tracer;
use super::{SOON, Watch, stores_and_fetches, temporary};
use crate::conversations::transfer::pattern;
use crate::server::{eventually, rest};
use crate::{Client, Config, Program, Server, cases};

cases! { "faults";
    leaves_no_torn_file_on_a_full_disk("unshare", "mount", "root"),
    leaves_no_torn_file_beyond_a_quota("strace", "root"),
    keeps_the_old_file_when_the_disk_fails("strace", "root"),
    keeps_the_old_file_when_it_cannot_be_synced("strace", "root"),
    says_so_when_a_file_cannot_be_read("strace", "root"),
    says_so_when_a_file_ends_too_early("strace", "root"),
    tells_what_a_file_system_did_not_do("strace", "root"),
    serves_others_while_a_disk_hangs("bindfs", "fusermount3", "root"),
    gives_a_transfer_up_whose_disk_hangs("bindfs", "fusermount3", "root"),
    answers_in_a_transfer_whose_disk_hangs("bindfs", "fusermount3", "root"),
    gives_up_a_transfer_whose_disk_hangs_on("bindfs", "fusermount3", "root"),
}

/// Uploads what cannot be stored: it ends with one of these codes.
fn fails(client: &mut Client, line: &str, bytes: &[u8], codes: &[u16]) {
    let mut data = client.data();
    client.command(line, 150);
    // The server may have given up before all is sent.
    let _ = data.write_all(bytes);
    drop(data);
    let (code, text) = client.reply();
    assert!(codes.contains(&code), "{line}: {text}");
}

/// R25: first beside an old file, then as a new one, in a buffer and through a pipe.
fn leaves_no_torn_file_on_a_full_disk(program: &Program) {
    let mount = "mount -t tmpfs -o size=2m none HOME && exec \"$@\"";
    let server =
        program.start(Config::default().through(&["unshare", "--mount", "sh", "-c", mount, "sh"]));
    let watch = Watch::begin(&server);
    let home = server.inner_home();
    fs::write(home.join("f.bin"), b"the old file").expect("a file");
    for (name, length) in [("f.bin", 3_000_000), ("new.bin", 8_000_000)] {
        let old = fs::read(home.join(name)).ok();
        let mut client = server.login();
        let bytes = pattern(length);
        fails(&mut client, &format!("STOR {name}"), &bytes, &[452, 552]);
        assert_eq!(fs::read(home.join(name)).ok(), old, "{name}");
        // Nothing of it keeps the disk full.
        client.command(
            &format!("SIZE {name}"),
            if old.is_some() { 213 } else { 550 },
        );
        client.command("ALLO 1500000", 200);
        client.command("QUIT", 221);
    }
    watch.ends_well();
}

/// Has a call on the next upload fail.
fn upload_with(server: &Server, serial: usize, length: usize, inject: &str, codes: &[u16]) {
    server.put("f.bin", b"the old file");
    let mut client = server.login();
    let temporary = temporary(server, serial);
    // Calls that name it beside its directory are told by their own name.
    let of_file = ["-P", &temporary, "-e", inject];
    let tracer = Tracer::attach(
        server,
        if inject.contains("rename") {
            &of_file[2..]
        } else {
            &of_file
        },
    );
    fails(&mut client, "STOR f.bin", &pattern(length), codes);
    assert!(tracer.injected() > 0, "{inject}");
    assert_eq!(server.content("f.bin"), b"the old file", "{inject}");
    client.command("DELE f.bin", 250);
    client.command("QUIT", 221);
}

/// R25.
fn leaves_no_torn_file_beyond_a_quota(program: &Program) {
    let server = program.serve();
    let watch = Watch::begin(&server);
    upload_with(
        &server,
        1,
        500_000,
        "inject=write:error=EDQUOT:when=3",
        &[452, 552],
    );
    watch.ends_well();
}

/// R26.
fn keeps_the_old_file_when_the_disk_fails(program: &Program) {
    let server = program.serve();
    let watch = Watch::begin(&server);
    let faults = [
        (500_000, "inject=write:error=EIO:when=1"),
        (500_000, "inject=write:error=EIO:when=4"),
        (5_000_000, "inject=splice:error=EIO:when=2"),
        (500_000, "inject=fchmod:error=EIO:when=1"),
        (500_000, "inject=renameat,renameat2:error=EIO:when=1"),
    ];
    for (serial, (length, inject)) in (1..).zip(faults) {
        upload_with(&server, serial, length, inject, &[451]);
    }
    watch.ends_well();
}

/// R26: where a change is answered when it is on the disk.
fn keeps_the_old_file_when_it_cannot_be_synced(program: &Program) {
    let server = program.start(Config::default().top("durability = \"disk\""));
    let watch = Watch::begin(&server);
    let inject = "inject=fsync,fdatasync:error=EIO:when=1";
    upload_with(&server, 1, 500_000, inject, &[451]);
    watch.ends_well();
}

/// Some that have no modes and times say that they have set them.
fn tells_what_a_file_system_did_not_do(program: &Program) {
    let server = program.serve();
    server.put("f.bin", b"hello");
    let mut client = server.login();
    let before = client.command("MDTM f.bin", 213);
    let tracer = Tracer::attach(&server, &["-e", "inject=fchmod,utimensat:retval=0"]);
    let told = client.command("SITE CHMOD 600 f.bin", 200);
    assert!(told.contains("644"), "{told}");
    client.command("MFMT 20200102030405 f.bin", 502);
    assert_eq!(tracer.injected(), 2);
    assert_eq!(client.command("MDTM f.bin", 213), before);
    client.command("MFMT 20200102030405 f.bin", 213);
}

/// R27: by the kernel, and through a buffer.
fn says_so_when_a_file_cannot_be_read(program: &Program) {
    read_with(program, "I", "inject=sendfile:error=EIO:when=2");
    read_with(program, "A", "inject=read,pread64,preadv2:error=EIO:when=4");
}

/// R27: what the server was told of its length is not so.
fn says_so_when_a_file_ends_too_early(program: &Program) {
    read_with(program, "I", "inject=sendfile:retval=0:when=2");
    read_with(program, "A", "inject=read:retval=0:when=2");
}

fn read_with(program: &Program, form: &str, inject: &str) {
    let server = program.serve();
    let content = vec![b'x'; 30_000_000];
    server.put("f.bin", &content);
    let watch = Watch::begin(&server);
    let mut client = server.login();
    client.command(&format!("TYPE {form}"), 200);
    let path = server.home().join("f.bin").display().to_string();
    let tracer = Tracer::attach(&server, &["-P", &path, "-e", inject]);
    let data = client.data();
    client.command("RETR f.bin", 150);
    assert!(rest(data).len() < content.len(), "nothing is missing");
    client.expect(451);
    assert!(tracer.injected() > 0, "{inject}");
    drop(client);
    watch.ends_well();
}

/// A file system in user space that can be made to hang.
struct Mirror {
    place: tempfile::TempDir,
    pid: Pid,
    child: std::process::Child,
}

impl Mirror {
    fn of(folder: &Path) -> Self {
        let place = tempfile::tempdir().expect("a directory");
        let child = Command::new("bindfs")
            .args(["-f", "--multithreaded"])
            .arg(folder)
            .arg(place.path())
            .spawn()
            .expect("bindfs starts");
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let mirror = Self {
            place,
            pid: pid.expect("a pid"),
            child,
        };
        eventually("the mirror is mounted", || {
            mirror.place.path().join("f.bin").exists()
        });
        mirror
    }

    /// Has it hang as long as what is returned lives.
    fn hang(&self) -> Hanging {
        let hanging = Hanging(self.pid);
        kill_process(self.pid, Signal::STOP).expect("a signal");
        let threads = format!("/proc/{}/task", self.child.id());
        eventually("all its threads stand still", || {
            let mut threads = fs::read_dir(&threads).expect("threads").flatten();
            threads.all(|thread| {
                let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
                stat.contains(") T ")
            })
        });
        hanging
    }
}

/// A file system that hangs. It must go on before a server can end that waits for it.
struct Hanging(Pid);

impl Drop for Hanging {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        let _ = Command::new("fusermount3")
            .args(["-u", "-z"])
            .arg(self.place.path())
            .status();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// R31: one user's home is on a file system that does not answer for a while.
fn serves_others_while_a_disk_hangs(program: &Program) {
    let folder = tempfile::tempdir().expect("a directory");
    let content = pattern(3_000_000);
    fs::write(folder.path().join("f.bin"), &content).expect("a file");
    let mirror = Mirror::of(folder.path());
    let home = mirror.place.path().display();
    let server = program.start(Config::default().table(&format!("[anonymous]\nhome = \"{home}\"")));
    let watch = Watch::begin(&server);
    let begun = Instant::now();
    stores_and_fetches(&server);
    let usual = begun.elapsed();
    let mut clients: Vec<(Client, TcpStream)> = (0..10)
        .map(|_| {
            let mut client = server.connect();
            client.login("anonymous", "x");
            let data = client.data();
            (client, data)
        })
        .collect();
    let hanging = mirror.hang();
    for (client, _) in &mut clients {
        client.send("RETR f.bin");
    }
    for _ in 0..10 {
        let begun = Instant::now();
        stores_and_fetches(&server);
        let took = begun.elapsed();
        assert!(
            took < usual * 20 + Duration::from_secs(2),
            "{took:?} instead of {usual:?}"
        );
    }
    let (client, _) = &mut clients[0];
    client
        .stream()
        .set_read_timeout(Some(Duration::from_millis(200)))
        .expect("a timeout");
    assert!(client.try_reply().is_err(), "the disk does not hang");
    client
        .stream()
        .set_read_timeout(Some(SOON))
        .expect("a timeout");
    drop(hanging);
    for (mut client, data) in clients {
        client.expect(150);
        assert!(rest(data) == content, "other bytes");
        client.expect(226);
    }
    watch.ends_well();
}

/// A download whose disk hangs: what is left of it, when nothing more comes, is given to `act`.
fn hang_in_a_download(
    program: &Program,
    limits: &str,
    act: impl FnOnce(Client, TcpStream, u64, Hanging),
) {
    let folder = tempfile::tempdir().expect("a directory");
    let file = fs::File::create(folder.path().join("f.bin")).expect("a file");
    let length = 300_000_000;
    file.set_len(length).expect("a sparse file");
    let mirror = Mirror::of(folder.path());
    let home = mirror.place.path().display();
    let tables = format!("[limits]\n{limits}\n[anonymous]\nhome = \"{home}\"");
    let server = program.start(Config::default().table(&tables));
    let watch = Watch::begin(&server);
    let mut client = server.connect();
    client.login("anonymous", "x");
    let mut data = client.data();
    client.command("RETR f.bin", 150);
    let hanging = mirror.hang();
    // What was read before is still sent.
    let pause = Duration::from_millis(500);
    data.set_read_timeout(Some(pause)).expect("a timeout");
    let mut before = Vec::new();
    let end = data.read_to_end(&mut before);
    assert!(end.is_err(), "the disk does not hang");
    act(client, data, length - before.len() as u64, hanging);
    watch.ends_well();
}

/// R31: the transfer waits, but its session does not.
fn answers_in_a_transfer_whose_disk_hangs(program: &Program) {
    hang_in_a_download(program, "", |mut client, data, left, hanging| {
        for _ in 0..3 {
            client.command("STAT", 211);
        }
        drop(hanging);
        data.set_read_timeout(Some(SOON)).expect("a timeout");
        assert_eq!(rest(data).len() as u64, left);
        client.expect(226);
    });
}

/// R31: an ABOR is answered at once, whatever the disk does.
fn gives_a_transfer_up_whose_disk_hangs(program: &Program) {
    hang_in_a_download(program, "", |mut client, data, _, hanging| {
        let begun = Instant::now();
        client.send("ABOR");
        client.expect(426);
        client.expect(226);
        // On an idle machine it takes a tenth of that.
        assert!(begun.elapsed() < Duration::from_secs(2), "{begun:?}");
        client.command("PWD", 257);
        drop((data, hanging));
        client.command("QUIT", 221);
    });
}

/// R31: the limit on stalls ends the transfer, though what the disk has begun does not come back.
fn gives_up_a_transfer_whose_disk_hangs_on(program: &Program) {
    hang_in_a_download(
        program,
        "stall = \"1s\"",
        |mut client, _data, _, _hanging| {
            let patience = Some(Duration::from_secs(60));
            let stream = client.stream();
            stream.set_read_timeout(patience).expect("a timeout");
            client.expect(426);
            client.command("NOOP", 200);
            client.command("QUIT", 221);
            client.expect_end();
        },
    );
}
