//! What a running server answers.

use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use wharf_driver::{Connected, Service};

use super::words::{Answer, Ban, Request, Session, Status, Transfer};

/// How long a session that shall end has for it, before its connection is cut.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(20);

/// Does what is asked for, but for [`Request::Drain`]: the process may end before that is answered.
pub(super) fn answer(request: &Request, service: &Service, begun: Instant) -> Answer {
    match request {
        Request::Who {} => Answer::Sessions(service.clients().into_iter().map(session).collect()),
        Request::Kick {
            sessions,
            users,
            addresses,
        } => {
            let is_meant = |client: &Connected| {
                let user = client.user.as_ref();
                let user = user.is_some_and(|user| users.iter().any(|named| user == named));
                let address = client.peer.ip();
                sessions.contains(&client.session)
                    || user
                    || addresses
                        .iter()
                        .map(IpAddr::to_canonical)
                        .any(|named| named == address)
            };
            let clients = service.clients().into_iter();
            let meant = clients.filter(is_meant).map(|client| client.session);
            Answer::Ended(kick(service, meant.collect()))
        }
        Request::Ban { networks, seconds } => {
            let time = seconds.map(Duration::from_secs);
            for network in networks {
                service.ban(*network, time);
            }
            let is_there = |client: &Connected| {
                networks
                    .iter()
                    .any(|network| network.contains(&client.peer.ip()))
            };
            let clients = service.clients().into_iter();
            let there = clients.filter(is_there).map(|client| client.session);
            kick(service, there.collect());
            tracing::info!(?networks, seconds, "banned by the operator");
            Answer::Bans(bans(service))
        }
        Request::Unban { networks } => {
            let (let_in, missing): (Vec<IpNet>, Vec<IpNet>) = networks
                .iter()
                .partition(|network| service.unban(**network));
            if !let_in.is_empty() {
                tracing::info!(networks = ?let_in, "let in again by the operator");
            }
            if missing.is_empty() {
                return Answer::Bans(bans(service));
            }
            let missing: Vec<_> = missing.iter().map(IpNet::to_string).collect();
            Answer::Error(format!("not banned: {}", missing.join(", ")))
        }
        Request::Bans {} => Answer::Bans(bans(service)),
        Request::Drain {} => {
            tracing::info!("stopping, as the operator asks");
            Answer::Status(Status {
                is_stopping: true,
                ..status(service, begun)
            })
        }
        Request::Status {} => Answer::Status(status(service, begun)),
    }
}

/// Ends these sessions, and waits for a moment until they have.
fn kick(service: &Service, sessions: Vec<u64>) -> Vec<u64> {
    let told: Vec<_> = sessions
        .into_iter()
        .filter(|session| service.dismiss(*session))
        .collect();
    let until = Instant::now() + PATIENCE;
    let left = || {
        let clients = service.clients().into_iter();
        clients
            .map(|client| client.session)
            .filter(|session| told.contains(session))
            .collect::<Vec<_>>()
    };
    while !left().is_empty() && Instant::now() < until {
        thread::sleep(LOOK);
    }
    for session in left() {
        service.dismiss(session);
    }
    if !told.is_empty() {
        tracing::info!(sessions = ?told, "ended by the operator");
    }
    told
}

fn bans(service: &Service) -> Vec<Ban> {
    let bans = service.bans().into_iter();
    bans.map(|ban| Ban {
        network: ban.network,
        seconds: ban.left.map(|left| left.as_secs_f64()),
    })
    .collect()
}

fn status(service: &Service, begun: Instant) -> Status {
    Status {
        version: env!("CARGO_PKG_VERSION").into(),
        pid: std::process::id(),
        seconds: begun.elapsed().as_secs_f64(),
        sessions: service.sessions(),
        most_sessions: service.settings().sessions,
        is_stopping: service.is_stopping(),
    }
}

fn session(client: Connected) -> Session {
    Session {
        session: client.session,
        peer: client.peer,
        user: client.user.map(|user| user.to_string()),
        tls: client.is_protected,
        seconds: client.since.as_secs_f64(),
        idle_seconds: client.idle.as_secs_f64(),
        transfer: client.transfer.map(|moving| Transfer {
            command: moving.verb.name().into(),
            path: moving.path.to_string(),
            offset: moving.offset,
            bytes: moving.bytes,
            length: moving.length,
            seconds: moving.since.as_secs_f64(),
        }),
    }
}
