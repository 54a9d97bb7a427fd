//! Connections: how they are made, whom they trust, and when it is no longer waited on them.
//!
//! The whole of a call runs on the thread that makes it, so what belongs to a call is kept with its thread.

use std::cell::RefCell;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use ureq::config::Config;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, DefaultConnector, NextTimeout, Transport, time,
};
use ureq::{Agent, Error, Proxy, ProxyProtocol};
use wharf_storage::Wanted;

use super::{Deadlines, Mistake, Secret};

/// Connections that are kept for the next request, to each host.
const KEPT: usize = 64;

/// What a connection holds to write with. A body is sent in pieces of that size.
pub(super) const PIECE: usize = 64 * 1024;

/// What a connection holds to read with.
const READ: usize = 128 * 1024;

/// How soon it is noticed that a call is not wanted any more.
const GLANCE: Duration = Duration::from_millis(200);

/// Returns the certificates that are trusted: those in a file, or those of the system.
pub(super) fn trusted(ca: Option<&Path>) -> Result<Vec<Certificate<'static>>, Mistake> {
    let certificates = match ca {
        Some(file) => {
            in_file(file).map_err(|why| Mistake::Ca(format!("{}: {why}", file.display())))?
        }
        None => of_system().map_err(Mistake::Ca)?,
    };
    Ok(certificates
        .iter()
        .map(|certificate| Certificate::from_der(certificate).to_owned())
        .collect())
}

fn in_file(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = std::fs::read(file).map_err(|error| error.to_string())?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    if certificates.is_empty() {
        return Err("there is no certificate in it".into());
    }
    let mut store = RootCertStore::empty();
    for certificate in &certificates {
        store
            .add(certificate.clone())
            .map_err(|error| format!("one of them cannot be used: {error}"))?;
    }
    Ok(certificates)
}

fn of_system() -> Result<Vec<CertificateDer<'static>>, String> {
    let found = rustls_native_certs::load_native_certs();
    if !found.certs.is_empty() {
        return Ok(found.certs);
    }
    let why = found.errors.first().map(|error| format!(" ({error})"));
    Err(format!(
        "the system has none{}: install them, or name those of the store by ca",
        why.unwrap_or_default()
    ))
}

/// Understands the URL of a proxy.
pub(super) fn proxy(url: &Secret) -> Result<Proxy, Mistake> {
    // The URL is not told, since there may be a password in it.
    let proxy = Proxy::new(url.reveal()).map_err(|_| Mistake::Proxy("it is no URL".into()))?;
    match proxy.protocol() {
        ProxyProtocol::Http | ProxyProtocol::Https => Ok(proxy),
        _ => Err(Mistake::Proxy(
            "it does not begin with http:// or https://".into(),
        )),
    }
}

/// Returns what sends requests. It looks for no proxy, follows no redirect, and returns answers of any status.
pub(super) fn agent(
    trusted: Vec<Certificate<'static>>,
    crypto: Arc<CryptoProvider>,
    proxy: Option<Proxy>,
    deadlines: &Deadlines,
) -> Agent {
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::from(trusted))
        .unversioned_rustls_crypto_provider(crypto)
        .build();
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(proxy)
        .tls_config(tls)
        .user_agent(concat!("wharf/", env!("CARGO_PKG_VERSION")))
        .accept("")
        .input_buffer_size(READ)
        .output_buffer_size(PIECE)
        .max_idle_connections(KEPT * 2)
        .max_idle_connections_per_host(KEPT)
        .timeout_connect(Some(deadlines.connect))
        .timeout_recv_response(Some(deadlines.answer))
        .timeout_per_read(Some(deadlines.idle))
        .timeout_per_write(Some(deadlines.idle))
        .build();
    let connector = Watching(DefaultConnector::new());
    Agent::with_parts(config, connector, Later)
}

