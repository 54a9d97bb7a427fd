//! [`Linux`]: its fast ways.

use std::io::{self, IoSliceMut};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::fs;
use rustix::io::{Errno, ReadWriteFlags};
use rustix::net::{AddressFamily, SocketAddrAny, SocketFlags, SocketType, ipproto, sockopt};
use rustix::pipe::{PipeFlags, SpliceFlags};

use super::{Doorbell, Kernel, Pipe, Watch};

/// The kernel of Linux.
pub(crate) struct Linux;

/// What goes through a pipe at once.
const PIPE: usize = 1 << 20;
/// So many listeners are looked at before others have their turn.
const EVENTS: usize = 16;

impl Kernel for Linux {
    type Doorbell = EventBell;
    type Watch = Epoll;
    type Pipe = Splice;

    fn spare() -> io::Result<OwnedFd> {
        Ok(eventfd(0, EventfdFlags::CLOEXEC)?)
    }

    fn socket(family: AddressFamily) -> Result<OwnedFd, Errno> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        rustix::net::socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))
    }

    fn accept(listener: &TcpListener) -> Result<(OwnedFd, Option<SocketAddrAny>), Errno> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        rustix::net::acceptfrom_with(listener, flags)
    }

    fn share_port(socket: impl AsFd) -> Result<(), Errno> {
        sockopt::set_socket_reuseaddr(socket, true)
    }

    fn acknowledge(socket: impl AsFd) -> Result<(), Errno> {
        sockopt::set_tcp_quickack(socket, true)
    }

    fn give_up_after(socket: impl AsFd, millis: u32) -> Result<(), Errno> {
        sockopt::set_tcp_user_timeout(socket, millis)
    }

    fn send_file(
        socket: &TcpStream,
        file: BorrowedFd<'_>,
        count: usize,
    ) -> Option<Result<usize, Errno>> {
        match fs::sendfile(socket, file, None, count) {
            Err(Errno::INVAL | Errno::NOSYS) => None,
            sent => Some(sent),
        }
    }

    fn is_cached(file: BorrowedFd<'_>) -> bool {
        let Ok(at) = fs::tell(file) else { return false };
        let mut byte = [0];
        let mut probe = [IoSliceMut::new(&mut byte)];
        rustix::io::preadv2(file, &mut probe, at, ReadWriteFlags::NOWAIT).is_ok()
    }
}

/// An eventfd: one descriptor.
#[derive(Debug)]
pub(crate) struct EventBell(OwnedFd);

impl Doorbell for EventBell {
    fn new() -> io::Result<Self> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        Ok(Self(eventfd(0, flags)?))
    }

    fn ring(&self) {
        // It cannot be full, unless it is readable.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    fn silence(&self) {
        // If it was not rung, there is nothing to read.
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }
}

impl AsFd for EventBell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// An epoll instance, which is readable itself.
pub(crate) struct Epoll(OwnedFd);

impl Watch for Epoll {
    fn new() -> io::Result<Self> {
        Ok(Self(epoll::create(epoll::CreateFlags::CLOEXEC)?))
    }

    fn add(&self, port: u16, listener: &Arc<TcpListener>) -> io::Result<()> {
        let port = epoll::EventData::new_u64(port.into());
        Ok(epoll::add(&self.0, listener, port, epoll::EventFlags::IN)?)
    }

    fn remove(&self, listener: &Arc<TcpListener>) -> io::Result<()> {
        Ok(epoll::delete(&self.0, listener)?)
    }

    fn waiting(&self) -> io::Result<impl Iterator<Item = u16>> {
        let nothing = epoll::Event {
            flags: epoll::EventFlags::empty(),
            data: epoll::EventData::new_u64(0),
        };
        let mut events = [nothing; EVENTS];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let count = epoll::wait(&self.0, &mut events, Some(&at_once))?;
        let ports = events.into_iter().take(count);
        Ok(ports.filter_map(|event| u16::try_from(event.data.u64()).ok()))
    }
}

impl AsFd for Epoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A pipe for `splice(2)`.
pub(crate) struct Splice {
    read: OwnedFd,
    write: OwnedFd,
}

impl Pipe for Splice {
    fn new() -> Option<Self> {
        let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).ok()?;
        // A smaller pipe does as well, with more calls.
        let _ = rustix::pipe::fcntl_setpipe_size(&write, PIPE);
        Some(Self { read, write })
    }

    fn fill(&self, socket: impl AsFd) -> Result<usize, Errno> {
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        rustix::pipe::splice(socket, None, &self.write, None, PIPE, flags)
    }

    fn drain(&self, file: BorrowedFd<'_>, count: usize) -> Result<usize, Errno> {
        rustix::pipe::splice(&self.read, None, file, None, count, SpliceFlags::MOVE)
    }
}
