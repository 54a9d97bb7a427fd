//! ProFTPD.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::{Folder, HASH, OWNER, Setup};

pub(super) fn command(folder: &Folder, port: u16, setup: &Setup) -> Command {
    let home = folder.path("home");
    let users = folder.write(
        "users",
        &format!("user:{HASH}:{OWNER}:{OWNER}::{home}:/bin/false\n"),
    );
    fs::set_permissions(&users, fs::Permissions::from_mode(0o600)).expect("a mode");
    let log = folder.write("log", "");
    let mut text = format!(
        "ServerName peer\nServerType standalone\nDefaultServer on\nDefaultAddress 127.0.0.1\n\
         SocketBindTight on\nPort {port}\nUseIPv6 off\nModulePath {modules}\nLoadModule mod_tls.c\n\
         User nobody\nGroup nogroup\nUmask 022\nDefaultRoot ~\nRequireValidShell off\n\
         UseFtpUsers off\nAuthOrder mod_auth_file.c\nAuthUserFile {users}\nAuthPAM off\n\
         UseReverseDNS off\nWtmpLog off\nTransferLog none\nSystemLog none\nExtendedLog {log} ALL\n\
         ScoreboardFile none\nPidFile {pid}\nDelayEngine on\nDelayTable {delay}\n\
         HiddenStores on\nDeleteAbortedStores on\nControlsEngine off\nMaxInstances 2000\nTimesGMT on\n",
        modules = Folder::installed("usr/lib/proftpd"),
        pid = folder.path("pid"),
        delay = folder.path("delay"),
    );
    for (key, value) in [
        ("TimeoutLogin", setup.login),
        ("TimeoutIdle", setup.idle),
        ("TimeoutStalled", setup.stall.or(setup.connect)),
        ("MaxConnectionsPerHost", setup.per_address),
        ("TimeoutSession", setup.trickle.then_some(6)),
    ] {
        if let Some(value) = value {
            let _ = writeln!(text, "{key} {value}");
        }
    }
    if setup.keeps_files {
        text.push_str("<Limit DELE RMD RNFR RNTO>\nDenyAll\n</Limit>\nAllowOverwrite off\n");
    } else {
        text.push_str("AllowOverwrite on\n");
    }
    if let Some(guard) = setup.tls {
        let _ = write!(
            text,
            "TLSEngine on\nTLSRequired {}\nTLSECCertificateFile {}\nTLSECCertificateKeyFile {}\n\
             TLSVerifyClient off\nTLSProtocol TLSv1.2 TLSv1.3\nTLSLog none\n",
            if guard.required { "on" } else { "off" },
            folder.path("fullchain.pem"),
            folder.path("privkey.pem"),
        );
        if !guard.reuse {
            text.push_str("TLSOptions NoSessionReuseRequired\n");
        }
    }
    let mut command = Command::new(Folder::installed("usr/sbin/proftpd"));
    command.args(["-n", "-q", "-c", &folder.write("proftpd.conf", &text)]);
    command
}
