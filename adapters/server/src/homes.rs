//! [`Homes`]: what the accounts of the configuration see.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use wharf_core::{Capabilities, DoubtfulEnds, ForbiddenNames, Grant, Rights};
use wharf_local::{Guard, LocalOptions, Root};
use wharf_s3::Budget;
use wharf_storage::Seats;

use crate::accounts::{User, is_anonymous};
use crate::admission::{Admission, Place};
use crate::bucket::{self, Buckets, Found, Part};
use crate::certificate::Fingerprint;
use crate::config::{self, Anonymous, rights};
use crate::home::{self, Home};
use crate::mistakes::Mistakes;
use crate::options::Options;
use crate::personal::{expanded, personal};
use crate::served::{At, Served, changes};
use crate::source::Source;
use crate::tls::{self, Demand};
use crate::value::{Count, Table, Value};

/// The directories that are served, as far as they are known.
pub(crate) struct Homes<'s> {
    pub(crate) options: LocalOptions,
    /// The memory for uploads to buckets.
    budget: Budget,
    /// The root of the file system may be served for writing, whatever the sections say.
    pub(crate) serve_root: bool,
    /// Some listener has TLS.
    pub(crate) has_tls: bool,
    /// Clients show certificates.
    pub(crate) asks_clients: bool,
    /// How many sessions a user may have whose section does not say.
    pub(crate) sessions: Option<usize>,
    /// Where the home of a user is whose section does not say, and the file that tells it.
    pub(crate) usual: Option<(&'s Source, &'s Spanned<PathBuf>)>,
    pub(crate) homes: BTreeMap<PathBuf, Arc<Home>>,
    /// The buckets that accounts may name.
    pub(crate) buckets: Buckets,
    /// What accounts see of buckets.
    pub(crate) parts: Vec<Part>,
    pub(crate) served: Vec<Served>,
    /// Past which they are found, once all are known.
    pub(crate) guard: Arc<Guard>,
    asked: Vec<Asked<'s>>,
}

/// A home that is to be looked at once all are known.
struct Asked<'s> {
    given: PathBuf,
    /// It may be the root of the file system.
    may_be_root: bool,
    /// Where the file names it. Who names it on the command line means one that is there.
    place: Option<Named<'s>>,
}

/// Where a file names something.
#[derive(Clone)]
struct Named<'s> {
    source: &'s Source,
    span: Range<usize>,
}

/// Homes that cannot be had for now.
pub(crate) struct Missing {
    /// What is said of them.
    pub(crate) told: Vec<String>,
    /// None is there. One that is only closed is the trouble of those who see it.
    pub(crate) is_all: bool,
}

impl<'s> Homes<'s> {
    pub(crate) fn new(options: LocalOptions, budget: Budget) -> Self {
        Self {
            options,
            budget,
            has_tls: false,
            asks_clients: false,
            serve_root: false,
            sessions: None,
            usual: None,
            homes: BTreeMap::new(),
            buckets: Buckets::default(),
            parts: Vec::new(),
            served: Vec::new(),
            guard: Arc::default(),
            asked: Vec::new(),
        }
    }

    /// Looks at all of them; says what is wrong for now, and pushes what is wrong for good.
    pub(crate) fn look(&self, mistakes: &mut Mistakes) -> Missing {
        let changed = self.homes.values().filter(|home| home.is_changed());
        self.guard.watch(changed.map(|home| home.path()));
        let (mut told, mut gone) = (Vec::new(), 0);
        for asked in &self.asked {
            let given = asked.given.display();
            let tell = |what: String| match &asked.place {
                Some(place) => place.source.mistake(&place.span, what),
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
            is_all: gone == self.asked.len() && self.parts.is_empty(),
        }
    }

    /// What anonymous clients see, if they are let in at all.
    pub(crate) fn anonymous(
        &mut self,
        options: &Options,
        source: &'s Source,
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
            None if options.config.is_none() && options.bucket.is_none() => Some(Path::new(".")),
            None => None,
        };
        if let Some(url) = &options.bucket {
            let part = bucket::of_command_line(url, options.endpoint.as_deref(), &self.budget)?;
            return Ok(Some(self.admit_to_bucket(part, None, access)));
        }
        match (directory, section) {
            (Some(directory), _) => Ok(Some(self.admit(directory, None, access, None))),
            (None, Some(section)) => {
                let Anonymous {
                    home,
                    bucket,
                    prefix,
                    ..
                } = &section.get_ref().0;
                let sight = Sight {
                    home: home.as_ref().map(|home| (source, home)),
                    bucket: bucket.as_ref(),
                    prefix: prefix.as_ref(),
                };
                let expected = "expected `home` or `bucket` in here, or DIR as argument";
                let nothing = || source.mistake(&section.span(), expected);
                self.let_in(source, sight, None, access, nothing)
            }
            (None, None) if options.write => {
                Err(source.whole("--write is for anonymous clients, expected [anonymous] or DIR"))
            }
            (None, None) => Ok(None),
        }
    }

