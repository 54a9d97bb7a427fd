//! `[tls]`: what it says, and the [`Tls`] that comes of it.

use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use toml::Spanned;
use wharf_core::{Protection, TlsPolicy};

use super::config::Source;
use super::crypto;
use super::value::{List, Table, Value, Word};
use crate::lock::lock;
use crate::tls::{Identities, Identity, Reuse, Tls, TlsOptions};

/// `[tls]`
#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Section {
    certificate: Option<Spanned<Certificates>>,
    key: Option<Spanned<PathBuf>>,
    control: Option<Value<Protection>>,
    data: Option<Spanned<Value<Protection>>>,
    session_reuse: Option<Value<Reuse>>,
    implicit: List<Value<SocketAddr>>,
    ccc: bool,
    accept_truncated: bool,
    client_certificates: Option<Spanned<Value<ClientCertificates>>>,
    client_ca: Option<Spanned<PathBuf>>,
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

/// Whether clients show certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ClientCertificates {
    #[default]
    Off,
    Optional,
    Required,
}

impl Word for ClientCertificates {
    const EXPECTED: &'static str = "\"off\", \"optional\" or \"required\"";

    fn read(word: &str) -> Option<Self> {
        match word {
            "off" => Some(Self::Off),
            "optional" => Some(Self::Optional),
            "required" => Some(Self::Required),
            _ => None,
        }
    }
}

impl Word for Protection {
    const EXPECTED: &'static str = "\"off\", \"offered\" or \"required\"";

    fn read(word: &str) -> Option<Self> {
        match word {
            "off" => Some(Self::Off),
            "offered" => Some(Self::Offered),
            "required" => Some(Self::Required),
            _ => None,
        }
    }
}

impl Word for Reuse {
    const EXPECTED: &'static str = "\"off\", \"if-offered\" or \"required\"";

    fn read(word: &str) -> Option<Self> {
        match word {
            "off" => Some(Self::Off),
            "if-offered" => Some(Self::IfOffered),
            "required" => Some(Self::Required),
            _ => None,
        }
    }
}

/// What `[tls]` comes to; by default there is no TLS.
#[derive(Default)]
pub(crate) struct Configured {
    /// For listeners that begin in clear text.
    pub(crate) policy: TlsPolicy,
    /// Where to listen for clients that begin with TLS.
    pub(crate) implicit: Vec<SocketAddr>,
    /// What TLS is made of.
    pub(crate) certified: Option<Arc<Certified>>,
}

