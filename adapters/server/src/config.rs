//! The configuration file: what may stand in it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;
use toml::Spanned;
use wharf_core::{ForbiddenNames, Limits, Rights, Style};
use wharf_driver::{PublicAddress, Settings};
use wharf_local::{Durability, Links, LocalOptions, Partials, Replace};

use crate::bucket;
use crate::certificate::Fingerprint;
use crate::include::Include;
use crate::listen;
use crate::password::HashedPassword;
use crate::process;
use crate::source::Source;
use crate::tls::{Demand, Section as Tls};
use crate::value::{
    Count, Greeting, List, Listed, ListedLinks, Name, Offset, OrNone, Pattern, Port, Ports, Size,
    Table, Umask, Value, Wait,
};

/// The whole file.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct File {
    pub(crate) listen: Option<Spanned<List<Value<SocketAddr>>>>,
    #[serde(rename = "listener")]
    pub(crate) listeners: List<listen::Section>,
    pub(crate) proxy_from: List<Value<IpNet>>,
    pub(crate) allow: List<Value<IpNet>>,
    pub(crate) deny: List<Value<IpNet>>,
    pub(crate) ctl_socket: Option<PathBuf>,
    pub(crate) greeting: Option<Value<Greeting>>,
    pub(crate) welcome: Option<Value<Greeting>>,
    pub(crate) listing: Option<Value<Style>>,
    pub(crate) dot_files: bool,
    pub(crate) listed_links: Option<Value<ListedLinks>>,
    pub(crate) site: Option<bool>,
    pub(crate) utc_offset: Option<Value<Offset>>,
    pub(crate) durability: Option<Value<Durability>>,
    pub(crate) accept_truncated: bool,
    pub(crate) accept_hang_up: bool,
    #[serde(rename = "users")]
    pub(crate) include: Option<Spanned<Value<Include>>>,
    pub(crate) homes: Option<Spanned<PathBuf>>,
    pub(crate) passive: Table<Passive>,
    pub(crate) active: Table<Active>,
    pub(crate) limits: Table<Bounds>,
    pub(crate) tls: Option<Spanned<Table<Tls>>>,
    pub(crate) storage: Table<Storage>,
    pub(crate) process: Table<process::Section>,
    #[serde(rename = "bucket")]
    pub(crate) buckets: BTreeMap<String, Spanned<Table<bucket::Section>>>,
    pub(crate) anonymous: Option<Spanned<Table<Anonymous>>>,
    #[serde(rename = "user")]
    pub(crate) users: List<User>,
}

/// A whole file of accounts.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct UserFile {
    #[serde(rename = "user")]
    pub(crate) users: List<User>,
}

/// `[passive]`
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Passive {
    pub(crate) ports: Option<Value<OrNone<Ports>>>,
    pub(crate) address: Option<Spanned<Value<OrNone<PublicAddress>>>>,
}

/// `[active]`
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Active {
    pub(crate) port: Option<OrNone<Port>>,
}

/// `[limits]`
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Bounds {
    sessions: Option<Count>,
    sessions_per_address: Option<Count>,
    pub(crate) sessions_per_account: Option<OrNone<Count>>,
    login_tries: Option<Count>,
    login_delay: Option<Value<Duration>>,
    failed_logins: Option<Count>,
    back_off: Option<Value<Duration>>,
    back_off_most: Option<Value<Wait>>,
    back_off_forgets: Option<Value<Wait>>,
    back_off_exempt: List<Value<IpNet>>,
    commands_per_second: Option<OrNone<Count>>,
    login: Option<Value<Wait>>,
    line: Option<Value<Wait>>,
    handshake: Option<Value<Wait>>,
    idle: Option<Value<Wait>>,
    stall: Option<Value<Wait>>,
    minimum_rate: Option<OrNone<Count>>,
    connect: Option<Value<Wait>>,
    grace: Option<Value<Duration>>,
    pub(crate) storage_threads: Option<Count>,
    pub(crate) upload_memory: Option<Value<Size>>,
    vanished: Option<Value<Wait>>,
}

impl Bounds {
    /// Puts the bounds of one session over the defaults.
    pub(crate) fn apply_to_session(&self, limits: &mut Limits) {
        set(
            &mut limits.login_tries,
            self.login_tries.map(|count| count.0),
        );
        set(
            &mut limits.login_delay,
            self.login_delay.map(|delay| delay.0),
        );
        set(
            &mut limits.commands_per_second,
            self.commands_per_second.map(number),
        );
        set(&mut limits.login, self.login.map(|wait| wait.0.0));
        set(&mut limits.line_time, self.line.map(|wait| wait.0.0));
        set(&mut limits.handshake, self.handshake.map(|wait| wait.0.0));
        set(&mut limits.idle, self.idle.map(|wait| wait.0.0));
        set(&mut limits.stall, self.stall.map(|wait| wait.0.0));
        let min_rate = self.minimum_rate.map(|count| number(count).into());
        set(&mut limits.min_rate, min_rate);
        set(&mut limits.connect, self.connect.map(|wait| wait.0.0));
    }

