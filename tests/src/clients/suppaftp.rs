//! suppaftp, a client in Rust.

use std::io::{Cursor, Read as _};
use std::time::Duration;

use ::suppaftp::list::File;
use ::suppaftp::types::FileType;
use ::suppaftp::{FtpStream, ImplFtpStream, Mode, RustlsConnector, RustlsFtpStream, TlsStream};

use super::secure::{VERSIONS, Way, protected, secure, ways};
use super::{both, names, noise};
use crate::{Program, Tls, cases};

cases! { "clients";
    suppaftp_does_all_it_can,
    suppaftp_does_all_it_can_over_tls,
    suppaftp_makes_many_transfers_in_one_login_over_tls,
}

fn suppaftp_does_all_it_can(program: &Program) {
    let server = both(program);
    for &address in server.addresses() {
        let modes: &[Mode] = if address.is_ipv4() {
            &[Mode::Passive, Mode::ExtendedPassive, Mode::Active]
        } else {
            &[Mode::ExtendedPassive]
        };
        for mode in modes {
            let mut ftp = FtpStream::connect(address)
                .expect("a connection")
                .active_mode(Duration::from_secs(10));
            ftp.set_mode(*mode);
            login(&mut ftp);
            talk(&mut ftp);
            abort(&mut ftp);
            ftp.quit().expect("to quit");
        }
    }
    server.still_serves();
}

/// More than it has tickets of TLS 1.3 for: then it begins sessions.
fn suppaftp_does_all_it_can_over_tls(program: &Program) {
    let server = secure(program, "if-offered");
    for way in ways(&server) {
        let mut ftp = connect(&way);
        talk(&mut ftp);
        ftp.quit().expect("to quit");
    }
    for version in VERSIONS {
        assert!(protected(&server, version, true) > 2, "{version}");
    }
}

/// Eight, since rustls keeps as many tickets of TLS 1.3 and uses each once.
fn suppaftp_makes_many_transfers_in_one_login_over_tls(program: &Program) {
    let server = secure(program, "required");
    for way in ways(&server) {
        let mut ftp = connect(&way);
        for seed in 1..=4 {
            let content = noise(seed, 30_000);
            let stored = ftp.put_file("f.bin", &mut Cursor::new(&content));
            assert_eq!(stored.expect("STOR"), 30_000);
            let back = ftp.retr_as_buffer("f.bin").expect("RETR").into_inner();
            assert!(back == content);
        }
        ftp.quit().expect("to quit");
    }
    for version in VERSIONS {
        assert_eq!(protected(&server, version, true), 2 * 8, "{version}");
    }
}

fn connect(way: &Way) -> RustlsFtpStream {
    let tls = match way.version {
        "1.2" => Tls::v12(),
        _ => Tls::v13(),
    };
    let connector = RustlsConnector::from(tls.config());
    let mut ftp = if way.implicit {
        RustlsFtpStream::connect_secure_implicit(way.address, connector, "localhost")
    } else {
        RustlsFtpStream::connect(way.address)
            .and_then(|clear| clear.into_secure(connector, "localhost"))
    }
    .expect("a connection");
    ftp.set_mode(Mode::ExtendedPassive);
    login(&mut ftp);
    ftp
}

fn login<T: TlsStream>(ftp: &mut ImplFtpStream<T>) {
    ftp.login("user", "12345").expect("to log in");
    ftp.transfer_type(FileType::Binary).expect("TYPE I");
}

fn talk<T: TlsStream>(ftp: &mut ImplFtpStream<T>) {
    assert!(ftp.feat().expect("FEAT").contains_key("MLST"));
    ftp.mkdir("폴더").expect("MKD");
    ftp.cwd("폴더").expect("CWD");
    assert_eq!(ftp.pwd().expect("PWD"), "/폴더");
    for (seed, name) in (1..).zip(names()) {
        let content = noise(seed, 30_000);
        let stored = ftp.put_file(&name, &mut Cursor::new(&content));
        assert_eq!(stored.expect("STOR"), 30_000);
        let back = ftp.retr_as_buffer(&name).expect("RETR").into_inner();
        assert!(back == content, "{name}");
        assert_eq!(ftp.size(&name).expect("SIZE"), 30_000);
        ftp.mdtm(&name).expect("MDTM");
        ftp.resume_transfer(12_345).expect("REST");
        let back = ftp.retr_as_buffer(&name).expect("RETR").into_inner();
        assert!(back == content[12_345..], "{name}");
        ftp.resume_transfer(20_000).expect("REST");
        ftp.put_file(&name, &mut Cursor::new(&content[20_000..]))
            .expect("STOR");
        ftp.append_file(&name, &mut Cursor::new(b"more"))
            .expect("APPE");
        let back = ftp.retr_as_buffer(&name).expect("RETR").into_inner();
        assert!(back == [&content, &b"more"[..]].concat(), "{name}");
    }
    let mut expected = names();
    expected.sort();
    let mut listed = ftp.nlst(None).expect("NLST");
    listed.sort();
    assert_eq!(listed, expected);
    for lines in [ftp.list(None), ftp.mlsd(None)] {
        let lines = lines.expect("a listing");
        for name in names() {
            assert!(
                lines.iter().any(|line| line.ends_with(&format!(" {name}"))),
                "{lines:?}"
            );
        }
    }
    for line in ftp.list(None).expect("LIST") {
        let file: File = line.parse().expect("a line that suppaftp can read");
        assert_eq!(file.size(), 30_004, "{line}");
    }
    for name in names() {
        ftp.rename(name.as_str(), "renamed").expect("RNTO");
        ftp.rm("renamed").expect("DELE");
    }
    ftp.cdup().expect("CDUP");
    ftp.rmdir("폴더").expect("RMD");
}

/// In clear only: under TLS the reply may be 225, which suppaftp does not take for one.
fn abort(ftp: &mut FtpStream) {
    ftp.put_file("big.bin", &mut Cursor::new(noise(1, 20_000_000)))
        .expect("STOR");
    let mut data = ftp.retr_as_stream("big.bin").expect("RETR");
    let mut some = [0; 1_000];
    data.read_exact(&mut some).expect("some data");
    ftp.abort(data).expect("ABOR");
    ftp.noop().expect("NOOP");
    ftp.rm("big.bin").expect("DELE");
}
