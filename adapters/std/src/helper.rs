//! [`Threads`]: a thread for each job that may take long.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, mpsc};
use std::{io, thread};

use rustix::event::{EventfdFlags, eventfd};
use wharf_server::work::{Helper, Job, Rest};

/// Runs jobs in threads of their own, and wakes the session when one is done. It holds no
/// descriptor until the first job.
#[derive(Default)]
pub(crate) struct Threads(Option<Mailbox>);

struct Mailbox {
    wake: Arc<OwnedFd>,
    sender: mpsc::Sender<Rest<Threads>>,
    receiver: mpsc::Receiver<Rest<Threads>>,
}

impl Threads {
    /// Readable when a job is done.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().map(|mailbox| mailbox.wake.as_fd())
    }

    fn start(&mut self, job: Job<Self>) -> io::Result<()> {
        let mailbox = match &mut self.0 {
            Some(mailbox) => mailbox,
            none => none.insert(Mailbox::new()?),
        };
        let (wake, sender) = (Arc::clone(&mailbox.wake), mailbox.sender.clone());
        thread::Builder::new()
            .name("ftp helper".into())
            .spawn(move || {
                // If the session is gone, nobody waits for it.
                if sender.send(job()).is_ok() {
                    let _ = rustix::io::write(&wake, &1_u64.to_ne_bytes());
                }
            })?;
        Ok(())
    }
}

impl Mailbox {
    fn new() -> io::Result<Self> {
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (sender, receiver) = mpsc::channel();
        Ok(Self {
            wake,
            sender,
            receiver,
        })
    }
}

impl Helper for Threads {
    const WAITS_FOR_DISK: bool = true;

    fn run(&mut self, job: Job<Self>) {
        if let Err(error) = self.start(job) {
            tracing::error!(%error, "no thread for a request");
        }
    }

    fn finished(&mut self) -> Option<Rest<Self>> {
        let mailbox = self.0.as_ref()?;
        let _ = rustix::io::read(&mailbox.wake, &mut [0; 8]);
        mailbox.receiver.try_recv().ok()
    }
}
