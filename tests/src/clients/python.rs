//! Python's ftplib, and aioftp. What they do is in the scripts beside this file.

use super::secure::{VERSIONS, Way, protected, secure, ways};
use super::{Desk, both, grow, replaces_nothing_when_it_is_killed};
use crate::{Program, Server, cases};

const FTPLIB: &str = include_str!("ftplib_client.py");
const AIOFTP: &str = include_str!("aioftp_client.py");

cases! { "clients";
    ftplib_does_all_it_can("python3"),
    ftplib_that_is_killed_replaces_nothing("python3"),
    ftplib_does_all_it_can_over_tls("python3"),
    ftplib_begins_a_tls_session_for_each_transfer("python3"),
    aioftp_does_all_it_can("python3", "python/aioftp"),
    aioftp_does_all_it_can_over_tls("python3", "python/aioftp"),
}

/// Runs a script on a tree, once for each address of the server.
fn run(program: &Program, script: &str) {
    let server = both(program);
    for &address in server.addresses() {
        let desk = Desk::new();
        grow(&desk.path());
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        desk.run("python3", &["-c", script, &ip, &port]);
    }
    server.still_serves();
}

/// The same with TLS, in each way; every data connection resumes.
fn run_over_tls(program: &Program, script: &str) {
    let server = secure(program, "required");
    for way in ways(&server) {
        let desk = Desk::new();
        grow(&desk.path());
        talk_over_tls(&desk, &server, &way, script);
    }
    for version in VERSIONS {
        assert!(protected(&server, version, true) > 2 * 10, "{version}");
    }
}

/// Tells a script where to go, how TLS begins there, and whom to trust.
pub(super) fn talk_over_tls(desk: &Desk, server: &Server, way: &Way, script: &str) {
    let words = way.words(server, "TLSv", "_");
    let words = words.each_ref().map(String::as_str);
    desk.run("python3", &[&["-c", script], &words[..]].concat());
}

fn ftplib_does_all_it_can(program: &Program) {
    run(program, FTPLIB);
}

/// Uploads slowly.
const SLOW: &str = "
import ftplib, sys, time
ftp = ftplib.FTP()
ftp.connect(sys.argv[1], int(sys.argv[2]))
ftp.login('user', '12345')
class Slow:
    def __init__(self, file): self.file = file
    def read(self, size):
        time.sleep(0.002)
        return self.file.read(size)
ftp.storbinary('STOR f.bin', Slow(open('f.bin', 'rb')), 20000)
ftp.quit()
";

fn ftplib_that_is_killed_replaces_nothing(program: &Program) {
    replaces_nothing_when_it_is_killed(program, |desk, address| {
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        let mut command = desk.command("python3");
        command.args(["-c", SLOW, &ip, &port]);
        command
    });
}

fn ftplib_does_all_it_can_over_tls(program: &Program) {
    run_over_tls(program, FTPLIB);
}

/// `FTP_TLS` as it is, without what many add to it.
fn ftplib_begins_a_tls_session_for_each_transfer(program: &Program) {
    let server = secure(program, "if-offered");
    let desk = Desk::new();
    grow(&desk.path());
    let [ip, port, _, version, authority] = ways(&server)[0].words(&server, "TLSv", "_");
    let words = ["-c", FTPLIB, &ip, &port, "forgetful", &version, &authority];
    desk.run("python3", &words);
    assert!(protected(&server, "1.3", false) > 10);
    assert_eq!(protected(&server, "1.3", true), 0);
}

fn aioftp_does_all_it_can(program: &Program) {
    run(program, AIOFTP);
}

fn aioftp_does_all_it_can_over_tls(program: &Program) {
    run_over_tls(program, AIOFTP);
}
