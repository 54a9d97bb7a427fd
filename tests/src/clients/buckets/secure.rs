//! Clients that go to a bucket over TLS, by AUTH and with data that is protected.

use std::fs;

use super::{Bucket, PART, break_off};
use crate::clients::curl::curls;
use crate::clients::lftp::secure_opening;
use crate::clients::python::talk_over_tls;
use crate::clients::rclone::{rclones, secure_remote};
use crate::clients::secure::{Way, protected, secured, ways};
use crate::clients::{Desk, assert_same, grow, noise};
use crate::{Program, Server, cases};

cases! { "buckets";
    curl_resumes_both_ways_over_tls("curl", "seaweedfs/bin/weed"),
    lftp_mirrors_there_and_back_over_tls("lftp", "seaweedfs/bin/weed"),
    rclone_copies_there_and_back_over_tls("rclone", "seaweedfs/bin/weed"),
    ftplib_resumes_both_ways_over_tls("python3", "seaweedfs/bin/weed"),
}

/// So many files are in the tree that [`grow`] makes.
const GROWN: usize = 13;

/// AUTH, in each version.
fn explicit(server: &Server) -> [Way; 2] {
    let [one, other, ..] = ways(server);
    [one, other]
}

fn curl_resumes_both_ways_over_tls(program: &Program) {
    let bucket = Bucket::new();
    let server = program.start(secured(bucket.config(), "required"));
    let clear = bucket.serve(program);
    let content = noise(2, 3 * PART + 99_999);
    for way in explicit(&server) {
        let desk = Desk::new();
        let talk = |arguments: &[&str]| curls(&desk, &server, way.version, arguments);
        let url = way.url("f.bin");
        desk.put("f.bin", &content);
        break_off(&clear, "f.bin", &content[..3 * PART + 1000]);
        talk(&["-C", "-", "-T", "f.bin", &url]);
        assert!(clear.login().fetch("f.bin") == content);
        desk.put("f.bin", &content[..PART + 1]);
        talk(&["-C", "-", "-O", &url]);
        assert!(desk.content("f.bin") == content);
        clear.login().command("DELE f.bin", 250);
    }
    let log = server.whole_log();
    assert_eq!(log.matches("APPE complete").count(), 2, "{log}");
}

fn lftp_mirrors_there_and_back_over_tls(program: &Program) {
    let server = program.start(secured(Bucket::new().config(), "required"));
    for way in explicit(&server) {
        let desk = Desk::new();
        let tree = desk.path().join("tree");
        fs::create_dir(&tree).expect("a directory");
        grow(&tree);
        let script = secure_opening(&server, way.version, &way.url(""))
            + "mirror -R -P 4 --no-perms tree t; mirror -P 4 t back; rm -r t";
        desk.run("lftp", &["-c", &script]);
        assert_same(&tree, &desk.path().join("back"));
        let resumed = protected(&server, way.version, true);
        assert!(resumed > 2 * GROWN, "{}: {resumed}", way.version);
    }
}

fn rclone_copies_there_and_back_over_tls(program: &Program) {
    // Several logins of rclone share their sessions, so that not all of its data resumes its own.
    let server = program.start(secured(Bucket::new().config(), "if-offered"));
    for way in explicit(&server) {
        let desk = Desk::new();
        for name in ["tree", "back"] {
            fs::create_dir(desk.path().join(name)).expect("a directory");
        }
        grow(&desk.path().join("tree"));
        let remote = secure_remote(&desk, &way, way.version, "tree");
        let talk = |arguments: &[&str]| rclones(&desk, &server, arguments);
        talk(&["copy", "--create-empty-src-dirs", "tree", &remote]);
        talk(&["copy", "--create-empty-src-dirs", &remote, "back"]);
        assert_same(&desk.path().join("tree"), &desk.path().join("back"));
        talk(&["purge", &remote]);
        let all = [true, false].map(|resumed| protected(&server, way.version, resumed));
        assert!(all[0] + all[1] > 2 * GROWN, "{}: {all:?}", way.version);
    }
}

/// An upload that ends without `close_notify` has broken off.
const FTPLIB: &str = r"
import ftplib, io, ssl, sys, time
host, port, _, version, authority = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
def login():
    f = ftplib.FTP_TLS(context=context, timeout=60)
    f.connect(host, int(port)); f.login('user', '12345'); f.prot_p(); f.voidcmd('TYPE I')
    return f
def size(f):
    try: return f.size('f.bin')
    except ftplib.error_perm: return 0
f = login()
content = open('f.bin', 'rb').read()
part = len(content) // 4
data = f.transfercmd('STOR f.bin')
data.sendall(content[:3 * part + 1000])
other = login()
while size(other) != 2 * part: time.sleep(0.05)
data.close()
try: f.voidresp(); raise SystemExit('it is stored')
except ftplib.error_temp as e: assert str(e).startswith('426'), e
at = size(f); assert at == 2 * part, at
f.storbinary('STOR f.bin', io.BytesIO(content[at:]), rest=at)
for at in (0, part + 1):
    got = []; f.retrbinary('RETR f.bin', got.append, rest=at)
    assert b''.join(got) == content[at:], at
f.delete('f.bin'); f.quit()
";

fn ftplib_resumes_both_ways_over_tls(program: &Program) {
    let server = program.start(secured(Bucket::new().config(), "if-offered"));
    for way in explicit(&server) {
        let desk = Desk::new();
        desk.put("f.bin", &noise(3, 4 * PART));
        talk_over_tls(&desk, &server, &way, FTPLIB);
        assert_eq!(protected(&server, way.version, false), 4);
    }
}
