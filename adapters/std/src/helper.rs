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

    /// Starts a thread that runs the job which it is then sent.
    fn start(&mut self) -> io::Result<mpsc::Sender<Job<Self>>> {
        let mailbox = match &mut self.0 {
            Some(mailbox) => mailbox,
            none => none.insert(Mailbox::new()?),
        };
        let (wake, sender) = (Arc::clone(&mailbox.wake), mailbox.sender.clone());
        let (give, take) = mpsc::channel::<Job<Self>>();
        thread::Builder::new()
            .name("ftp helper".into())
            .spawn(move || {
                let Ok(job) = take.recv() else { return };
                // If the session is gone, nobody waits for it.
                if sender.send(job()).is_ok() {
                    let _ = rustix::io::write(&wake, &1_u64.to_ne_bytes());
                }
            })?;
        Ok(give)
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

    fn run(&mut self, job: Job<Self>) -> Option<Rest<Self>> {
        let job = match self.start() {
            Ok(thread) => thread.send(job).err()?.0,
            Err(error) => {
                tracing::warn!(%error, "no thread for a request");
                job
            }
        };
        // Only this session waits for it.
        Some(job())
    }

    fn finished(&mut self) -> Option<Rest<Self>> {
        let mailbox = self.0.as_ref()?;
        let _ = rustix::io::read(&mailbox.wake, &mut [0; 8]);
        mailbox.receiver.try_recv().ok()
    }
}
