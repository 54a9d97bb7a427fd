//! What the adapter's session has around it: time that stands still unless the simulator moves it,
//! sockets that lead to the simulated client, a pool whose jobs take as long as they are told.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use wharf_driver::Service;
use wharf_driver::sockets::is_ready;
use wharf_driver::system::System;
use wharf_driver::task::{Alarm, Reactor};
use wharf_storage::{Executor, Executors};

use super::elsewhere::Elsewhere;

/// The world outside of the sessions of one run.
#[derive(Debug, Default)]
pub(crate) struct Outside {
    now: AtomicU64,
    /// The server's sockets take little at once.
    narrow: bool,
    /// What happens now was asked for by a session that is over.
    is_left_over: AtomicBool,
    sockets: Mutex<Sockets>,
}

#[derive(Debug, Default)]
struct Sockets {
    /// The names of listeners by the port that was told.
    listeners: HashMap<u16, Vec<u8>>,
    /// The clients' ends of connections that the server made.
    dialed: HashMap<u16, TcpStream>,
    /// Who has connected to a listener and was not accepted yet.
    callers: VecDeque<IpAddr>,
    /// Where nobody answers.
    refusing: Option<u16>,
}

/// Names must differ, whatever else runs on the machine.
static SERIAL: AtomicU64 = AtomicU64::new(0);

const FLAGS: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Outside {
    pub(crate) fn new(narrow: bool) -> Self {
        Self {
            narrow,
            ..Self::default()
        }
    }

    /// The two ends of a connection: the server's, and the client's.
    pub(crate) fn pair(&self) -> io::Result<(TcpStream, TcpStream)> {
        let (server, client) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None)?;
        Ok((self.served(server)?, TcpStream::from(client)))
    }

    /// The server's end of a connection.
    fn served(&self, socket: OwnedFd) -> io::Result<TcpStream> {
        if self.narrow {
            // As little as the kernel takes.
            sockopt::set_socket_send_buffer_size(&socket, 1)?;
        }
        Ok(TcpStream::from(socket))
    }

    pub(crate) fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    pub(crate) fn set_now(&self, now: u64) {
        self.now.store(now, Ordering::Relaxed);
    }

    /// Whether what happens now was asked for by a session that is over.
    pub(crate) fn is_left_over(&self) -> bool {
        self.is_left_over.load(Ordering::Relaxed)
    }

    pub(crate) fn set_left_over(&self, is_left_over: bool) {
        self.is_left_over.store(is_left_over, Ordering::Relaxed);
    }

    /// The client's end of the connection that the server made to that port, if it made one.
    pub(crate) fn take_dialed(&self, port: u16) -> Option<TcpStream> {
        lock(&self.sockets).dialed.remove(&port)
    }

    /// Connects to a listener of the server.
    pub(crate) fn connect(&self, port: u16) -> io::Result<TcpStream> {
        self.connect_from(Ipv4Addr::LOCALHOST.into(), port)
    }

    /// From now on no connection to that port can be made.
    pub(crate) fn refuse(&self, port: u16) {
        lock(&self.sockets).refusing = Some(port);
    }

    pub(crate) fn connect_from(&self, address: IpAddr, port: u16) -> io::Result<TcpStream> {
        let name = lock(&self.sockets).listeners.get(&port).cloned();
        let name = name.ok_or(io::ErrorKind::ConnectionRefused)?;
        let socket =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None)?;
        rustix::net::connect(&socket, &SocketAddrUnix::new_abstract_name(&name)?)?;
        lock(&self.sockets).callers.push_back(address);
        Ok(TcpStream::from(socket))
    }

    /// Every port that was ever listened on.
    pub(crate) fn ports(&self) -> Vec<u16> {
        lock(&self.sockets).listeners.keys().copied().collect()
    }
}

impl System for Outside {
    fn now(&self) -> wharf_core::Instant {
        wharf_core::Instant::from_micros(Outside::now(self))
    }

    fn local_address(&self, _: &TcpStream) -> io::Result<SocketAddr> {
        Ok((Ipv4Addr::LOCALHOST, 21).into())
    }

