//! From the command line and the configuration file to a [`Launch`].

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use toml::Spanned;
use tracing::level_filters::LevelFilter;
use wharf_core::{
    Capabilities, Config, DoubtfulEnds, ForbiddenNames, Grant, Notes, Protection, Rights,
};
use wharf_driver::{PublicAddress, Settings};
use wharf_local::{Guard, LocalOptions, Root};
use wharf_storage::Seats;

use crate::accounts::{FileAccounts, User, is_anonymous};
use crate::caution;
use crate::certificate::Fingerprint;
use crate::config::{self, Anonymous, File, rights, set};
use crate::home::{self, Admission, Home};
use crate::listen::{self, Listen};
use crate::log;
use crate::look;
use crate::material::Certified;
use crate::mistakes::Mistakes;
use crate::options::Options;
use crate::process::{self, Process};
use crate::report::{Protected, Report};
use crate::served::{Served, changes};
use crate::source::Source;
use crate::tls::{self, Demand};
use crate::value::{Count, ListedLinks, Table, Value};

/// How often directories are swept: seldom, since all of them are read.
const SWEEP: Duration = Duration::from_secs(6 * 60 * 60);

/// How often it is looked for uploads whose time is over, at the most.
const LEAST_PAUSE: Duration = Duration::from_secs(1);

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
    /// [`sweep`].
    pub homes: BTreeMap<PathBuf, Arc<Home>>,
    /// What is worth a word, and keeps nobody from being served.
    pub warnings: Vec<String>,
    /// What to hand to [`log::prepare`].
    pub log: log::Options,
    /// How the process gives up what it no longer needs: what to call [`Process::enter`] on.
    pub process: Process,
    /// What to print once the addresses are known.
    pub report: Report,
}

/// Removes what earlier runs left behind in these directories, now and every six hours, and what
/// this one leaves when its time is over, in a thread that ends with the process.
///
/// # Errors
/// No thread can be started.
pub fn sweep(homes: BTreeMap<PathBuf, Arc<Home>>) -> io::Result<()> {
    let retentions = homes.values().map(|home| home.retention());
    let retention = retentions.filter(|retention| !retention.is_zero()).min();
    // What this process knows of goes within a tenth of its time.
    let pause = (retention.unwrap_or(SWEEP) / 10).clamp(LEAST_PAUSE, SWEEP);
    let sweeper = move || {
        loop {
            let walked = Instant::now();
            for home in homes.values() {
                let name = home.name();
                match home.open().and_then(|root| root.account(b"")) {
                    Ok(storage) => {
                        let removed = storage.sweep();
                        tracing::debug!(home = ?name, removed, "swept");
                    }
                    Err(error) => tracing::debug!(home = ?name, %error, "not swept"),
                }
            }
            loop {
                thread::sleep(pause);
                wharf_local::sweep_due();
                if walked.elapsed() >= SWEEP {
                    break;
                }
            }
        }
    };
    thread::Builder::new().name("sweep".into()).spawn(sweeper)?;
    Ok(())
}

/// Puts the command line over the file.
///
/// # Errors
/// What to tell the user.
pub(crate) fn assemble(options: Options) -> Result<Launch, String> {
    process::check_kernel()?;
    let log = options.log();
    let source = match &options.config {
        Some(path) => Source::read(path)?,
        None => Source::default(),
    };
    let mut mistakes = Mistakes::default();
    let Some(file) = File::parse(&source, &mut mistakes) else {
        return Err(mistakes.to_string());
    };

    let mut storage = file.storage.0.options();
    set(&mut storage.durability, file.durability.map(|word| word.0));
    let mut homes = Homes::new(storage);
    homes.serve_root = options.serve_root;
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
    let users = homes.users(
        &source,
        &file.users.0,
        file.anonymous.is_some() || anonymous.is_some(),
        &mut mistakes,
    );
    let passive = file.passive.0;
    mistakes.take(config::check_address(&source, passive.address.as_ref()));
    let missing = homes.look(&source, &mut mistakes);
    // Only now it is known past what they are found.
    let material = tls.as_mut().and_then(|tls| tls.material.take());
    let certified = material.map(|material| material.tls(&source)).transpose();
    let certified = mistakes.take(certified).flatten().map(Arc::new);
    if homes.served.is_empty() && mistakes.is_empty() {
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
    process.looks_names_up = matches!(settings.public_address, Some(PublicAddress::Host(_)));
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
    };
    let nested = look::nested(homes.homes.values());
    let file = options.config.as_deref();
    let files = caution::of_files(
        file,
        certified.as_deref(),
        &report.served,
        &homes.homes,
        &process,
    );
    let network = caution::of_network(&listen, &report.served);
    Ok(Launch {
        settings,
        listen,
        listen_default,
        certified,
        warnings: nested.into_iter().chain(files).chain(network).collect(),
        homes: homes.homes,
        log,
        process,
        report,
    })
}

