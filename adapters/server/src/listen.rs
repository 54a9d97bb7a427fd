//! [`Listen`]: where a server listens, and what clients meet there.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use serde::Deserialize;
use toml::Spanned;
use wharf_core::{DoubtfulEnds, Protection, TlsPolicy};

use crate::config::networks;
use crate::source::Source;
use crate::tls::{Configured, NO_TLS, ONLY_DATA};
use crate::value::{List, Listed, Value};

/// Where a server listens if nothing is said.
const PORT: u16 = 2121;

/// An address to listen on. Port 0 lets the system pick one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The address.
    pub address: SocketAddr,
    /// `[::]` that serves clients with IPv4 too, as nothing else listens for them on its port.
    pub for_both: bool,
    /// What is protected by TLS there.
    pub tls: TlsPolicy,
    /// Doubtful ends of uploads that count there, beside those that count everywhere.
    pub accept: DoubtfulEnds,
    /// The networks of balancers there, where they are not those of
    /// [`Settings::proxy_from`](wharf_driver::Settings::proxy_from).
    pub proxy_from: Option<Vec<IpNet>>,
}

/// `[[listener]]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Section {
    address: Spanned<Value<SocketAddr>>,
    control: Option<Spanned<Value<Protection>>>,
    data: Option<Spanned<Value<Protection>>>,
    implicit: Option<Spanned<bool>>,
    #[serde(default)]
    accept_truncated: bool,
    #[serde(default)]
    accept_hang_up: bool,
    proxy_from: Option<List<Value<IpNet>>>,
}

impl Listed for Section {
    const LIST: &'static str = "[[listener]] in double brackets";
}

/// What the command line and the file say of it: the command line wins over `listen`, and what has
/// a policy of its own comes on top. Whether nobody chose the addresses.
///
/// # Errors
/// What to tell the user.
pub(crate) fn listen(
    options: Vec<SocketAddr>,
    source: &Source,
    file: Option<Spanned<List<Value<SocketAddr>>>>,
    sections: &[Section],
    tls: &Configured,
) -> Result<(Vec<Listen>, bool), String> {
    let own = sections.iter().map(|section| section.listen(source, tls));
    let own = own.collect::<Result<Vec<_>, _>>()?;
    let implicit = tls.implicit.iter().map(|address| Listen {
        address: *address,
        for_both: false,
        tls: TlsPolicy {
            implicit: true,
            ..tls.policy
        },
        accept: DoubtfulEnds::NONE,
        proxy_from: None,
    });
    let has_others = !own.is_empty() || !tls.implicit.is_empty();
    let chosen = match file {
        _ if !options.is_empty() => Some(options),
        Some(list) if list.get_ref().0.is_empty() && !has_others => {
            return Err(source.mistake(&list.span(), "expected at least one address"));
        }
        Some(list) => Some(list.into_inner().0.into_iter().map(|word| word.0).collect()),
        None if !own.is_empty() => Some(Vec::new()),
        None => None,
    };
    let default = chosen.is_none();
    let nobodys = || {
        vec![
            (Ipv4Addr::LOCALHOST, PORT).into(),
            (Ipv6Addr::LOCALHOST, PORT).into(),
        ]
    };
    let common = chosen.unwrap_or_else(nobodys);
    let common = common.into_iter().map(|address| Listen {
        address,
        for_both: false,
        tls: tls.policy,
        accept: DoubtfulEnds::NONE,
        proxy_from: None,
    });
    let mut all: Vec<Listen> = common.chain(implicit).chain(own).collect();
    let ports: Vec<u16> = all
        .iter()
        .filter(|listen| listen.address.is_ipv4())
        .map(|listen| listen.address.port())
        .collect();
    for Listen {
        address, for_both, ..
    } in &mut all
    {
        let port = address.port();
        *for_both = address.ip() == Ipv6Addr::UNSPECIFIED && (port == 0 || !ports.contains(&port));
    }
    Ok((all, default))
}

/// What is said of addresses that two listeners would need.
pub(crate) fn twice(listen: &[Listen]) -> impl Iterator<Item = String> {
    let pairs = listen.iter().enumerate().filter_map(|(at, one)| {
        let before = &listen[..at];
        let other = before.iter().find(|other| meet(one, other))?;
        Some((one, other))
    });
    pairs.map(|(one, other)| {
        if one.address == other.address {
            format!(
                "two listeners have the address {}, expected each once",
                one.address
            )
        } else {
            format!(
                "{} holds {} too, expected one of them, or another port",
                other.address, one.address
            )
        }
    })
}

/// Whether one of two listeners could not be had beside the other.
fn meet(one: &Listen, other: &Listen) -> bool {
    let [a, b] = [one, other].map(|listen| listen.address);
    let same_kind = a.is_ipv4() == b.is_ipv4();
    let same = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() != 0 && a.port() == b.port() && same_kind && same
}

impl Section {
    fn listen(&self, source: &Source, tls: &Configured) -> Result<Listen, String> {
        let word = |word: &Option<Spanned<Value<Protection>>>, common| {
            word.as_ref().map_or(common, |word| word.get_ref().0)
        };
        let policy = TlsPolicy {
            control: word(&self.control, tls.policy.control),
            data: word(&self.data, tls.policy.data),
            ccc: tls.policy.ccc,
            implicit: self.implicit.as_ref().is_some_and(|word| *word.get_ref()),
        };
        let has_tls = policy.implicit || policy.control != Protection::Off;
        let [control, data] =
            [&self.control, &self.data].map(|word| word.as_ref().map(Spanned::span));
        if has_tls && tls.material.is_none() {
            let span = self.implicit.as_ref().map(Spanned::span).or(control);
            return Err(source.mistake(&span.unwrap_or_default(), NO_TLS));
        }
        if policy.data == Protection::Required && !has_tls {
            let span = data.or(control).unwrap_or_else(|| self.address.span());
            return Err(source.mistake(&span, ONLY_DATA));
        }
        Ok(Listen {
            address: self.address.get_ref().0,
            for_both: false,
            tls: policy,
            accept: DoubtfulEnds {
                truncated: self.accept_truncated,
                hang_up: self.accept_hang_up,
            },
            proxy_from: self.proxy_from.as_ref().map(networks),
        })
    }
}