    fn listen(&self, at: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
        let name = format!(
            "wharf-sim-{}-{}",
            std::process::id(),
            SERIAL.fetch_add(1, Ordering::Relaxed)
        );
        let socket =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None)?;
        rustix::net::bind(
            &socket,
            &SocketAddrUnix::new_abstract_name(name.as_bytes())?,
        )?;
        rustix::net::listen(&socket, 8)?;
        let mut sockets = lock(&self.sockets);
        let port = 20_000 + sockets.listeners.len() as u16;
        sockets.listeners.insert(port, name.into_bytes());
        Ok((TcpListener::from(socket), SocketAddr::new(at.ip(), port)))
    }

    fn accept(&self, listener: &TcpListener) -> io::Result<(TcpStream, Option<IpAddr>)> {
        let socket = rustix::net::accept_with(listener, FLAGS)?;
        // They come in the order in which they called.
        let caller = lock(&self.sockets).callers.pop_front();
        Ok((self.served(socket)?, caller))
    }

    fn dial(&self, _: SocketAddr, to: SocketAddr) -> io::Result<TcpStream> {
        let (server, client) = self.pair()?;
        let mut sockets = lock(&self.sockets);
        if sockets.refusing == Some(to.port()) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        sockets.dialed.insert(to.port(), client);
        Ok(server)
    }
}

/// How a session sleeps, and what it would be woken for in vain.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wake(Arc<Mutex<Sleep>>);

#[derive(Debug, Default)]
struct Sleep {
    /// The session wants to be looked at then.
    until: Option<u64>,
    /// It waits for room for its replies.
    is_blocked: bool,
    /// What is known not to be ready to be read from, or else written to, so that the kernel is not asked
    /// again.
    idle: Vec<(Way, RawFd, bool)>,
}

/// Which of its connections a session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Control,
    Data,
}

impl Wake {
    pub(crate) fn at(&self, time: u64) {
        let mut sleep = lock(&self.0);
        sleep.until = Some(sleep.until.map_or(time, |earlier| earlier.min(time)));
    }

    /// When it wants to be looked at, which is then forgotten.
    pub(crate) fn take(&self) -> Option<u64> {
        lock(&self.0).until.take()
    }

    /// Whether it waited for room for its replies, which is then forgotten.
    pub(crate) fn take_blocked(&self) -> bool {
        std::mem::take(&mut lock(&self.0).is_blocked)
    }

    /// The client did something there.
    pub(crate) fn touch(&self, touched: Way) {
        lock(&self.0).idle.retain(|(way, ..)| *way != touched);
    }

    fn is_ready(&self, way: Way, socket: BorrowedFd<'_>, readable: bool) -> bool {
        let mut sleep = lock(&self.0);
        let question = (way, socket.as_raw_fd(), readable);
        if sleep.idle.contains(&question) {
            return false;
        }
        let is_ready = is_ready(socket, readable);
        if !is_ready {
            sleep.idle.push(question);
            sleep.is_blocked |= way == Way::Control && !readable;
        }
        is_ready
    }
}

/// How a simulated session sleeps.
pub(crate) struct Bed {
    pub(crate) control: Arc<TcpStream>,
    pub(crate) outside: Arc<Outside>,
    pub(crate) wake: Wake,
    /// Where calls run that may block.
    pub(crate) elsewhere: Arc<Elsewhere>,
}

impl Bed {
    /// Becomes ready with the socket; the simulator looks again whenever something has happened.
    async fn until(&self, way: Way, socket: BorrowedFd<'_>, readable: bool) -> io::Result<()> {
        poll_fn(|_| match self.wake.is_ready(way, socket, readable) {
            true => Poll::Ready(Ok(())),
            false => Poll::Pending,
        })
        .await
    }
}

impl Reactor for Bed {
    type Alarm = Bell;

    async fn readable(&self) -> io::Result<()> {
        let control = self.control.as_fd();
        self.until(Way::Control, control, true).await
    }

    async fn writable(&self) -> io::Result<()> {
        let control = self.control.as_fd();
        self.until(Way::Control, control, false).await
    }

    async fn ready(&self, socket: BorrowedFd<'_>, readable: bool) -> io::Result<()> {
        self.until(Way::Data, socket, readable).await
    }

    fn executors(&self, _: &Service) -> Executors {
        let executor: Arc<dyn Executor> = Arc::<Elsewhere>::clone(&self.elsewhere);
        Executors {
            storage: Arc::clone(&executor),
            logins: executor,
        }
    }

    fn alarm(&self) -> Bell {
        Bell {
            outside: Arc::clone(&self.outside),
            wake: self.wake.clone(),
        }
    }
}

/// Rings when the simulator has moved the time.
pub(crate) struct Bell {
    outside: Arc<Outside>,
    wake: Wake,
}

impl Alarm for Bell {
    async fn ring(&mut self, within: Option<Duration>) {
        let at = within.map(|within| {
            let micros = u64::try_from(within.as_micros()).unwrap_or(u64::MAX);
            self.outside.now().saturating_add(micros)
        });
        poll_fn(|_| match at {
            Some(at) if self.outside.now() >= at => Poll::Ready(()),
            Some(at) => {
                self.wake.at(at);
                Poll::Pending
            }
            None => Poll::Pending,
        })
        .await;
    }
}
