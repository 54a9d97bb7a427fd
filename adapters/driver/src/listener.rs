//! [`Listener`]: where clients connect, and what they meet there.

use std::net::TcpListener;
use std::sync::Arc;

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
}

impl From<TcpListener> for Listener {
    /// With the protocol of the settings.
    fn from(socket: TcpListener) -> Self {
        Self {
            socket,
            protocol: None,
        }
    }
}

impl Listener {
    /// The protocol of its clients.
    #[must_use]
    pub fn protocol<'a>(&'a self, settings: &'a Settings) -> &'a Arc<Config> {
        self.protocol.as_ref().unwrap_or(&settings.protocol)
    }
}
