//! [`Https`]: a [`Transport`] over HTTP and TLS, with signatures.

mod credentials;
mod options;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use wharf_storage::Wanted;

use crate::wire::Request;
use crate::{Answer, Lost, Transport};

pub use credentials::{Credentials, Key, Role, Secret};
pub use options::{Deadlines, HttpsOptions, Mistake};

/// A store on the network, reached by HTTP over TLS, with requests that are signed when they are sent.
#[derive(Debug)]
pub struct Https {
    options: HttpsOptions,
}

impl Https {
    /// Makes one. Nothing is sent yet. The certificates are read now, so that it may be made before the
    /// process gives up its rights; the files of [`Credentials`] are read whenever they are needed.
    ///
    /// # Errors
    /// Which option is wrong.
    pub fn new(options: HttpsOptions, crypto: Arc<CryptoProvider>) -> Result<Self, Mistake> {
        let _ = crypto;
        Ok(Self { options })
    }
}

impl Transport for Https {
    fn send(&self, request: &Request<'_>, wanted: &Wanted) -> Result<Answer, Lost> {
        let _ = (request, wanted);
        Err(Lost::Unreachable(format!(
            "nothing is sent to {:?} yet",
            self.options.endpoint
        )))
    }
}
