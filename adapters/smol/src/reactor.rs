//! [`Reactor`]: what tells a session that something is ready, so that a simulator can stand in for
//! the system's.

use std::io;
use std::net::TcpStream;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use wharf_driver::Service;
use wharf_storage::Executors;

/// How one session sleeps. Nothing is lost when one of these futures is dropped before it is done.
pub trait Reactor {
    /// What wakes it when time has passed.
    type Alarm: Alarm;

    /// The control connection, which does not block.
    fn control(&self) -> &TcpStream;

    /// Sleeps until something can be read from the control connection.
    fn readable(&self) -> impl Future<Output = io::Result<()>>;

    /// Sleeps until something can be written to the control connection.
    fn writable(&self) -> impl Future<Output = io::Result<()>>;

    /// Sleeps until another socket can be read from, or written to.
    fn ready(&self, socket: BorrowedFd<'_>, readable: bool)
    -> impl Future<Output = io::Result<()>>;

    /// Where calls run that may block: on the threads of the service, unless a simulator says otherwise.
    fn executors(&self, service: &Service) -> Executors {
        service.executors(false)
    }

    /// An alarm that is not set.
    fn alarm(&self) -> Self::Alarm;
}

/// Wakes a session.
pub trait Alarm {
    /// Sleeps for so long, or for ever.
    fn ring(&mut self, within: Option<Duration>) -> impl Future<Output = ()>;
}
