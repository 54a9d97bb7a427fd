//! What both binaries do: read the command line, listen, tell, serve, stop on a signal.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGALRM, SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;
use signal_hook::low_level::signal_name;
use wharf_core::Config;
use wharf_driver::{Listener, Service};

use crate::ctl::Door;
use crate::{Certified, Launch, Listen, bind, descriptors, launch, log, sweep, sweep_buckets};

/// How often the files of certificates are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Signals that would end a process which does not know them, and that mean something to others:
/// to open log files again, most of the time.
const UNUSED: [i32; 3] = [SIGUSR1, SIGUSR2, SIGALRM];

/// Runs a server from its command line to its end. `serve` is that of an adapter.
pub fn run(
    program: &'static str,
    serve: impl FnOnce(Vec<Listener>, &Arc<Service>) -> io::Result<()>,
) -> ExitCode {
    for signal in UNUSED {
        // From the first moment on; what is done about them comes later.
        let _ = signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)));
    }
    // Before anything is opened that may take many.
    descriptors::raise_limit();
    let launch = match launch(program) {
        Ok(launch) => launch,
        Err(code) => return code,
    };
    let format = launch.log.format;
    match start(launch, serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::complain(format, &format!("{program}: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn start(
    launch: Launch,
    serve: impl FnOnce(Vec<Listener>, &Arc<Service>) -> io::Result<()>,
) -> io::Result<()> {
    let log = log::prepare(launch.log)?;
    log::catch_panics();
    let sockets = bind::all(launch.listen, launch.listen_default)?;
    let door = launch.ctl_socket.as_deref();
    let door = door
        .map(|path| Door::open(path, launch.process.owner()))
        .transpose()?;
    let addresses = sockets
        .iter()
        .map(|(socket, listen)| {
            socket.local_addr().map(|address| Listen {
                address,
                ..listen.clone()
            })
        })
        .collect::<io::Result<Vec<_>>>()?;
    let listening: Vec<_> = addresses.iter().map(|at| at.address.to_string()).collect();
    let (version, listening) = (env!("CARGO_PKG_VERSION"), listening.join(","));
    tracing::info!(version, listening, "started");
    let mut settings = launch.settings;
    settings.backlog = log.backlog();
    let service = Service::new(settings);
    descriptors::warn_if_too_few(&service);
    let unreadable = launch.process.unreadable(launch.certified.as_deref());
    for what in launch.warnings.into_iter().chain(unreadable) {
        tracing::warn!("{what}");
    }
    // A thread that was there before would keep what the process gives up.
    let confinement = launch.process.enter(&launch.report.served, &launch.homes)?;
    let _log = log.start()?;
    tracing::info!("{confinement}");
    // Where it must be looked up, that has begun before a client asks for it.
    service.look_up_public_address();
    heed_signals(&service, watch(launch.certified)?)?;
    door.map(|door| door.attend(&service)).transpose()?;
    sweep(launch.homes)?;
    sweep_buckets(launch.buckets, launch.upload_memory)?;
    let report = launch.report.text(&addresses, Some(&confinement));
    log::say(launch.log.format, &report);
    let listeners = sockets.into_iter().map(|(socket, listen)| {
        let common = &service.settings().protocol;
        let (tls, accept) = (listen.tls, common.accept.union(listen.accept));
        let own = ((tls, accept) != (common.tls, common.accept)).then(|| Config {
            tls,
            accept,
            ..Config::clone(common)
        });
        Listener {
            socket,
            protocol: own.map(Arc::new),
            proxy_from: listen.proxy_from,
        }
    });
    serve(listeners.collect(), &service)
}

/// Does what SIGHUP asks for, and says so.
fn hang_up(certified: Option<&Certified>) {
    let done = match certified {
        None => "there is no TLS, so there was nothing to read",
        Some(certified) if certified.made().is_some() => {
            "the certificate was made at the start, so there was nothing to read"
        }
        Some(certified) if certified.reload() => "the certificates were read again",
        Some(_) => "the certificates stay as they were",
    };
    tracing::info!(
        "SIGHUP: {done}; the configuration file is read at the start only, so that users, homes, \
         limits and addresses are as before"
    );
}

/// Reads certificates again when their files have changed and when SIGHUP is told, in a thread of
/// its own, since a file may keep it waiting for as long as it likes.
fn watch(certified: Option<Arc<Certified>>) -> io::Result<Sender<()>> {
    let (sender, told) = channel();
    let watcher = move || {
        let certified = certified.as_deref();
        loop {
            match told.recv_timeout(LOOK) {
                Ok(()) => hang_up(certified),
                Err(RecvTimeoutError::Timeout) => {
                    certified.into_iter().for_each(Certified::reload_if_changed);
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    };
    thread::Builder::new()
        .name("certificates".into())
        .spawn(watcher)?;
    Ok(sender)
}

/// The first SIGTERM or SIGINT stops the service, the second ends the process at once. SIGHUP is
/// told to who reads certificates. Others that would end the process are told in the log.
fn heed_signals(service: &Arc<Service>, hang_ups: Sender<()>) -> io::Result<()> {
    let heeded = [SIGTERM, SIGINT, SIGHUP];
    let mut signals = Signals::new(heeded.into_iter().chain(UNUSED))?;
    let service = Arc::clone(service);
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for signal in signals.forever() {
                if signal == SIGHUP {
                    let _ = hang_ups.send(());
                    continue;
                }
                if UNUSED.contains(&signal) {
                    let name = signal_name(signal).unwrap_or("a signal");
                    tracing::info!("{name}: it means nothing here, and nothing was done");
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
