//! [`Kernel`]: what the driver has of an operating system that not every one has, or has in the same way.
//!
//! Each meaning stands here once. [`Linux`](linux::Linux) has the fast ways of its kernel;
//! [`Plain`](plain::Plain) does with what every Unix has. Nobody else in this crate asks which system it
//! runs on. The tests run both on Linux.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(test, not(target_os = "linux")))]
mod plain;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrAny};

/// The kernel that this program runs on.
#[cfg(target_os = "linux")]
pub(crate) type Host = linux::Linux;
/// The kernel that this program runs on.
#[cfg(not(target_os = "linux"))]
pub(crate) type Host = plain::Plain;

/// An operating system, as far as they differ.
pub(crate) trait Kernel {
    /// What wakes a thread that waits for descriptors.
    type Doorbell: Doorbell;
    /// What tells that somebody waits at one of many listeners.
    type Watch: Watch;
    /// What moves bytes from a socket into a file without a copy in this process.
    type Pipe: Pipe;

    /// Returns one descriptor that stands for nothing.
    fn spare() -> io::Result<OwnedFd>;

    /// Returns a TCP socket that does not block, and that no other program inherits.
    fn socket(family: AddressFamily) -> Result<OwnedFd, Errno>;

    /// Accepts a connection as such a socket, and returns who made it, if that is known.
    fn accept(listener: &TcpListener) -> Result<(OwnedFd, Option<SocketAddrAny>), Errno>;

    /// Lets several sockets connect from one address and port, to different peers.
    fn share_port(socket: impl AsFd) -> Result<(), Errno>;

    /// Acknowledges at once what has come, where the kernel would put that off.
    fn acknowledge(socket: impl AsFd) -> Result<(), Errno>;

    /// Has the kernel give the connection up when what was sent is not acknowledged for so many
    /// milliseconds; 0: as it is used to. A system without such a limit does what it is used to.
    fn give_up_after(socket: impl AsFd, millis: u32) -> Result<(), Errno>;

    /// Sends at most so many bytes of the file, from its position on, and moves that behind them: none at
    /// the end. Returns `None` if the kernel does not do that with this file.
    fn send_file(
        socket: &TcpStream,
        file: BorrowedFd<'_>,
        count: usize,
    ) -> Option<Result<usize, Errno>>;

    /// Returns whether the next byte of the file is known to be in memory.
    fn is_cached(file: BorrowedFd<'_>) -> bool;
}

/// Readable from when it was rung until it is silenced.
pub(crate) trait Doorbell: AsFd + Debug + Sized {
    /// Returns one that was not rung.
    fn new() -> io::Result<Self>;

    /// Makes it readable.
    fn ring(&self);

    /// Makes it unreadable, until it is rung again.
    fn silence(&self);
}

/// Readable while somebody waits at one of its listeners.
pub(crate) trait Watch: AsFd + Sized {
    /// Returns one without listeners.
    fn new() -> io::Result<Self>;

    /// Watches a listener, which does not block, on that port.
    fn add(&self, port: u16, listener: &Arc<TcpListener>) -> io::Result<()>;

    /// Watches a listener no longer: when this returns, whoever calls has it for itself again.
    fn remove(&self, listener: &Arc<TcpListener>) -> io::Result<()>;

    /// Returns ports where somebody waits. The next call returns those where somebody still does.
    fn waiting(&self) -> io::Result<impl Iterator<Item = u16>>;
}

/// Where bytes are between a socket and a file.
pub(crate) trait Pipe: Sized {
    /// Returns an empty one; `None` if the kernel has none, now or ever.
    fn new() -> Option<Self>;

    /// Takes what has come from the socket, without waiting, and returns how many bytes that is: none at
    /// the end. It must be empty.
    fn fill(&self, socket: impl AsFd) -> Result<usize, Errno>;

    /// Writes at most so many of the bytes that are in it at the position of the file, and returns how many.
    fn drain(&self, file: BorrowedFd<'_>, count: usize) -> Result<usize, Errno>;
}