    /// Puts the bounds of the whole server over the defaults.
    pub(crate) fn apply_to_server(&self, settings: &mut Settings) {
        set(&mut settings.sessions, self.sessions.map(Count::get));
        set(
            &mut settings.sessions_per_address,
            self.sessions_per_address.map(Count::get),
        );
        let threads = self.storage_threads.map(Count::get);
        set(
            &mut settings.storage_threads,
            threads.and_then(NonZero::new),
        );
        let back_off = &mut settings.back_off;
        set(
            &mut back_off.failures,
            self.failed_logins.map(|count| count.0),
        );
        set(&mut back_off.first, self.back_off.map(|time| time.0));
        set(&mut back_off.most, self.back_off_most.map(|wait| wait.0.0));
        set(
            &mut back_off.forgets,
            self.back_off_forgets.map(|wait| wait.0.0),
        );
        settings.back_off_exempt = networks(&self.back_off_exempt);
        set(&mut settings.grace, self.grace.map(|grace| grace.0));
        set(&mut settings.vanished, self.vanished.map(|wait| wait.0.0));
    }
}

/// A number of which zero is any.
fn number(count: OrNone<Count>) -> u32 {
    count.0.map_or(0, |count| count.0)
}

/// Changes a default where something else was chosen.
pub(crate) fn set<T>(target: &mut T, chosen: Option<T>) {
    if let Some(chosen) = chosen {
        *target = chosen;
    }
}

/// `[storage]`
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Storage {
    links: Option<Value<Links>>,
    umask: Option<Value<Umask>>,
    partials: Option<Value<Partials>>,
    keep_partials: Option<Value<Duration>>,
    partials_size: Option<Value<OrNone<Size>>>,
    replace: Option<Value<Replace>>,
}

impl Storage {
    pub(crate) fn options(&self) -> LocalOptions {
        let mut options = LocalOptions::default();
        set(&mut options.links, self.links.map(|links| links.0));
        set(&mut options.umask, self.umask.map(|umask| umask.0.0));
        set(&mut options.partials, self.partials.map(|word| word.0));
        set(&mut options.replace, self.replace.map(|word| word.0));
        set(
            &mut options.retention,
            self.keep_partials.map(|time| time.0),
        );
        set(
            &mut options.partials_size,
            self.partials_size.map(|size| size.0.0.map(|size| size.0)),
        );
        options
    }
}

/// `[anonymous]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Anonymous {
    pub(crate) home: Option<Spanned<PathBuf>>,
    pub(crate) bucket: Option<Spanned<String>>,
    pub(crate) prefix: Option<Spanned<String>>,
    pub(crate) rights: Option<List<Value<Rights>>>,
    pub(crate) forbidden_names: Option<List<Value<Pattern>>>,
    #[serde(default)]
    pub(crate) serve_root: bool,
    pub(crate) sessions: Option<OrNone<Count>>,
    pub(crate) tls: Option<Spanned<Value<Demand>>>,
    #[serde(default)]
    pub(crate) accept_truncated: bool,
    #[serde(default)]
    pub(crate) accept_hang_up: bool,
}

/// `[[user]]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct User {
    pub(crate) name: Spanned<Value<Name>>,
    pub(crate) password: Spanned<HashedPassword>,
    pub(crate) home: Option<Spanned<PathBuf>>,
    pub(crate) bucket: Option<Spanned<String>>,
    pub(crate) prefix: Option<Spanned<String>>,
    pub(crate) rights: Option<List<Value<Rights>>>,
    pub(crate) forbidden_names: Option<List<Value<Pattern>>>,
    #[serde(default)]
    pub(crate) serve_root: bool,
    pub(crate) sessions: Option<OrNone<Count>>,
    pub(crate) tls: Option<Spanned<Value<Demand>>>,
    #[serde(default)]
    pub(crate) accept_truncated: bool,
    #[serde(default)]
    pub(crate) accept_hang_up: bool,
    pub(crate) certificates: Option<Spanned<List<Value<Fingerprint>>>>,
}

impl Listed for Value<Fingerprint> {
    const LIST: &'static str = "a list of SHA-256 fingerprints";
}

impl Listed for User {
    const LIST: &'static str = "[[user]] in double brackets";
}

/// The networks of a list.
pub(crate) fn networks(list: &List<Value<IpNet>>) -> Vec<IpNet> {
    list.0.iter().map(|network| network.0).collect()
}

/// The names that an account cannot reach; none where nothing is said.
pub(crate) fn forbidden(patterns: Option<&List<Value<Pattern>>>) -> ForbiddenNames {
    let patterns = patterns.into_iter().flat_map(|list| &list.0);
    ForbiddenNames::new(patterns.map(|pattern| &pattern.0.0))
}

/// The set of these rights; to list and to read where nothing is said.
pub(crate) fn rights(words: Option<&List<Value<Rights>>>) -> Rights {
    match words {
        Some(words) => words
            .0
            .iter()
            .fold(Rights::NONE, |all, right| all | right.0),
        None => Rights::LIST | Rights::READ,
    }
}

/// Whether clients can make anything of what PASV would announce.
///
/// # Errors
/// What to tell the user.
pub(crate) fn check_address(
    source: &Source,
    address: Option<&Spanned<Value<OrNone<PublicAddress>>>>,
) -> Result<(), String> {
    let Some(word) = address else {
        return Ok(());
    };
    let Some(PublicAddress::Literal(address)) = &word.get_ref().0.0 else {
        return Ok(());
    };
    let wrong = match address {
        IpAddr::V6(_) => "PASV can only announce IPv4, and EPSV needs no address",
        IpAddr::V4(v4) if v4.is_unspecified() || v4.is_broadcast() || v4.is_multicast() => {
            "nobody can connect to that"
        }
        IpAddr::V4(_) => return Ok(()),
    };
    let what = format!("{wrong}, expected an IPv4 address or a host name");
    Err(source.mistake(&word.span(), what))
}
