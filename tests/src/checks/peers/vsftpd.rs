//! vsftpd.

use std::fmt::Write as _;
use std::process::Command;

use super::{Folder, Setup};

pub(super) fn command(folder: &Folder, port: u16, setup: &Setup) -> Command {
    let log = folder.write("log", "");
    let empty = folder.path("empty");
    let home = folder.path("home");
    let mut text = format!(
        "listen=YES\nlisten_address=127.0.0.1\nlisten_port={port}\nbackground=NO\n\
         anonymous_enable=NO\nlocal_enable=YES\nwrite_enable=YES\nlocal_umask=022\n\
         chroot_local_user=YES\nallow_writeable_chroot=YES\nlocal_root={home}\n\
         secure_chroot_dir={empty}\npam_service_name=checks\nsession_support=NO\n\
         ascii_download_enable=YES\nascii_upload_enable=YES\ntcp_wrappers=NO\nisolate=NO\n\
         isolate_network=NO\nseccomp_sandbox=NO\nls_recurse_enable=YES\ndelete_failed_uploads=YES\nxferlog_enable=YES\n\
         xferlog_std_format=NO\nlog_ftp_protocol=YES\nvsftpd_log_file={log}\n"
    );
    // One timer for both.
    let idle = [setup.login, setup.idle].into_iter().flatten().min();
    for (key, value) in [
        ("idle_session_timeout", idle),
        ("accept_timeout", setup.connect),
        ("data_connection_timeout", setup.stall),
        ("max_per_ip", setup.per_address),
    ] {
        if let Some(value) = value {
            let _ = writeln!(text, "{key}={value}");
        }
    }
    if setup.bare_logins {
        text.push_str("delay_failed_login=0\nmax_login_fails=1000\n");
    }
    if setup.keeps_files {
        text.push_str("cmds_denied=DELE,RMD,RNFR,RNTO\n");
    }
    if let Some(guard) = setup.tls {
        let yes = |is: bool| if is { "YES" } else { "NO" };
        let _ = write!(
            text,
            "ssl_enable=YES\nforce_local_logins_ssl={0}\nforce_local_data_ssl={0}\n\
             require_ssl_reuse={1}\nssl_ciphers=HIGH\nstrict_ssl_read_eof=YES\n\
             rsa_cert_file={2}\nrsa_private_key_file={3}\n",
            yes(guard.required),
            yes(guard.reuse),
            folder.path("fullchain.pem"),
            folder.path("privkey.pem"),
        );
    }
    let mut command = Command::new(Folder::installed("usr/sbin/vsftpd"));
    command.arg(folder.write("vsftpd.conf", &text));
    command
}