/// The directories that are served, as far as they are known.
struct Homes {
    options: LocalOptions,
    /// The root of the file system may be served for writing, whatever the sections say.
    serve_root: bool,
    /// Some listener has TLS.
    has_tls: bool,
    /// Clients show certificates.
    asks_clients: bool,
    /// How many sessions a user may have whose section does not say.
    sessions: Option<usize>,
    homes: BTreeMap<PathBuf, Arc<Home>>,
    served: Vec<Served>,
    /// Past which they are found, once all are known.
    guard: Arc<Guard>,
    asked: Vec<Asked>,
}

/// A home that is to be looked at once all are known.
struct Asked {
    given: PathBuf,
    /// It may be the root of the file system.
    may_be_root: bool,
    /// Where the file names it. Who names it on the command line means one that is there.
    place: Option<Range<usize>>,
}

/// Homes that cannot be had for now.
struct Missing {
    /// What is said of them.
    told: Vec<String>,
    /// None is there. One that is only closed is the trouble of those who see it.
    is_all: bool,
}

impl Homes {
    fn new(options: LocalOptions) -> Self {
        Self {
            options,
            has_tls: false,
            asks_clients: false,
            serve_root: false,
            sessions: None,
            homes: BTreeMap::new(),
            served: Vec::new(),
            guard: Arc::default(),
            asked: Vec::new(),
        }
    }

    /// Looks at all of them; says what is wrong for now, and pushes what is wrong for good.
    fn look(&self, source: &Source, mistakes: &mut Mistakes) -> Missing {
        let changed = self.homes.values().filter(|home| home.is_changed());
        self.guard.watch(changed.map(|home| home.path()));
        let (mut told, mut gone) = (Vec::new(), 0);
        for asked in &self.asked {
            let given = asked.given.display();
            let tell = |what: String| match &asked.place {
                Some(place) => source.mistake(place, what),
                None => what,
            };
            let found = self.guard.directory(&asked.given);
            match found.and_then(|found| Root::of(found, &asked.given, self.options)) {
                Ok(root) if !asked.may_be_root && home::is_root(&root) => {
                    mistakes.push(tell(format!("{given}: {}", home::ROOT)));
                }
                Ok(_) => {}
                Err(error) => {
                    let what = tell(format!("{given}: {error}, expected a directory"));
                    gone += usize::from(error.kind() != io::ErrorKind::PermissionDenied);
                    match asked.place {
                        Some(_) => told.push(what),
                        None => mistakes.push(what),
                    }
                }
            }
        }
        Missing {
            told,
            is_all: gone == self.asked.len(),
        }
    }

    /// What anonymous clients see, if they are let in at all.
    fn anonymous(
        &mut self,
        options: &Options,
        source: &Source,
        section: Option<&Spanned<Table<Anonymous>>>,
    ) -> Result<Option<Admission>, String> {
        let mut rights = rights(section.and_then(|section| section.get_ref().0.rights.as_ref()));
        if options.write {
            rights |= Rights::WRITE | Rights::MKDIR;
        }
        let access = Access {
            rights,
            serve_root: section.is_some_and(|section| section.get_ref().0.serve_root),
            sessions: section.and_then(|section| section.get_ref().0.sessions?.0.map(Count::get)),
            demand: self.demand(
                source,
                section.and_then(|section| section.get_ref().0.tls.as_ref()),
            )?,
            accept: section.map_or(DoubtfulEnds::NONE, |section| DoubtfulEnds {
                truncated: section.get_ref().0.accept_truncated,
                hang_up: section.get_ref().0.accept_hang_up,
            }),
            forbidden: config::forbidden(
                section.and_then(|section| section.get_ref().0.forbidden_names.as_ref()),
            ),
        };
        let directory = match &options.directory {
            Some(directory) => Some(directory.as_path()),
            None if options.config.is_none() => Some(Path::new(".")),
            None => None,
        };
        match (directory, section) {
            (Some(directory), _) => Ok(Some(self.admit(directory, None, access, None))),
            (None, Some(section)) => match &section.get_ref().0.home {
                Some(home) => {
                    let directory = source.locate(home.get_ref());
                    Ok(Some(self.admit(
                        &directory,
                        None,
                        access,
                        Some(home.span()),
                    )))
                }
                None => Err(source.mistake(
                    &section.span(),
                    "expected `home` in here, or DIR as argument",
                )),
            },
            (None, None) if options.write => {
                Err(source.whole("--write is for anonymous clients, expected [anonymous] or DIR"))
            }
            (None, None) => Ok(None),
        }
    }

