//! `[tls]`: what it says, and the [`Configured`] that comes of it.

use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use toml::Spanned;
use wharf_core::{Protection, TlsPolicy};
use wharf_driver::tls::{Reuse, TlsOptions};
use wharf_local::Guard;

use crate::certificate::NamedBy;
use crate::crypto;
use crate::material::{Clients, Material, Origin, Place};
use crate::source::Source;
use crate::value::{List, Listed, Table, Value, choices};

/// `[tls]`
#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Section {
    certificate: Option<Spanned<Certificates>>,
    key: Option<Spanned<PathBuf>>,
    control: Option<Value<Protection>>,
    data: Option<Spanned<Value<Protection>>>,
    versions: Option<Spanned<List<Value<Version>>>>,
    session_reuse: Option<Value<Reuse>>,
    implicit: List<Value<SocketAddr>>,
    ccc: bool,
    client_certificates: Option<Spanned<Value<ClientCertificates>>>,
    client_ca: Option<Spanned<PathBuf>>,
    client_name: Option<Spanned<Value<NamedBy>>>,
}

/// `certificate`: one file, or several with their keys.
enum Certificates {
    One(PathBuf),
    Several(Vec<Pair>),
}

/// One of several certificates.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    certificate: Spanned<PathBuf>,
    key: Option<Spanned<PathBuf>>,
}

impl<'de> Deserialize<'de> for Certificates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CertificatesVisitor)
    }
}

struct CertificatesVisitor;

impl<'de> Visitor<'de> for CertificatesVisitor {
    type Value = Certificates;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a file, or a list of { certificate = \"...\", key = \"...\" }")
    }

    fn visit_str<E: Error>(self, path: &str) -> Result<Certificates, E> {
        Ok(Certificates::One(path.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<Certificates, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(access)).map(Certificates::Several)
    }
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V12,
    V13,
}

impl Listed for Value<Version> {
    const LIST: &'static str = "a list of versions, such as [\"1.2\", \"1.3\"]";
}

/// Whether clients show certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ClientCertificates {
    #[default]
    Off,
    Optional,
    Required,
}

/// What an account demands of its clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Demand {
    /// Nothing more than the server does.
    #[default]
    Nothing,
    /// TLS for the login.
    Login,
    /// And for data.
    Data,
}

choices!(ClientCertificates: "off" => Off, "optional" => Optional; "required" => Required);
choices!(Demand: "offered" => Nothing, "login" => Login; "data" => Data);
choices!(Protection: "off" => Off, "offered" => Offered; "required" => Required);
choices!(Version: "1.2" => V12; "1.3" => V13);
choices!(Reuse: "off" => Off, "if-offered" => IfOffered; "required" => Required);

/// What is said of rules for certificates that no client is asked for.
pub(crate) const NOBODY_IS_ASKED: &str = "no client is asked for a certificate, expected \
                                          client-certificates and client-ca in [tls]";

/// What is said of who vouches for clients where nothing says whether they are asked.
const NOT_ASKED: &str = "expected `client-certificates` beside it, which says whether clients are \
                         asked for one";

/// What is said of an account that demands TLS where no listener has any.
pub(crate) const NOWHERE: &str = "no listener has TLS, expected [tls], and its `control` not to be \
                                  \"off\"";

/// What is said of a listener that demands TLS where there is none.
pub(crate) const NO_TLS: &str = "there is no TLS, expected [tls]";

/// What is said of a demand that only data be protected.
pub(crate) const ONLY_DATA: &str = "without TLS on the control connection there is none for data";

/// What `[tls]` comes to; by default there is no TLS.
#[derive(Default)]
pub(crate) struct Configured {
    /// For listeners that begin in clear text.
    pub(crate) policy: TlsPolicy,
    /// Where to listen for clients that begin with TLS.
    pub(crate) implicit: Vec<SocketAddr>,
    /// Where in the certificates of clients the names of users stand.
    pub(crate) named_by: NamedBy,
    /// Clients show certificates.
    pub(crate) asks_clients: bool,
    /// What TLS is made of.
    pub(crate) material: Option<Material>,
}

/// Understands `[tls]`, or `--self-signed` alone. The files are not read yet, and will be found
/// past that guard.
///
/// # Errors
/// What to tell the user.
pub(crate) fn understand(
    source: &Source,
    section: Option<Spanned<Table<Section>>>,
    self_signed: bool,
    guard: &Arc<Guard>,
) -> Result<Configured, String> {
    let span = section.as_ref().map_or(0..0, Spanned::span);
    let section = section.map(|section| section.into_inner().0);
    let Some(section) = section.or_else(|| self_signed.then(Section::default)) else {
        return Ok(Configured::default());
    };
    let (policy, named_by) = (section.policy(source)?, section.named_by(source)?);
    let material = section.material(source, span, self_signed, guard)?;
    Ok(Configured {
        policy,
        named_by,
        asks_clients: section.asks_clients(),
        implicit: section.implicit.0.into_iter().map(|word| word.0).collect(),
        material: Some(material),
    })
}

