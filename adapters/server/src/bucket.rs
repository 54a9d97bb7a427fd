//! `[bucket.NAME]`: the buckets that are served, and how.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;
use wharf_core::Rights;
use wharf_s3::https::{Credentials, Https, HttpsOptions, Key, Mistake, Role, Secret};
use wharf_s3::wire::{Checksum, Encryption};
use wharf_s3::{Bucket, Budget, Cause, LEAST_PART, Patience, Provider, Store, StoreOptions, Style};

use crate::config::set;
use crate::crypto;
use crate::mistakes::Mistakes;
use crate::served::Served;
use crate::source::{Source, is_open_to_others};
use crate::value::{Count, OrNone, Size, Table, Value, Word, choices};

choices!(Style: "path" => Path; "virtual" => Virtual);

/// Returns what is called so, of all that there are.
fn called<T: Copy>(all: &[(&str, T)], word: &str) -> Option<T> {
    let mut all = all.iter();
    all.find(|(name, _)| *name == word).map(|(_, one)| *one)
}

impl Word for Provider {
    const EXPECTED: &'static str = "\"aws\", \"cos\", \"minio\", \"ceph\", \"garage\", \"r2\", \"b2\", \
                                    \"gcs\", \"seaweedfs\" or \"other\"";

    fn read(word: &str) -> Option<Self> {
        called(&Self::ALL, word)
    }
}

impl Word for Checksum {
    const EXPECTED: &'static str = "\"md5\", \"sha256\" or \"none\"";

    fn read(word: &str) -> Option<Self> {
        called(&Self::ALL, word)
    }
}

impl Word for Encryption {
    const EXPECTED: &'static str = "\"AES256\", \"kms\" or \"kms:KEY\"";

    fn read(word: &str) -> Option<Self> {
        match word.split_once(':') {
            None if word == "AES256" => Some(Self::Aes256),
            None if word == "kms" => Some(Self::Kms(None)),
            Some(("kms", key)) if !key.is_empty() => Some(Self::Kms(Some(key.to_owned()))),
            _ => None,
        }
    }
}

/// The table of one bucket.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Section {
    provider: Value<Provider>,
    bucket: Spanned<String>,
    endpoint: Option<Spanned<String>>,
    region: Option<Spanned<String>>,
    style: Option<Spanned<Value<Style>>>,
    #[serde(default)]
    clear_text: bool,
    ca: Option<Spanned<PathBuf>>,
    proxy: Option<Spanned<String>>,
    credentials: Option<Spanned<String>>,
    key_id: Option<Spanned<String>>,
    secret: Option<Spanned<String>>,
    secret_file: Option<Spanned<PathBuf>>,
    role_arn: Option<Spanned<String>>,
    external_id: Option<String>,
    role_session: Option<String>,
    sts_endpoint: Option<String>,
    #[serde(default)]
    requester_pays: bool,
    checksum: Option<Value<Checksum>>,
    encryption: Option<Value<Encryption>>,
    class: Option<String>,
    acl: Option<String>,
    tags: Option<String>,
    part_size: Option<Spanned<Value<Size>>>,
    lanes: Option<Count>,
    max_file_size: Option<Value<OrNone<Size>>>,
    max_list: Option<OrNone<Count>>,
    rename_objects: Option<OrNone<Count>>,
    keep_partials: Option<Value<Duration>>,
    keep_directories: Option<bool>,
}

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

/// Returns the directories of the files that credentials are read from again and again.
fn directories_of(credentials: &Credentials) -> Vec<PathBuf> {
    const PROFILE: [&str; 2] = ["AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"];
    const IDENTITY: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
    const CONTAINER: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

    let [keys, settings] = PROFILE;
    let (files, has_profile) = match credentials {
        Credentials::Profile(_) => (vec![keys, settings], true),
        Credentials::WebIdentity => (vec![IDENTITY], false),
        Credentials::Container => (vec![CONTAINER], false),
        Credentials::Chain => (vec![keys, settings, IDENTITY, CONTAINER], true),
        _ => (Vec::new(), false),
    };
    let files = files.into_iter().filter_map(std::env::var_os);
    let mut directories: Vec<_> = files
        .filter_map(|file| Path::new(&file).parent().map(Path::to_owned))
        .collect();
    let home = std::env::var_os("HOME").filter(|_| has_profile);
    directories.extend(home.map(|home| Path::new(&home).join(".aws")));
    directories
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
            let understood = open(source, &section.get_ref().0, &section.span(), budget);
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

/// A part of a bucket, as it is named on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BucketUrl {
    bucket: String,
    prefix: String,
}

impl Word for BucketUrl {
    const EXPECTED: &'static str = "a bucket such as \"s3://scans\" or \"s3://scans/2026/\"";

