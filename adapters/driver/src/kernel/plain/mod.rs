//! [`Plain`]: what every Unix has.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::OFlags;
use rustix::io::{Errno, FdFlags};
use rustix::net::{AddressFamily, SocketAddrAny, SocketType, ipproto, sockopt};

use super::{Doorbell, Kernel, Pipe};

mod poller;

pub(crate) use poller::Poller;

/// The kernel of any Unix.
pub(crate) struct Plain;

impl Kernel for Plain {
    type Doorbell = PipeBell;
    type Watch = Poller;
    type Pipe = NoPipe;

    fn spare() -> io::Result<OwnedFd> {
        let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::DGRAM, None)?;
        rustix::io::fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
        Ok(socket)
    }

    fn socket(family: AddressFamily) -> Result<OwnedFd, Errno> {
        let socket = rustix::net::socket(family, SocketType::STREAM, Some(ipproto::TCP))?;
        set_up_socket(&socket)?;
        Ok(socket)
    }

    fn accept(listener: &TcpListener) -> Result<(OwnedFd, Option<SocketAddrAny>), Errno> {
        let (socket, peer) = rustix::net::acceptfrom(listener)?;
        set_up_socket(&socket)?;
        Ok((socket, peer))
    }

    fn share_port(socket: impl AsFd) -> Result<(), Errno> {
        let socket = socket.as_fd();
        sockopt::set_socket_reuseaddr(socket, true)?;
        // With the other alone, BSD has it free only from connections that are over.
        sockopt::set_socket_reuseport(socket, true)
    }

    fn acknowledge(_: impl AsFd) -> Result<(), Errno> {
        Ok(())
    }

    fn give_up_after(_: impl AsFd, _: u32) -> Result<(), Errno> {
        Ok(())
    }

    fn send_file(_: &TcpStream, _: BorrowedFd<'_>, _: usize) -> Option<Result<usize, Errno>> {
        None
    }

    fn is_cached(_: BorrowedFd<'_>) -> bool {
        false
    }
}

/// A socket that does not block, and that no other program inherits.
fn set_up_socket(socket: &OwnedFd) -> Result<(), Errno> {
    set_up(socket)?;
    // A write to a connection that is gone shall fail, and not end the program.
    #[cfg(target_vendor = "apple")]
    sockopt::set_socket_nosigpipe(socket, true)?;
    Ok(())
}

/// A descriptor that does not block, and that no other program inherits, but for one that another thread
/// starts at this moment.
fn set_up(descriptor: &OwnedFd) -> Result<(), Errno> {
    rustix::io::fcntl_setfd(descriptor, FdFlags::CLOEXEC)?;
    let flags = rustix::fs::fcntl_getfl(descriptor)?;
    rustix::fs::fcntl_setfl(descriptor, flags | OFlags::NONBLOCK)
}

/// A pipe with something in it once it was rung.
#[derive(Debug)]
pub(crate) struct PipeBell {
    read: OwnedFd,
    write: OwnedFd,
}

impl Doorbell for PipeBell {
    fn new() -> io::Result<Self> {
        let (read, write) = rustix::pipe::pipe()?;
        set_up(&read)?;
        set_up(&write)?;
        Ok(Self { read, write })
    }

    fn ring(&self) {
        // If it is full, it is readable.
        let _ = rustix::io::write(&self.write, &[1]);
    }

    fn silence(&self) {
        let mut rung = [0; 256];
        // Each ring has left a byte.
        while rustix::io::read(&self.read, &mut rung).is_ok_and(|count| count == rung.len()) {}
    }
}

impl AsFd for PipeBell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }
}

/// No way from a socket into a file but through this process: there is no value of this type.
pub(crate) enum NoPipe {}

impl Pipe for NoPipe {
    fn new() -> Option<Self> {
        None
    }

    fn fill(&self, _: impl AsFd) -> Result<usize, Errno> {
        match *self {}
    }

    fn drain(&self, _: BorrowedFd<'_>, _: usize) -> Result<usize, Errno> {
        match *self {}
    }
}
