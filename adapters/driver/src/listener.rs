//! [`Listener`]: where clients connect, and what they meet there.

use std::net::TcpListener;
use std::sync::Arc;

use ipnet::IpNet;
use wharf_core::Config;

use crate::settings::Settings;

/// A listener for control connections.
#[derive(Debug)]
pub struct Listener {
    /// The socket.
    pub socket: TcpListener,
    /// What the sessions of its clients have in common, where it is not what the
    /// [`Settings`] say: a listener may have its own TLS policy, and begin with TLS.
    pub protocol: Option<Arc<Config>>,
    /// The networks of balancers, where they are not [those of the settings](Settings::proxy_from).
    pub proxy_from: Option<Vec<IpNet>>,
}

impl From<TcpListener> for Listener {
    /// With the protocol and the balancers of the settings.
    fn from(socket: TcpListener) -> Self {
        Self {
            socket,
            protocol: None,
            proxy_from: None,
        }
    }
}

impl Listener {
    /// The protocol of its clients.
    #[must_use]
    pub fn protocol<'a>(&'a self, settings: &'a Settings) -> &'a Arc<Config> {
        self.protocol.as_ref().unwrap_or(&settings.protocol)
    }

    /// The networks of its balancers.
    pub(crate) fn proxy_from<'a>(&'a self, settings: &'a Settings) -> &'a [IpNet] {
        self.proxy_from.as_ref().unwrap_or(&settings.proxy_from)
    }
}