    fn read(word: &str) -> Option<Self> {
        let named = word.strip_prefix("s3://")?;
        let (bucket, prefix) = named.split_once('/').unwrap_or((named, ""));
        let is_one = !bucket.is_empty() && wrong_prefix(prefix).is_none();
        is_one.then(|| Self {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        })
    }
}

/// Returns what is wrong with a prefix, if something is.
fn wrong_prefix(prefix: &str) -> Option<&'static str> {
    let is_one = |name: &str| {
        !matches!(name, "" | "." | ".." | ".wharf") && !name.contains(char::is_control)
    };
    let names = prefix.strip_suffix('/').unwrap_or(prefix);
    let is_good = prefix.is_empty() || names.split('/').all(is_one);
    (!is_good).then_some(
        "no path leads there, expected names with a slash between them, such as \"u/scans/\"",
    )
}

fn open(
    source: &Source,
    section: &Section,
    whole: &Range<usize>,
    budget: &Budget,
) -> Result<Known, String> {
    let options = https_options(source, section, whole)?;
    let directories = directories_of(&options.credentials);
    let crypto = crypto::provider().map_err(|what| source.mistake(whole, what))?;
    let https = Https::new(&options, crypto).map_err(|mistake| {
        let span = match &mistake {
            Mistake::Bucket(_) => Some(section.bucket.span()),
            Mistake::Endpoint(_) => section.endpoint.as_ref().map(Spanned::span),
            Mistake::Region(_) => section.region.as_ref().map(Spanned::span),
            Mistake::Style(_) => section.style.as_ref().map(Spanned::span),
            Mistake::Ca(_) => section.ca.as_ref().map(Spanned::span),
            Mistake::Proxy(_) => section.proxy.as_ref().map(Spanned::span),
            Mistake::Role(_) => section.role_arn.as_ref().map(Spanned::span),
            _ => None,
        };
        source.mistake(span.as_ref().unwrap_or(whole), mistake)
    })?;
    let store = Store::new(
        Arc::new(https),
        store_options(source, section, budget)?,
        Patience::default(),
        budget.clone(),
    );
    Ok(Known {
        store,
        url: format!("s3://{}/", section.bucket.get_ref()),
        places: Arc::new(places(source, section, whole)),
        directories,
    })
}

/// Returns where that stands which may be the cause of something.
fn places(source: &Source, section: &Section, whole: &Range<usize>) -> Places {
    fn at<T>(value: &Option<Spanned<T>>) -> Option<Range<usize>> {
        value.as_ref().map(Spanned::span)
    }
    let secret = at(&section.secret).or(at(&section.secret_file));
    let key = at(&section.key_id).or(at(&section.credentials));
    let known = [
        (Cause::Endpoint, at(&section.endpoint)),
        (Cause::Ca, at(&section.ca).or(at(&section.endpoint))),
        (Cause::Region, at(&section.region)),
        (Cause::Style, at(&section.style)),
        (Cause::Bucket, Some(section.bucket.span())),
        (Cause::Key, key.clone()),
        (Cause::Secret, secret.or(key.clone())),
        (Cause::Rights, key),
    ];
    let known = known.into_iter();
    Places {
        whole: source.place(whole),
        known: known
            .filter_map(|(cause, span)| Some((cause, source.place(&span?))))
            .collect(),
    }
}

fn https_options(
    source: &Source,
    section: &Section,
    whole: &Range<usize>,
) -> Result<HttpsOptions, String> {
    let text = |text: &Option<Spanned<String>>| text.as_ref().map(|text| text.get_ref().clone());
    let key = key(source, section)?;
    let words = section.credentials.as_ref();
    let default = if key.is_some() { "static" } else { "chain" };
    let credentials = Credentials::parse(words.map_or(default, |words| words.get_ref()), key)
        .map_err(|wrong| {
            let span = words.map(Spanned::span);
            source.mistake(span.as_ref().unwrap_or(whole), wrong)
        })?;
    let mut options = HttpsOptions::new(section.provider.0, section.bucket.get_ref(), credentials);
    options.endpoint = text(&section.endpoint);
    options.region = text(&section.region);
    options.style = section.style.as_ref().map(|style| style.get_ref().0);
    options.clear_text = section.clear_text;
    options.ca = section.ca.as_ref().map(|ca| source.locate(ca.get_ref()));
    options.proxy = text(&section.proxy).map(Secret::from);
    options.requester_pays = section.requester_pays;
    let role = section.role_arn.as_ref().map(|arn| Role {
        arn: arn.get_ref().clone(),
        external_id: section.external_id.clone(),
        session: section.role_session.clone(),
        endpoint: section.sts_endpoint.clone(),
    });
    options.role = role;
    Ok(options)
}

