//! From the command line and the configuration file to a [`Launch`].

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tracing::level_filters::LevelFilter;
use wharf_core::{Config, DoubtfulEnds, Notes, Protection};
use wharf_driver::{PublicAddress, Settings};
use wharf_s3::Budget;

use crate::accounts::FileAccounts;
use crate::bucket::{Buckets, Part};
use crate::caution;
use crate::certificate::Fingerprint;
use crate::config::{self, set};
use crate::configuration::{self, Configuration};
use crate::home::Home;
use crate::homes::Homes;
use crate::listen::{self, Listen};
use crate::log;
use crate::look;
use crate::material::Certified;
use crate::mistakes::Mistakes;
use crate::options::Options;
use crate::process::{self, Process};
use crate::report::{Protected, Report};
use crate::tls;
use crate::value::{Count, ListedLinks};

/// How much memory the parts of uploads to buckets take, where nothing is said.
const UPLOAD_MEMORY: u64 = 256 << 20;

/// Everything that a binary needs to serve.
pub struct Launch {
    /// What the server is told.
    pub settings: Settings,
    /// Where to listen.
    pub listen: Vec<Listen>,
    /// Nobody chose these addresses, but for those that begin with TLS: it is enough that one of
    /// them can be had, since a machine may lack one of the two families.
    pub listen_default: bool,
    /// What TLS is made of, if there is any.
    pub certified: Option<Arc<Certified>>,
    /// The directories that are served, each once however many accounts see it: what to hand to
    /// [`sweep`](crate::sweep()).
    pub homes: BTreeMap<PathBuf, Arc<Home>>,
    /// What is seen of buckets, and by whom.
    pub buckets: Vec<Part>,
    /// The memory for uploads to them.
    pub upload_memory: Budget,
    /// Where an operator asks the running server.
    pub ctl_socket: Option<PathBuf>,
    /// What is worth a word, and keeps nobody from being served.
    pub warnings: Vec<String>,
    /// What to hand to [`log::prepare`].
    pub log: log::Options,
    /// How the process gives up what it no longer needs: what to call [`Process::enter`] on.
    pub process: Process,
    /// What to print once the addresses are known.
    pub report: Report,
}

/// Puts the command line over the file.
///
/// # Errors
/// What to tell the user.
pub(crate) fn assemble(options: Options) -> Result<Launch, String> {
    process::check_kernel()?;
    let mut mistakes = Mistakes::default();
    let configuration = match &options.config {
        Some(path) => Configuration::read(path, None, &mut mistakes),
        None => Some(Configuration::default()),
    };
    match configuration {
        Some(configuration) => of(options, configuration, mistakes),
        None => Err(mistakes.to_string()),
    }
}