    /// The users of the file.
    fn users(
        &mut self,
        source: &Source,
        sections: &[config::User],
        anonymous: bool,
        mistakes: &mut Mistakes,
    ) -> Vec<User> {
        let mut names = HashSet::new();
        let mut users = Vec::with_capacity(sections.len());
        for section in sections {
            let name = &section.name.get_ref().0.0;
            let wrong = if anonymous && is_anonymous(name.as_bytes()) {
                Some("this name means anonymous clients, expected another one")
            } else if !names.insert(name) {
                Some("there is a user of this name already, expected another one")
            } else {
                None
            };
            match wrong {
                Some(wrong) => mistakes.push(source.mistake(&section.name.span(), wrong)),
                None => users.extend(mistakes.take(self.user(source, section))),
            }
        }
        users
    }

    /// A user of the file.
    fn user(&mut self, source: &Source, section: &config::User) -> Result<User, String> {
        let name = &section.name.get_ref().0.0;
        let access = Access {
            rights: rights(section.rights.as_ref()),
            serve_root: section.serve_root,
            sessions: match section.sessions {
                Some(count) => count.0.map(Count::get),
                None => self.sessions,
            },
            demand: self.demand(source, section.tls.as_ref())?,
            accept: DoubtfulEnds {
                truncated: section.accept_truncated,
                hang_up: section.accept_hang_up,
            },
            forbidden: config::forbidden(section.forbidden_names.as_ref()),
        };
        let certificates = self.certificates(source, section)?;
        let home = source.locate(section.home.get_ref());
        let admission = self.admit(&home, Some(name), access, Some(section.home.span()));
        Ok(User {
            name: name.clone(),
            password: section.password.clone(),
            admission: Arc::new(admission),
            certificates,
        })
    }

    /// What an account demands of its clients.
    fn demand(
        &self,
        source: &Source,
        word: Option<&Spanned<Value<Demand>>>,
    ) -> Result<Demand, String> {
        match word {
            Some(word) if word.get_ref().0 != Demand::Nothing && !self.has_tls => {
                Err(source.mistake(&word.span(), tls::NOWHERE))
            }
            Some(word) => Ok(word.get_ref().0),
            None => Ok(Demand::Nothing),
        }
    }

    /// The certificates that stand for the password of a user.
    fn certificates(
        &self,
        source: &Source,
        section: &config::User,
    ) -> Result<Vec<Fingerprint>, String> {
        match &section.certificates {
            Some(list) if !self.asks_clients && !list.get_ref().0.is_empty() => {
                Err(source.mistake(&list.span(), tls::NOBODY_IS_ASKED))
            }
            Some(list) => Ok(list.get_ref().0.iter().map(|word| word.0).collect()),
            None => Ok(Vec::new()),
        }
    }

    /// Lets a user, or anonymous clients, into a directory, which may come later.
    fn admit(
        &mut self,
        given: &Path,
        user: Option<&str>,
        access: Access,
        place: Option<Range<usize>>,
    ) -> Admission {
        let rights = access.rights;
        let home = Arc::new(Home::new(given, self.options, &self.guard));
        let path = home.path().to_owned();
        let home = Arc::clone(self.homes.entry(path.clone()).or_insert(home));
        if changes(rights) {
            home.is_for_changes();
        }
        let may_be_root = access.serve_root || self.serve_root || !changes(rights);
        self.asked.push(Asked {
            given: given.to_owned(),
            may_be_root,
            place,
        });
        self.served.push(Served {
            home: path,
            user: user.map(str::to_owned),
            rights,
            demands_tls: access.demand >= Demand::Login,
        });
        Admission {
            grant: Grant::new(rights, Capabilities::ALL)
                .with_protect_data(access.demand == Demand::Data)
                .with_accept(access.accept)
                .with_forbidden(access.forbidden),
            home,
            // No user's name is empty, so none ever sees the partials of anonymous clients.
            owner: user.unwrap_or_default().into(),
            may_be_root,
            demands_tls: access.demand >= Demand::Login,
            seats: access.sessions.map(Seats::new),
        }
    }
}

/// What an account may.
#[derive(Clone)]
struct Access {
    rights: Rights,
    /// Also change the root of the file system.
    serve_root: bool,
    /// Have so many sessions at once.
    sessions: Option<usize>,
    /// Only under TLS.
    demand: Demand,
    /// Doubtful ends of uploads that count.
    accept: DoubtfulEnds,
    /// Not reach these names.
    forbidden: ForbiddenNames,
}
