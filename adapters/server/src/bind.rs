//! To listen where the configuration says, and what to do where that cannot be.

use std::io;
use std::net::TcpListener;

use wharf_driver::sockets;

use crate::Listen;

/// Listens on every address. Of the default ones, a machine without IPv6 lacks one.
pub(crate) fn all(listen: Vec<Listen>, default: bool) -> io::Result<Vec<(TcpListener, Listen)>> {
    let mut listeners = Vec::new();
    for each in listen {
        match one(&each) {
            Ok(listener) => listeners.push((listener, each)),
            Err(error) if default && sockets::is_not_here(&error) => {
                let address = each.address;
                tracing::info!(%address, %error, "not listening");
            }
            Err(error) => return Err(explain(&each, &error)),
        }
    }
    if listeners.is_empty() {
        return Err(io::Error::other("there is no address to listen on"));
    }
    Ok(listeners)
}

/// Listens on one address.
pub(crate) fn one(listen: &Listen) -> io::Result<TcpListener> {
    if listen.for_both {
        sockets::listen_for_both(listen.address)
    } else {
        sockets::listen(listen.address)
    }
}

/// What to tell whoever starts the server, with the way out.
pub(crate) fn explain(listen: &Listen, error: &io::Error) -> io::Error {
    let address = listen.address;
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied if address.port() < 1_024 => {
            "; ports below 1024 are for root, who may become another user by `user` in [process], \
             and for who has CAP_NET_BIND_SERVICE (`AmbientCapabilities=` of systemd)"
        }
        io::ErrorKind::AddrInUse => "; another server listens there",
        _ if address.is_ipv6() && sockets::is_not_here(error) => {
            "; where there is no IPv6, an IPv4 address such as 0.0.0.0 serves all"
        }
        _ => "",
    };
    io::Error::new(
        error.kind(),
        format!("cannot listen on {address}: {error}{hint}"),
    )
}
