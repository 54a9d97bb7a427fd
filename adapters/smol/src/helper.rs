//! [`Blocking`]: the blocking pool, for what may wait for a disk.

use futures_lite::future;
use smol::Task;
use wharf_driver::work::{Helper, Job, Rest};

use crate::reactor::Pool;

/// Runs jobs in the blocking pool, one at a time: a session asks for no more.
#[derive(Default)]
pub(crate) struct Blocking {
    running: Option<Task<Rest<Blocking>>>,
    finished: Option<Rest<Blocking>>,
}

impl Pool for Blocking {
    async fn done(&mut self) {
        match &mut self.running {
            Some(job) => {
                self.finished = Some(job.await);
                self.running = None;
            }
            None if self.finished.is_some() => {}
            None => future::pending().await,
        }
    }
}

impl Helper for Blocking {
    const WAITS_FOR_DISK: bool = false;

    fn run(&mut self, job: Job<Self>) -> Option<Rest<Self>> {
        self.running = Some(smol::unblock(job));
        None
    }

    fn finished(&mut self) -> Option<Rest<Self>> {
        self.finished.take()
    }
}
