//! `openssl s_client`, which shows what is agreed upon.

use super::Desk;
use super::secure::{Way, authority, secure, ways};
use crate::{Program, Server, cases};

cases! { "clients";
    openssl_sees_the_certificate_and_both_versions("openssl"),
    openssl_agrees_on_ftp_and_on_nothing_else("openssl"),
    openssl_is_refused_with_old_versions("openssl"),
}

/// What it says, whether it succeeds or not.
fn look(server: &Server, way: &Way, arguments: &[&str]) -> String {
    let desk = Desk::new();
    let mut command = desk.command("openssl");
    command.args(["s_client", "-connect", &way.address.to_string()]);
    command.args(["-showcerts", "-CAfile", &authority(server)]);
    if !way.implicit {
        command.args(["-starttls", "ftp"]);
    }
    command.args(arguments);
    desk.finish(command).1
}

fn openssl_sees_the_certificate_and_both_versions(program: &Program) {
    let server = secure(program, "if-offered");
    let certificate = std::fs::read_to_string(server.folder().join("fullchain.pem"));
    for way in ways(&server) {
        let version = format!("-tls{}", way.version.replace('.', "_"));
        let said = look(&server, &way, &[&version, "-verify_ip", "127.0.0.1"]);
        assert!(said.contains("Verification: OK"), "{said}");
        assert!(said.contains("CN = localhost"), "{said}");
        assert!(
            said.contains(&format!("New, TLSv{}", way.version)),
            "{said}"
        );
        let shown = certificate.as_ref().expect("a certificate").trim();
        assert!(said.contains(&shown.replace('\r', "")), "{said}");
        let said = look(&server, &way, &["-verify_hostname", "other.example"]);
        assert!(said.contains("hostname mismatch"), "{said}");
    }
}

fn openssl_agrees_on_ftp_and_on_nothing_else(program: &Program) {
    let server = secure(program, "if-offered");
    for way in ways(&server) {
        let said = look(&server, &way, &["-alpn", "ftp"]);
        assert!(said.contains("ALPN protocol: ftp\n"), "{said}");
        let said = look(&server, &way, &["-alpn", "http/1.1,ftp"]);
        assert!(said.contains("ALPN protocol: ftp\n"), "{said}");
        let said = look(&server, &way, &["-alpn", "http/1.1"]);
        assert!(said.contains("alert no application protocol"), "{said}");
        assert!(look(&server, &way, &[]).contains("No ALPN negotiated"));
    }
}

fn openssl_is_refused_with_old_versions(program: &Program) {
    let server = secure(program, "if-offered");
    for way in ways(&server) {
        for version in ["-tls1", "-tls1_1"] {
            // Without this OpenSSL does not even try.
            let said = look(&server, &way, &[version, "-cipher", "DEFAULT:@SECLEVEL=0"]);
            assert!(said.contains(" alert "), "{said}");
            assert!(said.contains("New, (NONE)"), "{said}");
        }
    }
}
