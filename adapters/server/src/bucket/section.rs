//! [`Section`]: the table of one bucket in the file, and what it means.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;
use wharf_s3::https::{Credentials, Https, HttpsOptions, Key, Mistake, Role, Secret};
use wharf_s3::wire::{Checksum, Encryption};
use wharf_s3::{Budget, Cause, LEAST_PART, Patience, Provider, Store, StoreOptions, Style};

use super::{Known, Places};
use crate::config::set;
use crate::crypto;
use crate::source::{Source, is_open_to_others};
use crate::value::{Count, OrNone, Size, Value, Word, choices};

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

/// Returns the bucket that a section tells of. Nothing is asked of its store.
pub(super) fn open(
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