/// Understands `[tls]`, or `--self-signed` alone.
///
/// # Errors
/// What to tell the user: the files are read to see whether they are sound.
pub(crate) fn protect(
    source: &Source,
    section: Option<Spanned<Table<Section>>>,
    self_signed: bool,
) -> Result<Configured, String> {
    let span = section.as_ref().map_or(0..0, Spanned::span);
    let section = section.map(|section| section.into_inner().0);
    let Some(section) = section.or_else(|| self_signed.then(Section::default)) else {
        return Ok(Configured::default());
    };
    let certified = section.material(source, span, self_signed)?.tls(source)?;
    Ok(Configured {
        policy: section.policy(source)?,
        implicit: section.implicit.0.into_iter().map(|word| word.0).collect(),
        certified: Some(Arc::new(certified)),
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
            let what = "without TLS on the control connection there is none for data";
            return Err(source.mistake(&span, what));
        }
        Ok(TlsPolicy {
            control,
            data: data.unwrap_or(Protection::Offered),
            ccc: self.ccc,
            implicit: false,
        })
    }

    /// What TLS is to be made of.
    ///
    /// # Errors
    /// What to tell the user: the files are read to see whether they are sound.
    fn material(
        &self,
        source: &Source,
        span: std::ops::Range<usize>,
        self_signed: bool,
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
            origin,
            clients,
            options: TlsOptions {
                reuse: self.session_reuse.map_or(Reuse::default(), |word| word.0),
                accept_truncated: self.accept_truncated,
            },
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

/// A file, and where in the configuration it is named.
#[derive(Clone)]
struct Place {
    path: PathBuf,
    span: std::ops::Range<usize>,
}

impl Place {
    fn new(source: &Source, word: &Spanned<PathBuf>) -> Self {
        Self {
            path: source.locate(word.get_ref()),
            span: word.span(),
        }
    }
}

/// The clients that are believed.
struct Clients {
    required: bool,
    authorities: Place,
}

/// Where certificates come from.
enum Origin {
    /// Files with certificates, each with the file of its key.
    Files((Place, Place), Vec<(Place, Place)>),
    /// It was made when the program started.
    Made(Identity),
}

/// What TLS is made of: files, most of the time, which may change.
pub(crate) struct Material {
    provider: Arc<CryptoProvider>,
    origin: Origin,
    clients: Option<Clients>,
    options: TlsOptions,
}

/// What is wrong with a file, and where it is named.
struct Wrong {
    place: Option<Place>,
    what: String,
}

impl Material {
    /// TLS of what the files hold now.
    ///
    /// # Errors
    /// What to tell the user.
    fn tls(self, source: &Source) -> Result<Certified, String> {
        let stamps = self.stamps();
        let config = self.config().map_err(|wrong| match wrong.place {
            Some(place) => source.mistake(&place.span, wrong.what),
            None => source.whole(wrong.what),
        })?;
        Ok(Certified {
            tls: Arc::new(Tls::new(config, self.options)),
            material: self,
            loaded: Mutex::new(stamps),
            seen: Mutex::default(),
        })
    }

    /// A configuration of what the files hold now.
    fn config(&self) -> Result<ServerConfig, Wrong> {
        let identities = match &self.origin {
            Origin::Made(identity) => Identities::new(identity.clone(), []),
            Origin::Files(first, others) => {
                let others = others.iter().map(|files| self.identity(files));
                let others = others.collect::<Result<Vec<_>, _>>()?;
                Identities::new(self.identity(first)?, others)
            }
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| Wrong {
                place: None,
                what: error.to_string(),
            })?;
        let builder = match &self.clients {
            Some(clients) => builder.with_client_cert_verifier(self.verifier(clients)?),
            None => builder.with_no_client_auth(),
        };
        Ok(builder.with_cert_resolver(Arc::new(identities)))
    }

    fn identity(&self, (certificate, key): &(Place, Place)) -> Result<Identity, Wrong> {
        Identity::read(&certificate.path, &key.path, &self.provider).map_err(|error| {
            let place = if error.file == certificate.path {
                certificate
            } else {
                key
            };
            Wrong {
                place: Some(place.clone()),
                what: error.to_string(),
            }
        })
    }

    /// Who vouches for clients.
    fn verifier(&self, clients: &Clients) -> Result<Arc<dyn ClientCertVerifier>, Wrong> {
        let place = &clients.authorities;
        let wrong = |what: String| Wrong {
            place: Some(place.clone()),
            what: format!("{}: {what}", place.path.display()),
        };
        let mut roots = RootCertStore::empty();
        let certificates = CertificateDer::pem_file_iter(&place.path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| wrong(error.to_string()))?;
        for certificate in certificates {
            roots
                .add(certificate)
                .map_err(|error| wrong(error.to_string()))?;
        }
        let provider = Arc::clone(&self.provider);
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let builder = if clients.required {
            builder
        } else {
            builder.allow_unauthenticated()
        };
        builder.build().map_err(|error| wrong(error.to_string()))
    }

    /// The files that may change.
    fn files(&self) -> impl Iterator<Item = &Path> {
        let identities = match &self.origin {
            Origin::Files(first, others) => std::slice::from_ref(first).iter().chain(others),
            Origin::Made(_) => [].iter().chain(&[]),
        };
        let authorities = self.clients.iter().map(|clients| &clients.authorities);
        identities
            .flat_map(|(certificate, key)| [certificate, key])
            .chain(authorities)
            .map(|place| place.path.as_path())
    }

    /// How the files look from outside.
    fn stamps(&self) -> Stamps {
        self.files().map(|file| Stamp::of(file).ok()).collect()
    }
}

/// How files look from outside; `None`: they cannot be looked at.
type Stamps = Vec<Option<Stamp>>;

/// How a file looks from outside.
#[derive(Clone, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    length: u64,
}

impl Stamp {
    fn of(file: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(file)?;
        Ok(Self {
            modified: metadata.modified()?,
            length: metadata.len(),
        })
    }
}

/// The TLS of a running server, with the files that it is made of.
pub struct Certified {
    tls: Arc<Tls>,
    material: Material,
    /// The files when they were read.
    loaded: Mutex<Stamps>,
    /// The files when they were last looked at.
    seen: Mutex<Stamps>,
}

impl Certified {
    /// What the settings of a server take.
    #[must_use]
    pub fn tls(&self) -> Arc<Tls> {
        Arc::clone(&self.tls)
    }

    /// A certificate that was made for trying things out.
    pub(crate) fn made(&self) -> Option<&Identity> {
        match &self.material.origin {
            Origin::Made(identity) => Some(identity),
            Origin::Files(..) => None,
        }
    }

    /// The directories of the files that are read again while the server runs: theirs, and where
    /// links lead.
    pub(crate) fn directories(&self) -> Vec<PathBuf> {
        let real = self
            .material
            .files()
            .map(|file| fs::canonicalize(file).ok());
        let named = self.material.files().map(|file| Some(file.to_owned()));
        named
            .chain(real)
            .flatten()
            .filter_map(|file| file.parent().map(Path::to_owned))
            .collect()
    }

    /// Reads the files again. If anything is wrong with them, that is logged, and the server goes
    /// on with what it has.
    pub fn reload(&self) {
        *lock(&self.loaded) = self.material.stamps();
        match self.material.config() {
            Ok(config) => {
                self.tls.replace(config);
                tracing::info!("the certificates were read again");
            }
            Err(wrong) => tracing::error!("the certificates stay as they were: {}", wrong.what),
        }
    }

    /// Reads the files again if they have changed, and have not changed further since the last
    /// call: a certificate and its key are written one after the other.
    pub fn reload_if_changed(&self) {
        let now = self.material.stamps();
        let before = std::mem::replace(&mut *lock(&self.seen), now.clone());
        if now == before && now != *lock(&self.loaded) {
            self.reload();
        }
    }
}
