//! [`Report`]: what is printed at the start.

use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use ipnet::IpNet;
use wharf_core::{Protection, Rights, TlsPolicy};

use crate::certificate::Fingerprint;
use crate::listen::Listen;
use crate::sandbox::Confinement;

pub use crate::served::Served;
use wharf_driver::Escape;
use wharf_driver::PublicAddress;

/// So many accounts are told at the start.
const SHOWN: usize = 20;

/// What a server serves, told to whoever started it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The directories.
    pub served: Vec<Served>,
    /// What is protected by TLS, if there is any.
    pub tls: Option<Protected>,
    /// As in [`Settings`](wharf_driver::Settings).
    pub passive_ports: Option<RangeInclusive<u16>>,
    /// As in [`Settings`](wharf_driver::Settings).
    pub active_port: u16,
    /// As in [`Settings`](wharf_driver::Settings).
    pub public_address: Option<PublicAddress>,
    /// As in [`Settings`](wharf_driver::Settings).
    pub proxy_from: Vec<IpNet>,
    /// The directories below which homes may come and go.
    pub reach: Vec<PathBuf>,
}

/// So many directories are named in one line.
const NAMED: usize = 5;

/// What is protected by TLS.
#[derive(Clone, Debug)]
pub struct Protected {
    /// For listeners that begin in clear text.
    pub policy: TlsPolicy,
    /// The fingerprint of a certificate that was made for trying things out.
    pub fingerprint: Option<Fingerprint>,
}

impl Report {
    /// The lines of the report of a server that listens there, and is confined so if it runs
    /// already.
    #[must_use]
    pub fn text(&self, listening: &[Listen], confinement: Option<&Confinement>) -> String {
        let mut text = String::new();
        // To write into a string cannot fail.
        let _ = self.write(&mut text, listening);
        if let Some(confinement) = confinement {
            let _ = writeln!(text, "{confinement}");
        }
        text
    }

    fn write(&self, text: &mut String, listening: &[Listen]) -> std::fmt::Result {
        let common = self.tls.as_ref().map(|tls| tls.policy).unwrap_or_default();
        for listen in listening {
            write!(text, "listening on {}", listen.address)?;
            if listen.tls.implicit {
                write!(text, " (implicit TLS)")?;
            } else if listen.tls != common {
                write!(text, " (TLS is {})", words(listen.tls))?;
            }
            if listen.for_both {
                write!(text, " (IPv4 too)")?;
            }
            if let Some(own) = &listen.proxy_from
                && *own != self.proxy_from
            {
                write!(text, " (balancers are {})", names(own))?;
            }
            writeln!(text)?;
        }
        for served in self.served.iter().take(SHOWN) {
            write!(text, "serving {} to ", served.at)?;
            match &served.user {
                Some(name) => write!(text, "{}", Escape(name.as_bytes()))?,
                None => write!(text, "anonymous clients")?,
            }
            if served.rights == Rights::NONE {
                writeln!(text, ", who may do nothing")?;
            } else {
                writeln!(text, ", who may {}", served.rights)?;
            }
        }
        let more = self.served.len().saturating_sub(SHOWN);
        if more > 0 {
            writeln!(
                text,
                "serving {more} more accounts, which `user list` tells"
            )?;
        }
        if let Some(tls) = &self.tls {
            writeln!(text, "TLS is {}", words(tls.policy))?;
            if let Some(fingerprint) = &tls.fingerprint {
                writeln!(
                    text,
                    "nobody vouches for the certificate; its SHA-256 fingerprint is"
                )?;
                writeln!(text, "{fingerprint}")?;
            }
        }
        if let Some(ports) = &self.passive_ports {
            writeln!(text, "passive ports {}-{}", ports.start(), ports.end())?;
        }
        if self.active_port != 0 {
            writeln!(text, "active data comes from port {}", self.active_port)?;
        }
        if let Some(address) = &self.public_address {
            writeln!(text, "announced to clients as {address}")?;
        }
        if !self.proxy_from.is_empty() {
            let balancers = names(&self.proxy_from);
            writeln!(
                text,
                "balancers, which say who a client is, are {balancers}"
            )?;
        }
        if !self.reach.is_empty() {
            write!(text, "homes may appear, be replaced or be mounted below ")?;
            for (at, tree) in self.reach.iter().take(NAMED).enumerate() {
                let comma = if at == 0 { "" } else { ", " };
                write!(text, "{comma}{}", Escape(tree.as_os_str().as_bytes()))?;
            }
            match self.reach.len().checked_sub(NAMED) {
                Some(more @ 1..) => writeln!(text, " and {more} more")?,
                _ => writeln!(text)?,
            }
        }
        if let Some(first) = listening.first()
            && listening
                .iter()
                .all(|listen| listen.address.ip().is_loopback())
        {
            let port = first.address.port();
            writeln!(
                text,
                "only this machine can connect; to serve the network, add \
                 --listen 0.0.0.0:{port} --listen [::]:{port}"
            )?;
        }
        Ok(())
    }
}

/// Networks as words.
fn names(networks: &[IpNet]) -> String {
    let names: Vec<_> = networks.iter().map(ToString::to_string).collect();
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    }
}

/// What a policy demands.
fn words(tls: TlsPolicy) -> String {
    let word = |protection| match protection {
        Protection::Off => "off",
        Protection::Offered => "offered",
        Protection::Required => "required",
    };
    let (control, data) = (word(tls.control), word(tls.data));
    format!("{control} for logins, {data} for data")
}
