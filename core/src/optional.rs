//! [`Optional`]: what not every server has, and its [`Answer`].

/// Things that not every server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Optional {
    /// SIZE in TYPE A: the length of [`path`](crate::Session::path) as TYPE A sends it.
    /// [`Failure::TooLarge`](crate::Failure::TooLarge) if the file is longer than `limit`.
    TextSize {
        /// Bytes of the file up to which it may be read through to count.
        limit: u64,
    },
    /// AVBL: bytes that may still be written below [`path`](crate::Session::path).
    Available,
}

/// The outcome of an [`Optional`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// A number of bytes.
    Bytes(u64),
}
