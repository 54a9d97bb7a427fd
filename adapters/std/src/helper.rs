//! [`Threads`]: a thread for each job that may take long.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, mpsc};
use std::{io, thread};

use wharf_driver::Bell;
use wharf_driver::work::{Helper, Job, Rest};

/// Runs jobs in threads of their own, and wakes the session when one is done. It holds no
/// descriptor until the first job.
#[derive(Default)]
pub(crate) struct Threads(Option<Mailbox>);

struct Mailbox {
    bell: Arc<Bell>,
    sender: mpsc::Sender<Rest<Threads>>,
    receiver: mpsc::Receiver<Rest<Threads>>,
}

impl Threads {
    /// Readable when a job is done.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().map(|mailbox| mailbox.bell.as_fd())
    }

    /// Starts a thread that runs the job which it is then sent.
    fn start(&mut self) -> io::Result<mpsc::Sender<Job<Self>>> {
        let mailbox = match &mut self.0 {
            Some(mailbox) => mailbox,
            none => none.insert(Mailbox::new()?),
        };
        let (bell, sender) = (Arc::clone(&mailbox.bell), mailbox.sender.clone());
        let (give, take) = mpsc::channel::<Job<Self>>();
        thread::Builder::new()
            .name("ftp helper".into())
            .spawn(move || {
                let Ok(job) = take.recv() else { return };
                // If the session is gone, nobody waits for it.
                if sender.send(job()).is_ok() {
                    bell.ring();
                }
            })?;
        Ok(give)
    }
}

impl Mailbox {
    fn new() -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        Ok(Self {
            bell: Arc::new(Bell::new()?),
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
        mailbox.bell.silence();
        mailbox.receiver.try_recv().ok()
    }
}