    /// The users of the files.
    pub(crate) fn users<'a>(
        &mut self,
        sections: impl Iterator<Item = (&'s Source, &'a config::User)>,
        anonymous: bool,
        mistakes: &mut Mistakes,
    ) -> Vec<User> {
        let mut names: HashMap<&str, Named<'_>> = HashMap::new();
        let mut users = Vec::with_capacity(sections.size_hint().0);
        for (source, section) in sections {
            let name = section.name.get_ref().0.0.as_str();
            let span = section.name.span();
            let wrong = if anonymous && is_anonymous(name.as_bytes()) {
                "this name means anonymous clients, expected another one".to_owned()
            } else if let Some(first) = names.get(name) {
                let place = first.source.place(&first.span);
                format!("there is a user of this name already at {place}, expected another one")
            } else {
                names.insert(name, Named { source, span });
                users.extend(mistakes.take(self.user(source, section)).flatten());
                continue;
            };
            mistakes.push(source.mistake(&span, wrong));
        }
        users
    }

    /// A user of the file; `None` if a mistake in what it sees was told already.
    fn user(&mut self, source: &'s Source, section: &config::User) -> Result<Option<User>, String> {
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
        let (named_in, home) = match &section.home {
            None if section.bucket.is_none() => self.usual.unzip(),
            home => (Some(source), home.as_ref()),
        };
        let home = home
            .map(|home| {
                let path = expanded(source, section, home.get_ref())?;
                Ok::<_, String>(Spanned::new(home.span(), path))
            })
            .transpose()?;
        let prefix = section
            .prefix
            .as_ref()
            .map(|prefix| {
                let text = personal(source, section, prefix.get_ref())?;
                Ok::<_, String>(Spanned::new(prefix.span(), text))
            })
            .transpose()?;
        let sight = Sight {
            home: named_in.zip(home.as_ref()),
            bucket: section.bucket.as_ref(),
            prefix: prefix.as_ref(),
        };
        let nothing = || {
            let expected = "this user sees nothing, expected `home` or `bucket` beside it";
            source.mistake(&section.name.span(), expected)
        };
        let admission = self.let_in(source, sight, Some(name), access, nothing)?;
        Ok(admission.map(|admission| User {
            name: name.clone(),
            password: section.password.get_ref().clone(),
            admission: Arc::new(admission),
            certificates,
        }))
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

    /// Lets a user, or anonymous clients, see what its section names; `None` if a mistake in that was told
    /// already.
    fn let_in(
        &mut self,
        source: &'s Source,
        sight: Sight<'s, '_>,
        user: Option<&str>,
        access: Access,
        nothing: impl FnOnce() -> String,
    ) -> Result<Option<Admission>, String> {
        match (sight.home, sight.bucket, sight.prefix) {
            (Some(_), Some(bucket), _) => {
                let what = "there is a `home` already, expected one of them";
                Err(source.mistake(&bucket.span(), what))
            }
            (_, None, Some(prefix)) => {
                let what = "this is for a bucket, expected `bucket` beside it";
                Err(source.mistake(&prefix.span(), what))
            }
            (Some((source, home)), None, None) => {
                let directory = source.locate(home.get_ref());
                Ok(Some(self.admit(
                    &directory,
                    user,
                    access,
                    Some(Named {
                        source,
                        span: home.span(),
                    }),
                )))
            }
            (None, Some(bucket), prefix) => {
                let owner = user.unwrap_or_default().as_bytes();
                let part = self.buckets.find(source, bucket, prefix, owner)?;
                Ok(part.map(|part| self.admit_to_bucket(part, user, access)))
            }
            (None, None, None) => Err(nothing()),
        }
    }

    /// Lets a user, or anonymous clients, see a part of a bucket.
    fn admit_to_bucket(&mut self, found: Found, user: Option<&str>, access: Access) -> Admission {
        let served = Served {
            at: At::Bucket(found.url.clone()),
            user: user.map(str::to_owned),
            rights: access.rights,
            demands_tls: access.demand >= Demand::Login,
        };
        self.served.push(served.clone());
        let bucket = found.bucket.clone();
        self.parts.push(found.seen_by(served));
        access.admit(user, Place::Bucket(bucket))
    }

    /// Lets a user, or anonymous clients, into a directory, which may come later.
    fn admit(
        &mut self,
        given: &Path,
        user: Option<&str>,
        access: Access,
        place: Option<Named<'s>>,
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
            at: At::Home(path),
            user: user.map(str::to_owned),
            rights,
            demands_tls: access.demand >= Demand::Login,
        });
        access.admit(user, Place::Directory { home, may_be_root })
    }
}

/// What a section says of what its account sees.
#[derive(Clone, Copy)]
struct Sight<'s, 'a> {
    /// With the file that names it.
    home: Option<(&'s Source, &'a Spanned<PathBuf>)>,
    bucket: Option<&'a Spanned<String>>,
    prefix: Option<&'a Spanned<String>>,
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

impl Access {
    /// Lets a user, or anonymous clients, see that.
    fn admit(self, user: Option<&str>, place: Place) -> Admission {
        Admission {
            grant: Grant::new(self.rights, Capabilities::ALL)
                .with_protect_data(self.demand == Demand::Data)
                .with_accept(self.accept)
                .with_forbidden(self.forbidden),
            place,
            // No user's name is empty, so none ever sees the partials of anonymous clients.
            owner: user.unwrap_or_default().into(),
            demands_tls: self.demand >= Demand::Login,
            seats: self.sessions.map(Seats::new),
        }
    }
}
