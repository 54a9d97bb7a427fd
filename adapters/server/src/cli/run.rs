//! What both binaries do: read the command line, listen, tell, serve, stop on a signal.

use std::io::{self, Write};
use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use wharf_core::Config;

use super::{Certified, Launch, Listen, descriptors, launch, log, sweep};
use crate::{Listener, Service, sockets};

/// How often the files of certificates are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Runs a server from its command line to its end. `serve` is that of an adapter.
pub fn run(
    program: &'static str,
    serve: impl FnOnce(Vec<Listener>, &Arc<Service>) -> io::Result<()>,
) -> ExitCode {
    // Before anything is opened that may take many.
    descriptors::raise_limit();
    let launch = match launch(program) {
        Ok(launch) => launch,
        Err(code) => return code,
    };
    match start(launch, serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where even this cannot be written, the exit code tells.
            let _ = writeln!(io::stderr(), "{program}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(
    launch: Launch,
    serve: impl FnOnce(Vec<Listener>, &Arc<Service>) -> io::Result<()>,
) -> io::Result<()> {
    let log = log::prepare(launch.log)?;
    let sockets = bind(launch.listen, launch.listen_default)?;
    let addresses = sockets
        .iter()
        .map(|(socket, listen)| {
            socket
                .local_addr()
                .map(|address| Listen { address, ..*listen })
        })
        .collect::<io::Result<Vec<_>>>()?;
    let service = Service::new(launch.settings);
    descriptors::warn_if_too_few(&service);
    // A thread that was there before would keep what the process gives up.
    let confinement = launch
        .process
        .enter(&launch.report.served, &launch.storages)?;
    let _log = log.start()?;
    tracing::info!("{confinement}");
    // Where it must be looked up, that has begun before a client asks for it.
    let _ = service.public_address();
    heed_signals(&service, launch.certified.clone())?;
    launch.certified.map_or(Ok(()), watch)?;
    sweep(launch.storages)?;
    launch.report.print(&addresses, Some(&confinement));
    let listeners = sockets.into_iter().map(|(socket, Listen { tls, .. })| {
        let common = &service.settings().protocol;
        let own = (tls != common.tls).then(|| Config {
            tls,
            ..Config::clone(common)
        });
        Listener {
            socket,
            protocol: own.map(Arc::new),
        }
    });
    serve(listeners.collect(), &service)
}

/// Listens on every address. Of the default ones, a machine without IPv6 lacks one.
fn bind(listen: Vec<Listen>, default: bool) -> io::Result<Vec<(TcpListener, Listen)>> {
    let mut listeners = Vec::new();
    for each in listen {
        let Listen {
            address, for_both, ..
        } = each;
        let listener = if for_both {
            sockets::listen_for_both(address)
        } else {
            sockets::listen(address)
        };
        match listener {
            Ok(listener) => listeners.push((listener, each)),
            Err(error) if default && sockets::is_not_here(&error) => {
                tracing::info!(%address, %error, "not listening");
            }
            Err(error) => {
                let hint = if address.is_ipv6() && sockets::is_not_here(&error) {
                    "; where there is no IPv6, an IPv4 address such as 0.0.0.0 serves all"
                } else {
                    ""
                };
                let kind = error.kind();
                return Err(io::Error::new(
                    kind,
                    format!("cannot listen on {address}: {error}{hint}"),
                ));
            }
        }
    }
    if listeners.is_empty() {
        return Err(io::Error::other("there is no address to listen on"));
    }
    Ok(listeners)
}

/// Reads certificates again when their files have changed, in a thread that ends with the process.
fn watch(certified: Arc<Certified>) -> io::Result<()> {
    let watcher = move || {
        loop {
            thread::sleep(LOOK);
            certified.reload_if_changed();
        }
    };
    thread::Builder::new()
        .name("certificates".into())
        .spawn(watcher)?;
    Ok(())
}

/// The first SIGTERM or SIGINT stops the service, the second ends the process at once. SIGHUP has
/// certificates read again.
fn heed_signals(service: &Arc<Service>, certified: Option<Arc<Certified>>) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let service = Arc::clone(service);
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for signal in signals.forever() {
                if signal == SIGHUP {
                    certified.as_deref().map(Certified::reload);
                    continue;
                }
                if service.is_stopping() {
                    std::process::exit(128 + signal);
                }
                tracing::info!("stopping");
                service.stop();
            }
        })?;
    Ok(())
}