impl Section {
    /// What the protocol is told, for listeners that begin in clear text.
    ///
    /// # Errors
    /// What to tell the user.
    fn policy(&self, source: &Source) -> Result<TlsPolicy, String> {
        let control = self.control.map_or(Protection::Offered, |word| word.0);
        let data = self.data.as_ref().map(|word| word.get_ref().0);
        if let Some(span) = self.data.as_ref().map(Spanned::span)
            && data == Some(Protection::Required)
            && control == Protection::Off
            && self.implicit.0.is_empty()
        {
            return Err(source.mistake(&span, ONLY_DATA));
        }
        Ok(TlsPolicy {
            control,
            data: data.unwrap_or(Protection::Offered),
            ccc: self.ccc,
            implicit: false,
        })
    }

    fn asks_clients(&self) -> bool {
        let word = self.client_certificates.as_ref();
        word.is_some_and(|word| word.get_ref().0 != ClientCertificates::Off)
    }

    fn named_by(&self, source: &Source) -> Result<NamedBy, String> {
        match &self.client_name {
            None => Ok(NamedBy::default()),
            Some(word) => match word.get_ref().0 {
                NamedBy::Nothing => Ok(NamedBy::Nothing),
                _ if !self.asks_clients() => Err(source.mistake(&word.span(), NOBODY_IS_ASKED)),
                named_by => Ok(named_by),
            },
        }
    }

    /// The versions of TLS that clients may choose.
    ///
    /// # Errors
    /// What to tell the user.
    fn versions(&self, source: &Source) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
        let Some(list) = &self.versions else {
            return Ok(vec![&TLS12, &TLS13]);
        };
        let versions = list.get_ref().0.iter().map(|word| match word.0 {
            Version::V12 => &TLS12,
            Version::V13 => &TLS13,
        });
        if versions.len() == 0 {
            return Err(source.mistake(&list.span(), "expected at least one version"));
        }
        Ok(versions.collect())
    }

    /// What TLS is to be made of.
    ///
    /// # Errors
    /// What to tell the user.
    fn material(
        &self,
        source: &Source,
        span: Range<usize>,
        self_signed: bool,
        guard: &Arc<Guard>,
    ) -> Result<Material, String> {
        let provider = crypto::provider().map_err(|error| source.mistake(&span, error))?;
        let origin = match (&self.certificate, self_signed) {
            (Some(word), true) => {
                let what = "with --self-signed there is no other certificate";
                return Err(source.mistake(&word.span(), what));
            }
            (None, true) => Origin::Made(crypto::identity(&provider)?),
            (Some(word), false) => self.files(source, word)?,
            (None, false) => {
                let what = "expected `certificate` in here, or --self-signed";
                return Err(source.mistake(&span, what));
            }
        };
        let clients = self.client_certificates.as_ref();
        let clients = clients.map(|word| (word.get_ref().0, word.span()));
        let clients = match (clients, &self.client_ca) {
            (None, Some(file)) => return Err(source.mistake(&file.span(), NOT_ASKED)),
            (None | Some((ClientCertificates::Off, _)), _) => None,
            (Some((_, span)), None) => {
                return Err(source.mistake(&span, "expected `client-ca` beside it"));
            }
            (Some((which, _)), Some(file)) => Some(Clients {
                required: which == ClientCertificates::Required,
                authorities: Place::new(source, file),
            }),
        };
        Ok(Material {
            provider,
            versions: self.versions(source)?,
            origin,
            clients,
            options: TlsOptions {
                reuse: self.session_reuse.map_or(Reuse::default(), |word| word.0),
            },
            guard: Arc::clone(guard),
        })
    }

    /// The files of the certificates.
    fn files(&self, source: &Source, word: &Spanned<Certificates>) -> Result<Origin, String> {
        let mut files = match word.get_ref() {
            Certificates::One(path) => {
                let certificate = Place {
                    path: source.locate(path),
                    span: word.span(),
                };
                let key = self.key.as_ref().map(|key| Place::new(source, key));
                vec![(certificate.clone(), key.unwrap_or(certificate))]
            }
            Certificates::Several(pairs) => {
                if let Some(key) = &self.key {
                    let what = "each certificate of a list has a key of its own";
                    return Err(source.mistake(&key.span(), what));
                }
                pairs
                    .iter()
                    .map(|pair| {
                        let certificate = Place::new(source, &pair.certificate);
                        let key = pair.key.as_ref().map(|key| Place::new(source, key));
                        (certificate.clone(), key.unwrap_or(certificate))
                    })
                    .collect()
            }
        };
        if files.is_empty() {
            return Err(source.mistake(&word.span(), "expected at least one certificate"));
        }
        let first = files.remove(0);
        Ok(Origin::Files(first, files))
    }
}
