//! [`Descriptor`]: the one place where these traits know the operating system.

/// A file that the kernel may read from, or write to, in place of the storage: a borrowed file
/// descriptor.
///
/// Where a system has no file descriptors, such as Windows, there is no value of this type: every storage
/// moves its bytes itself.
#[cfg(unix)]
pub type Descriptor<'a> = std::os::fd::BorrowedFd<'a>;

/// A file that the kernel may read from, or write to, in place of the storage. This system has no file
/// descriptors, so there is no value of this type: every storage moves its bytes itself.
#[cfg(not(unix))]
#[derive(Clone, Copy, Debug)]
pub struct Descriptor<'a>(std::convert::Infallible, std::marker::PhantomData<&'a ()>);
