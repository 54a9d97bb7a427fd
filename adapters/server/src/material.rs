//! [`Material`]: the files that TLS is made of, and [`Certified`]: the TLS of a running server, made of
//! them again when they change.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use toml::Spanned;
use wharf_driver::tls::{Identities, Identity, Tls, TlsOptions};
use wharf_local::Guard;

use crate::source::Source;

/// A file, and where in the configuration it is named.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    pub(crate) span: Range<usize>,
}

impl Place {
    pub(crate) fn new(source: &Source, word: &Spanned<PathBuf>) -> Self {
        Self {
            path: source.locate(word.get_ref()),
            span: word.span(),
        }
    }
}

/// The clients that are believed.
pub(crate) struct Clients {
    pub(crate) required: bool,
    pub(crate) authorities: Place,
}

/// Where certificates come from.
pub(crate) enum Origin {
    /// Files with certificates, each with the file of its key.
    Files((Place, Place), Vec<(Place, Place)>),
    /// It was made when the program started.
    Made(Identity),
}

/// What TLS is made of: files, most of the time, which may change.
pub(crate) struct Material {
    pub(crate) provider: Arc<CryptoProvider>,
    pub(crate) versions: Vec<&'static SupportedProtocolVersion>,
    pub(crate) origin: Origin,
    pub(crate) clients: Option<Clients>,
    pub(crate) options: TlsOptions,
    /// Past which the files are found.
    pub(crate) guard: Arc<Guard>,
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
    pub(crate) fn tls(self, source: &Source) -> Result<Certified, String> {
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
            .with_protocol_versions(&self.versions)
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
        let open = |file: &Path| self.guard.file(file);
        let read = Identity::read_by(open, &certificate.path, &key.path, &self.provider);
        read.map_err(|error| {
            let place = if error.file == certificate.path {
                certificate
            } else {
                key
            };
            let what = if error.file == key.path && self.is_encrypted(&key.path) {
                format!(
                    "{0}: the key has a passphrase, which nobody could type when the server \
                     starts, expected one without: `openssl pkey -in {0} -out plain.pem` writes it",
                    key.path.display()
                )
            } else {
                error.to_string()
            };
            Wrong {
                place: Some(place.clone()),
                what,
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
        let file = self.guard.file(&place.path).map_err(pem::Error::Io);
        let certificates = file
            .and_then(|file| CertificateDer::pem_reader_iter(file).collect::<Result<Vec<_>, _>>())
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
    fn files(&self) -> impl Iterator<Item = &Path> + Clone {
        let authorities = self.clients.iter().map(|clients| &clients.authorities);
        self.identities()
            .flat_map(|(certificate, key)| [certificate, key])
            .chain(authorities)
            .map(|place| place.path.as_path())
    }

    /// The files of keys.
    fn keys(&self) -> impl Iterator<Item = &Path> {
        self.identities().map(|(_, key)| key.path.as_path())
    }

    /// The files of certificates, each with that of its key.
    fn identities(&self) -> impl Iterator<Item = &(Place, Place)> + Clone {
        match &self.origin {
            Origin::Files(first, others) => std::slice::from_ref(first).iter().chain(others),
            Origin::Made(_) => [].iter().chain(&[]),
        }
    }

    /// Whether a file holds a key that takes a passphrase to read.
    fn is_encrypted(&self, file: &Path) -> bool {
        let marks = [
            "-----BEGIN ENCRYPTED PRIVATE KEY-----",
            "Proc-Type: 4,ENCRYPTED",
        ];
        let text = self.guard.file(file).and_then(io::read_to_string);
        text.is_ok_and(|text| marks.iter().any(|mark| text.contains(mark)))
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

/// What is known of the files.
fn known(stamps: &Mutex<Stamps>) -> MutexGuard<'_, Stamps> {
    stamps.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Certified {
    /// What the settings of a server take.
    #[must_use]
    pub fn tls(&self) -> Arc<Tls> {
        Arc::clone(&self.tls)
    }

    /// The files that are read again while the server runs, each once.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        self.material.files().collect::<BTreeSet<_>>().into_iter()
    }

    /// Those among them that hold keys.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Path> {
        self.material.keys()
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
            .map(|file| self.material.guard.real(file).ok());
        let named = self.material.files().map(|file| Some(file.to_owned()));
        named
            .chain(real)
            .flatten()
            .filter_map(|file| file.parent().map(Path::to_owned))
            .collect()
    }

    /// Reads the files again. If anything is wrong with them, that is logged, and the server goes
    /// on with what it has. Whether they were taken.
    pub fn reload(&self) -> bool {
        *known(&self.loaded) = self.material.stamps();
        match self.material.config() {
            Ok(config) => {
                self.tls.replace(config);
                tracing::info!("the certificates were read again");
                true
            }
            Err(wrong) => {
                tracing::error!("the certificates stay as they were: {}", wrong.what);
                false
            }
        }
    }

    /// Reads the files again if they have changed, and have not changed further since the last
    /// call: a certificate and its key are written one after the other.
    pub fn reload_if_changed(&self) {
        let now = self.material.stamps();
        let before = std::mem::replace(&mut *known(&self.seen), now.clone());
        if now == before && now != *known(&self.loaded) {
            self.reload();
        }
    }
}
