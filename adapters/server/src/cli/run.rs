//! What both binaries do: read the command line, listen, tell, serve, stop on a signal.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::{Launch, launch, log, sweep};
use crate::{Service, sockets};

/// Runs a server from its command line to its end. `serve` is that of an adapter.
pub fn run(
    program: &'static str,
    serve: impl FnOnce(Vec<TcpListener>, &Arc<Service>) -> io::Result<()>,
) -> ExitCode {
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
    serve: impl FnOnce(Vec<TcpListener>, &Arc<Service>) -> io::Result<()>,
) -> io::Result<()> {
    let log = log::prepare(launch.log)?;
    let listeners = bind(&launch.listen, launch.listen_default)?;
    let addresses = listeners
        .iter()
        .map(TcpListener::local_addr)
        .collect::<io::Result<Vec<SocketAddr>>>()?;
    let service = Service::new(launch.settings);
    // A thread that was there before would keep what the process gives up.
    let confinement = launch
        .process
        .enter(&launch.report.served, &launch.storages)?;
    let _log = log.start()?;
    tracing::info!("{confinement}");
    stop_on_signals(&service)?;
    sweep(launch.storages)?;
    launch.report.print(&addresses, Some(&confinement));
    serve(listeners, &service)
}

/// Listens on every address. Of the default ones, a machine without IPv6 lacks one.
fn bind(addresses: &[SocketAddr], default: bool) -> io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for address in addresses {
        match sockets::listen(*address) {
            Ok(listener) => listeners.push(listener),
            Err(error) if default && error.kind() == io::ErrorKind::AddrNotAvailable => {
                tracing::info!(%address, %error, "not listening");
            }
            Err(error) => {
                let kind = error.kind();
                return Err(io::Error::new(
                    kind,
                    format!("cannot listen on {address}: {error}"),
                ));
            }
        }
    }
    if listeners.is_empty() {
        return Err(io::Error::other("there is no address to listen on"));
    }
    Ok(listeners)
}

/// The first SIGTERM or SIGINT stops the service, the second ends the process at once.
fn stop_on_signals(service: &Arc<Service>) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let service = Arc::clone(service);
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for signal in signals.forever() {
                if service.is_stopping() {
                    std::process::exit(128 + signal);
                }
                tracing::info!("stopping");
                service.stop();
            }
        })?;
    Ok(())
}