/// Returns the key of the section, if it has one.
fn key(source: &Source, section: &Section) -> Result<Option<Key>, String> {
    let secret = match (&section.secret, &section.secret_file) {
        (Some(_), Some(file)) => {
            return Err(source.mistake(
                &file.span(),
                "there is a `secret` already, expected one of them",
            ));
        }
        (Some(secret), None) => {
            if let Some(wrong) = source.is_open_to_others() {
                let what = format!(
                    "{wrong}, expected `secret-file`, or a configuration that only its owner can read"
                );
                return Err(source.mistake(&secret.span(), what));
            }
            Some(Secret::from(secret.get_ref().as_str()))
        }
        (None, Some(file)) => {
            let path = source.locate(file.get_ref());
            let read = read_secret(&path);
            Some(read.map_err(|wrong| source.mistake(&file.span(), wrong))?)
        }
        (None, None) => None,
    };
    match (&section.key_id, secret) {
        (None, None) => Ok(None),
        (Some(id), Some(secret)) => Ok(Some(Key {
            id: id.get_ref().clone(),
            secret,
            token: None,
        })),
        (Some(id), None) => {
            let what = "the key has no secret, expected `secret-file` beside it";
            Err(source.mistake(&id.span(), what))
        }
        (None, Some(_)) => {
            let secret = section.secret.as_ref().map(Spanned::span);
            let span = secret.or(section.secret_file.as_ref().map(Spanned::span));
            let what = "the secret has no key, expected `key-id` beside it";
            Err(source.mistake(&span.unwrap_or_default(), what))
        }
    }
}

/// Reads a file in which a secret stands and nothing else.
fn read_secret(path: &Path) -> Result<Secret, String> {
    let name = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| format!("{name}: {error}, expected a file with the secret in it"))?;
    if let Some(wrong) = is_open_to_others(path) {
        return Err(wrong);
    }
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() || secret.contains(char::is_control) {
        return Err(format!("{name}: expected one line with the secret"));
    }
    Ok(Secret::from(secret))
}

fn store_options(
    source: &Source,
    section: &Section,
    budget: &Budget,
) -> Result<StoreOptions, String> {
    let mut options = StoreOptions::new(section.bucket.get_ref(), section.provider.0);
    let attributes = &mut options.attributes;
    attributes.class.clone_from(&section.class);
    attributes.acl.clone_from(&section.acl);
    attributes.tags.clone_from(&section.tags);
    attributes.encryption = section.encryption.as_ref().map(|word| word.0.clone());
    set(&mut options.checksum, section.checksum.map(|word| word.0));
    set(&mut options.lanes, section.lanes.map(Count::get));
    set(
        &mut options.max_file_size,
        section
            .max_file_size
            .map(|size| size.0.0.map(|size| size.0)),
    );
    set(
        &mut options.max_list,
        section.max_list.map(|count| count.0.map(Count::get)),
    );
    set(
        &mut options.rename_objects,
        section
            .rename_objects
            .map(|count| count.0.map_or(0, Count::get)),
    );
    set(
        &mut options.keep_partials,
        section.keep_partials.map(|time| time.0),
    );
    set(&mut options.keep_directories, section.keep_directories);
    if let Some(size) = &section.part_size {
        let bytes = size.get_ref().0.0;
        if bytes < LEAST_PART {
            return Err(source.mistake(
                &size.span(),
                "no store takes such parts, expected 5 MiB or more",
            ));
        }
        options.part_size = bytes;
    }
    let part = options.usual_part();
    if part > budget.bytes() as u64 {
        let span = section.part_size.as_ref().map(Spanned::span);
        let what = format!(
            "a part has {part} bytes, which is more than `upload-memory` in [limits], expected less, or a \
             smaller `max-file-size`"
        );
        return Err(source.mistake(&span.unwrap_or(section.bucket.span()), what));
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::File;
    use crate::served::At;

    #[test]
    fn a_prefix_is_one_that_paths_lead_to() {
        for good in ["", "u", "u/", "u/\u{fc} v/", ".well-known/x"] {
            assert_eq!(wrong_prefix(good), None, "{good:?}");
        }
        for wrong in [
            "/",
            "/u",
            "u//",
            "u//v",
            "..",
            "u/../v",
            "./u",
            "u/.wharf/",
            "u\n",
        ] {
            assert!(wrong_prefix(wrong).is_some(), "{wrong:?}");
        }
    }

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

    #[test]
    fn a_bucket_is_named_by_a_url() {
        let read = |word| BucketUrl::read(word).map(|url| (url.bucket, url.prefix));
        let both = |bucket: &str, prefix: &str| Some((bucket.to_owned(), prefix.to_owned()));
        assert_eq!(read("s3://b"), both("b", ""));
        assert_eq!(read("s3://b/"), both("b", ""));
        assert_eq!(read("s3://b/u/v"), both("b", "u/v"));
        for wrong in [
            "b",
            "s3://",
            "s3:///u",
            "http://b",
            "s3://b//u",
            "s3://b/../u",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
