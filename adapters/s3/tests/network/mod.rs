//! What the tests of the transport have in common.

#![allow(dead_code, reason = "not every test needs all of it")]

use std::io::Read as _;
use std::sync::Arc;
use std::sync::mpsc;

use rustls::crypto::CryptoProvider;
use wharf_core::Failure;
use wharf_s3::https::Https;
use wharf_s3::wire::Request;
use wharf_s3::{Answer, Lost, Transport as _};
use wharf_storage::{Executor, Group, Job, OnCancel, Operation, Wanted, run};

pub(crate) fn crypto() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Sends a request that is wanted.
pub(crate) fn send(https: &Https, request: &Request<'_>) -> Result<Answer, Lost> {
    https.send(request, &Order::new().wanted)
}

pub(crate) fn text(mut answer: Answer) -> String {
    let mut text = String::new();
    answer.body.read_to_string(&mut text).expect("a body");
    text
}

/// What somebody wants, until they do not any more.
pub(crate) struct Order {
    pub(crate) wanted: Wanted,
    operation: Box<dyn Operation<()>>,
}

impl Order {
    pub(crate) fn new() -> Self {
        struct Here;
        impl Executor for Here {
            fn may_wait(&self) -> bool {
                true
            }
            fn spawn(&self, _: Group, job: Job) {
                job();
            }
        }
        let (tell, told) = mpsc::channel();
        let operation = run(&Here, Group::default(), OnCancel::Leave, move |wanted| {
            tell.send(wanted.clone()).unwrap();
            Ok::<_, Failure>(())
        });
        Self {
            wanted: told.recv().unwrap(),
            operation,
        }
    }

    pub(crate) fn cancel(&mut self) {
        self.operation.cancel();
    }
}