/// Looks up no name: a connection that is kept needs none, so [`Watching`] does it for a new one.
#[derive(Debug)]
struct Later;

impl Resolver for Later {
    fn resolve(
        &self,
        _: &http::Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        Ok(self.empty())
    }
}

/// What connection a call got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connection {
    /// One that was kept from an earlier call.
    Kept,
    /// A new one.
    Made,
    /// None: it could not be made.
    Failed,
}

struct Call {
    wanted: Option<Wanted>,
    connection: Connection,
}

thread_local! {
    static CALL: RefCell<Option<Call>> = const { RefCell::new(None) };
}

/// Makes a call, and gives it up soon after it is not wanted any more. Returns also what connection it got.
pub(super) fn call<T>(
    wanted: Option<&Wanted>,
    make: impl FnOnce() -> Result<T, Error>,
) -> (Result<T, Error>, Connection) {
    CALL.set(Some(Call {
        wanted: wanted.cloned(),
        connection: Connection::Kept,
    }));
    let outcome = make();
    let connection = CALL.take().map_or(Connection::Kept, |call| call.connection);
    (outcome, connection)
}

/// Makes connections as usual, and remembers for a call what became of it.
#[derive(Debug)]
struct Watching(DefaultConnector);

impl Watching {
    fn make(&self, details: &ConnectionDetails<'_>) -> Result<Box<dyn Transport>, Error> {
        let resolver = DefaultResolver::default();
        let config = details.config;
        let is_known = !details.addrs.is_empty();
        let is_for_proxy = config
            .proxy()
            .is_some_and(|proxy| !proxy.is_no_proxy(details.uri));
        let addrs = if is_known {
            details.addrs.clone()
        } else if is_for_proxy {
            resolver.empty()
        } else {
            // Under a limit it would take a thread. The system has its own.
            resolver.resolve(details.uri, config, NextTimeout::default())?
        };
        let details = ConnectionDetails {
            uri: details.uri,
            addrs,
            config,
            request_level: details.request_level,
            resolver: &resolver,
            now: time::Instant::now(),
            timeout: details.timeout,
            current_time: Arc::clone(&details.current_time),
            run_connector: Arc::clone(&details.run_connector),
            register_shutdown: Arc::clone(&details.register_shutdown),
        };
        self.0
            .connect(&details, None)?
            .ok_or(Error::ConnectionFailed)
    }
}

impl Connector for Watching {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Self::Out>, Error> {
        let made = self.make(details);
        CALL.with_borrow_mut(|call| {
            if let Some(call) = call {
                call.connection = match made {
                    Ok(_) => Connection::Made,
                    Err(_) => Connection::Failed,
                };
            }
        });
        Ok(Some(Box::new(Watched(made?))))
    }
}

/// A connection that does not wait for an answer that is not wanted.
#[derive(Debug)]
struct Watched(Box<dyn Transport>);

impl Transport for Watched {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.0.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let wanted = CALL.with_borrow(|call| call.as_ref().and_then(|call| call.wanted.clone()));
        let Some(wanted) = wanted else {
            return self.0.await_input(timeout);
        };
        let limited = timeout.for_read();
        let begun = Instant::now();
        loop {
            if !wanted.is_so() {
                return Err(Error::Io(io::ErrorKind::Interrupted.into()));
            }
            let left = match limited.after {
                time::Duration::Exact(all) => all.saturating_sub(begun.elapsed()),
                time::Duration::NotHappening => GLANCE,
            };
            let glance = NextTimeout {
                after: left.min(GLANCE).into(),
                per_read: None,
                ..limited
            };
            match self.0.await_input(glance) {
                Err(Error::Timeout(_)) if left > GLANCE || limited.after.is_not_happening() => {}
                outcome => return outcome,
            }
        }
    }

    fn is_open(&mut self) -> bool {
        self.0.is_open()
    }

    fn is_tls(&self) -> bool {
        self.0.is_tls()
    }
}