/// Puts the command line over a configuration that was read.
///
/// # Errors
/// What to tell the user, with the mistakes that are known already.
pub(crate) fn of(
    options: Options,
    configuration: Configuration,
    mut mistakes: Mistakes,
) -> Result<Launch, String> {
    let log = options.log();
    let Configuration {
        source,
        file,
        folder,
    } = configuration;
    let mut storage = file.storage.0.options();
    set(&mut storage.durability, file.durability.map(|word| word.0));
    let memory = file
        .limits
        .0
        .upload_memory
        .map_or(UPLOAD_MEMORY, |size| size.0.0);
    let memory = usize::try_from(memory).unwrap_or(usize::MAX);
    // A bucket that hangs takes half of the threads, of which some must be left for all else.
    let threads = file
        .limits
        .0
        .storage_threads
        .map_or(Settings::STORAGE_THREADS.get(), Count::get);
    let budget = Budget::with_senders(memory, threads / 4);
    let mut homes = Homes::new(storage, budget.clone());
    homes.buckets = Buckets::understand(&source, &file.buckets, &budget, &mut mistakes);
    homes.serve_root = options.serve_root;
    homes.usual = file.homes.as_ref().map(|homes| (&source, homes));
    homes.sessions = file
        .limits
        .0
        .sessions_per_account
        .and_then(|count| count.0)
        .map(Count::get);
    wharf_local::prepare();
    let process = mistakes.take(file.process.0.resolve(&source));
    let guard = Arc::clone(&homes.guard);
    let tls = tls::understand(&source, file.tls, options.self_signed, &guard);
    let mut tls = mistakes.take(tls);
    homes.asks_clients = tls.as_ref().is_none_or(|tls| tls.asks_clients);
    let listen = tls.as_ref().and_then(|tls| {
        let given = options.listen.clone();
        let listen = listen::listen(given, &source, file.listen, &file.listeners.0, tls);
        let listen = mistakes.take(listen)?;
        mistakes.extend(listen::twice(&listen.0).map(|what| source.whole(what)));
        Some(listen)
    });
    // Where TLS is not understood, nobody is told that there is none.
    homes.has_tls = listen.as_ref().is_none_or(|(listen, _)| {
        let mut policies = listen.iter().map(|listen| listen.tls);
        policies.any(|tls| tls.implicit || tls.control != Protection::Off)
    });
    let anonymous = mistakes.take(homes.anonymous(&options, &source, file.anonymous.as_ref()));
    let anonymous = anonymous.flatten();
    let included = folder.as_ref().map_or(&[][..], |folder| &folder.files);
    let users = homes.users(
        configuration::all(&source, &file.users.0, included),
        file.anonymous.is_some() || anonymous.is_some(),
        &mut mistakes,
    );
    let ctl_socket = file.ctl_socket.map(|path| source.locate(&path));
    let passive = file.passive.0;
    mistakes.take(config::check_address(&source, passive.address.as_ref()));
    let missing = homes.look(&mut mistakes);
    // Only now it is known past what they are found.
    let material = tls.as_mut().and_then(|tls| tls.material.take());
    let certified = material.map(|material| material.tls(&source)).transpose();
    let certified = mistakes.take(certified).flatten().map(Arc::new);
    // Where accounts have a directory there may be none yet.
    if homes.served.is_empty() && folder.is_none() && mistakes.is_empty() {
        mistakes.push(source.whole("nothing is served, expected [anonymous], [[user]] or DIR"));
    }
    let expects_homes = process.as_ref().is_none_or(Process::expects_homes);
    if missing.is_all && !expects_homes || !mistakes.is_empty() {
        mistakes.extend(missing.told);
    }
    let (Some(mut process), Some(tls), Some((listen, listen_default)), true) =
        (process, tls, listen, mistakes.is_empty())
    else {
        return Err(mistakes.to_string());
    };

    let accounts = FileAccounts::new(anonymous, users).named_by(tls.named_by);
    let mut settings = Settings::new(Arc::new(accounts));
    settings.passive_ports = options
        .passive_ports
        .or(passive.ports.and_then(|word| word.0.0));
    settings.public_address = options
        .public_address
        .or(passive.address.and_then(|word| word.into_inner().0.0));
    set(
        &mut settings.active_port,
        file.active
            .0
            .port
            .and_then(|port| port.0)
            .map(|port| port.0),
    );
    set(
        &mut settings.utc_offset,
        file.utc_offset.map(|word| word.0.0),
    );
    file.limits.0.apply_to_server(&mut settings);
    settings.proxy_from = config::networks(&file.proxy_from);
    settings.allow = config::networks(&file.allow);
    settings.deny = config::networks(&file.deny);

    let mut protocol = Config {
        dot_files: file.dot_files,
        link_targets: file
            .listed_links
            .is_none_or(|word| word.0 == ListedLinks::Target),
        site: file.site.unwrap_or(true),
        accept: DoubtfulEnds {
            truncated: file.accept_truncated,
            hang_up: file.accept_hang_up,
        },
        notes: if log.level >= LevelFilter::DEBUG {
            Notes::Commands
        } else {
            Notes::Audit
        },
        ..Config::default()
    };
    set(
        &mut protocol.greeting,
        file.greeting.map(|word| word.0.0.into()),
    );
    set(
        &mut protocol.welcome,
        file.welcome.map(|word| word.0.0.into()),
    );
    set(&mut protocol.style, file.listing.map(|word| word.0));
    file.limits.0.apply_to_session(&mut protocol.limits);
    protocol.tls = tls.policy;
    // Some listener may be without it.
    protocol.identify = certified.is_some();
    settings.protocol = Arc::new(protocol);
    settings.tls = certified.as_ref().map(|certified| certified.tls());
    if let Some(certified) = &certified {
        process.readable.extend(certified.directories());
    }
    process.guard = guard;

    process.active_port = settings.active_port;
    process.looks_names_up =
        matches!(settings.public_address, Some(PublicAddress::Host(_))) || !homes.parts.is_empty();
    process
        .readable
        .extend(homes.buckets.directories().cloned());
    let reach = process.reach(&homes.served, &homes.homes);
    let report = Report {
        reach,
        tls: certified.as_deref().map(|certified| Protected {
            policy: tls.policy,
            fingerprint: certified
                .made()
                .map(|identity| Fingerprint::of(identity.der())),
        }),
        served: homes.served,
        passive_ports: settings.passive_ports.clone(),
        active_port: settings.active_port,
        public_address: settings.public_address.clone(),
        proxy_from: settings.proxy_from.clone(),
    };
    let nested = look::nested(homes.homes.values());
    let files = caution::of_files(
        options.config.as_deref(),
        folder.as_ref(),
        certified.as_deref(),
        &report.served,
        &homes.homes,
        &process,
    );
    let network = caution::of_network(&listen, &report.served);
    let balancers = caution::of_balancers(&settings.proxy_from, &listen);
    let nobody = caution::of_nobody(folder.as_ref(), &report.served);
    Ok(Launch {
        settings,
        listen,
        listen_default,
        certified,
        warnings: nested
            .into_iter()
            .chain(files)
            .chain(network)
            .chain(balancers)
            .chain(nobody)
            .collect(),
        homes: homes.homes,
        buckets: homes.parts,
        upload_memory: budget,
        ctl_socket,
        log,
        process,
        report,
    })
}
