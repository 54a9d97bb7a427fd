//! [`Helper`]: threads for what may take long.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, mpsc};
use std::thread;

use rustix::event::{EventfdFlags, eventfd};
use wharf_core::Event;

use crate::work::Work;

/// What a helper thread brings back: the rest of the job, for the session's own thread.
type Rest = Box<dyn FnOnce(&mut Work) -> Event + Send>;

/// Runs jobs in threads of their own and wakes the session when one is done.
pub(crate) struct Helper {
    wake: Arc<OwnedFd>,
    sender: mpsc::Sender<Rest>,
    receiver: mpsc::Receiver<Rest>,
}

impl Helper {
    pub(crate) fn new() -> io::Result<Self> {
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (sender, receiver) = mpsc::channel();
        Ok(Self { wake, sender, receiver })
    }

    /// Runs a job. A job that cannot be run is one that never comes back: the session's timers
    /// see to that.
    pub(crate) fn run(&self, job: impl FnOnce() -> Rest + Send + 'static) -> io::Result<()> {
        let (wake, sender) = (Arc::clone(&self.wake), self.sender.clone());
        let name = String::from("ftp helper");
        thread::Builder::new().name(name).spawn(move || {
            // If the session is gone, nobody waits for it.
            if sender.send(job()).is_ok() {
                let _ = rustix::io::write(&wake, &1_u64.to_ne_bytes());
            }
        })?;
        Ok(())
    }

    /// The rest of a job that is done.
    pub(crate) fn done(&self) -> Option<Rest> {
        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
        self.receiver.try_recv().ok()
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}
