//! `[bucket.NAME]`: the buckets that are served, and how.

mod section;
mod url;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use toml::Spanned;
use wharf_core::Rights;
use wharf_s3::https::{Credentials, Https, HttpsOptions, Mistake};
use wharf_s3::{Bucket, Budget, Cause, Patience, Provider, Store, StoreOptions};

pub(crate) use section::Section;
pub(crate) use url::BucketUrl;
use url::wrong_prefix;

use crate::crypto;
use crate::mistakes::Mistakes;
use crate::served::Served;
use crate::source::Source;
use crate::value::Table;

/// The buckets of the file, by the names that accounts call them by; none where there is a mistake.
#[derive(Default)]
pub(crate) struct Buckets(BTreeMap<String, Option<Known>>);

/// A bucket of the file.
struct Known {
    store: Arc<Store>,
    url: String,
    places: Arc<Places>,
    /// Those of the files that its credentials are read from.
    directories: Vec<PathBuf>,
}

/// What an account sees of a bucket.
#[derive(Clone)]
pub struct Part {
    /// What it sees.
    pub bucket: Bucket,
    /// Who sees it.
    pub served: Served,
    places: Arc<Places>,
}

impl Part {
    /// Returns what tells it from every other part of a bucket, whoever sees it: two stores may have buckets of
    /// one name.
    pub(crate) fn place(&self) -> (String, String) {
        (self.places.whole.clone(), self.served.at.to_string())
    }

    /// Goes to the store and returns what is wrong, with the line that may have to be changed. It blocks.
    #[must_use]
    pub fn examine(&self, rights: Rights) -> Vec<(String, bool)> {
        let findings = self.bucket.examine(rights).into_iter();
        let told = findings.map(|found| {
            let at = self.places.of(found.cause);
            (
                format!("{at}: {found}").replace(char::is_control, "?"),
                found.is_fatal,
            )
        });
        told.collect()
    }
}

/// Where in the file the keys of a bucket stand, or what stands for them.
#[derive(Default)]
struct Places {
    whole: String,
    known: HashMap<Cause, String>,
}

impl Places {
    fn of(&self, cause: Cause) -> &str {
        self.known.get(&cause).unwrap_or(&self.whole)
    }
}

impl Buckets {
    /// Understands the buckets of the file. Nothing is asked of a store.
    pub(crate) fn understand(
        source: &Source,
        sections: &BTreeMap<String, Spanned<Table<Section>>>,
        budget: &Budget,
        mistakes: &mut Mistakes,
    ) -> Self {
        let mut known = BTreeMap::new();
        for (name, section) in sections {
            let understood = section::open(source, &section.get_ref().0, &section.span(), budget);
            known.insert(name.clone(), mistakes.take(understood));
        }
        Self(known)
    }

    /// Returns what an account sees of the bucket of that name, and its URL; `None` if a mistake in the
    /// bucket was told already.
    ///
    /// # Errors
    /// What to tell the user.
    pub(crate) fn find(
        &self,
        source: &Source,
        name: &Spanned<String>,
        prefix: Option<&Spanned<String>>,
        owner: &[u8],
    ) -> Result<Option<Found>, String> {
        let Some(known) = self.0.get(name.get_ref()) else {
            let what = format!(
                "there is no [bucket.{}], expected the name of one",
                name.get_ref()
            );
            return Err(source.mistake(&name.span(), what));
        };
        let text = prefix.map_or("", |prefix| prefix.get_ref().as_str());
        if let (Some(prefix), Some(wrong)) = (prefix, wrong_prefix(text)) {
            return Err(source.mistake(&prefix.span(), wrong));
        }
        Ok(known.as_ref().map(|known| {
            let bucket = Bucket::new(&known.store, text, owner);
            Found {
                url: format!("{}{}", known.url, bucket.prefix()),
                bucket,
                places: Arc::clone(&known.places),
            }
        }))
    }

    /// Returns the directories of the files that their credentials are read from.
    pub(crate) fn directories(&self) -> impl Iterator<Item = &PathBuf> {
        let known = self.0.values().flatten();
        known.flat_map(|known| &known.directories)
    }
}

/// A part of a bucket that was found by its name.
pub(crate) struct Found {
    pub(crate) bucket: Bucket,
    pub(crate) url: String,
    places: Arc<Places>,
}

impl Found {
    pub(crate) fn seen_by(self, served: Served) -> Part {
        Part {
            bucket: self.bucket,
            served,
            places: self.places,
        }
    }
}

/// Returns the bucket of the command line that is tried, with the credentials of the environment.
///
/// # Errors
/// What to tell the user.
pub(crate) fn of_command_line(
    url: &BucketUrl,
    endpoint: Option<&str>,
    budget: &Budget,
) -> Result<Found, String> {
    let provider = match endpoint {
        Some(_) => Provider::Other,
        None => Provider::Aws,
    };
    let mut options = HttpsOptions::new(provider, &url.bucket, Credentials::Environment);
    options.endpoint = endpoint.map(str::to_owned);
    options.region = ["AWS_REGION", "AWS_DEFAULT_REGION"]
        .iter()
        .find_map(|name| std::env::var(name).ok());
    let crypto = crypto::provider()?;
    let https = Https::new(&options, crypto).map_err(|mistake| match mistake {
        Mistake::Region(_) => {
            "the environment names no AWS_REGION, expected one, or --endpoint".into()
        }
        mistake => mistake.to_string(),
    })?;
    let options = StoreOptions::new(&url.bucket, provider);
    let store = Store::new(
        Arc::new(https),
        options,
        Patience::default(),
        budget.clone(),
    );
    let bucket = Bucket::new(&store, &url.prefix, b"");
    Ok(Found {
        url: format!("s3://{}/{}", url.bucket, bucket.prefix()),
        bucket,
        places: Arc::new(Places {
            whole: "--bucket".into(),
            known: HashMap::from([(Cause::Endpoint, "--endpoint".into())]),
        }),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::File;
    use crate::served::At;

    #[test]
    fn buckets_of_one_name_in_two_stores_are_two_places() {
        let section = |name: &str, port: u16| {
            format!(
                "[bucket.{name}]\nprovider = \"other\"\nbucket = \"b\"\nendpoint = \"http://127.0.0.1:{port}\"\n"
            )
        };
        let toml = section("one", 1) + &section("other", 2);
        let source = Source::new(Path::new("wharf.toml"), toml.into_bytes()).expect("it is text");
        let mut mistakes = Mistakes::default();
        let file = File::parse(&source, &mut mistakes).expect("it is understood");
        let budget = Budget::new(256 << 20);
        let buckets = Buckets::understand(&source, &file.buckets, &budget, &mut mistakes);
        assert!(mistakes.is_empty(), "{mistakes}");
        let place = |name: &str| {
            let name = Spanned::new(0..0, name.to_owned());
            let found = buckets
                .find(&source, &name, None, b"")
                .expect("there is one");
            let found = found.expect("without a mistake");
            let served = Served {
                at: At::Bucket(found.url.clone()),
                user: None,
                rights: Rights::NONE,
                demands_tls: false,
            };
            found.seen_by(served).place()
        };
        assert_eq!(place("one"), place("one"));
        assert_ne!(place("one"), place("other"));
    }
}
