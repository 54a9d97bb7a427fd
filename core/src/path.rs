//! [`VPath`]: the only form in which a path leaves the core.

use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use bstr::{BStr, ByteSlice};
use memchr::memchr3;

/// A path of the virtual tree that a client sees: absolute, normalised, bounded.
///
/// It begins with `/`, has no `.`, `..` or empty component and no trailing slash (except the root
/// itself), holds no NUL, CR or LF, and is at most [`VPath::MAX`] bytes long. It is bytes, not
/// text: a name that is not UTF-8 is kept as it is. Since nothing else can be built, a storage
/// cannot be handed a path that climbs out of its root.
///
/// ```
/// use wharf_core::VPath;
///
/// let home: VPath = "home//user/.".parse()?;
/// assert_eq!(home.as_bytes(), "/home/user");
/// assert_eq!(VPath::resolve(&home, b"../../../etc")?.as_bytes(), "/etc");
/// assert!(VPath::resolve(&home, b"a\0b").is_err());
/// # Ok::<(), wharf_core::PathError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VPath(Vec<u8>);

/// Why an argument is not a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathError {
    /// It holds a NUL, a CR or a LF.
    ForbiddenByte,
    /// It, or what it resolves to, is longer than [`VPath::MAX`].
    TooLong,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ForbiddenByte => "a path cannot hold NUL, CR or LF",
            Self::TooLong => "the path is too long",
        })
    }
}

impl core::error::Error for PathError {}

impl VPath {
    /// The longest path in bytes: what fits in the path buffer of common systems with its NUL.
    pub const MAX: usize = 4095;

    /// The root, `/`. It owns no memory.
    #[must_use]
    pub const fn root() -> Self {
        // The root is the empty path inside, so that every other path is its components.
        Self(Vec::new())
    }

    /// A path that is none, for tests of what must be caught.
    #[cfg(test)]
    pub(crate) fn unchecked(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// What `argument` means to a client whose working directory is `cwd`.
    ///
    /// `..` at the root stays there, repeated slashes are one, and every other byte is literal:
    /// no `~`, no `%`, no backslash has a meaning.
    ///
    /// # Errors
    /// [`PathError`] if the argument holds a forbidden byte, or it or the result is too long; a path
    /// is refused, never cut.
    pub fn resolve(cwd: &Self, argument: &[u8]) -> Result<Self, PathError> {
        let mut path = Self::root();
        path.assign(cwd, argument)?;
        Ok(path)
    }

    /// As [`VPath::resolve`], into a path whose memory is used again. After an error `self` is
    /// the root.
    ///
    /// # Errors
    /// As [`VPath::resolve`].
    pub fn assign(&mut self, cwd: &Self, argument: &[u8]) -> Result<(), PathError> {
        self.0.clear();
        if memchr3(0, b'\r', b'\n', argument).is_some() {
            return Err(PathError::ForbiddenByte);
        }
        // A listing has no room for a longer one, even if most of it means nothing.
        if argument.len() > Self::MAX {
            return Err(PathError::TooLong);
        }
        if !argument.starts_with(b"/") {
            self.0.extend_from_slice(&cwd.0);
        }
        for component in argument.split(|&byte| byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => self.pop(),
                name if self.0.len() + 1 + name.len() > Self::MAX => {
                    self.0.clear();
                    return Err(PathError::TooLong);
                }
                name => {
                    self.0.push(b'/');
                    self.0.extend_from_slice(name);
                }
            }
        }
        Ok(())
    }

    /// The path of `name` inside this directory.
    ///
    /// # Errors
    /// [`PathError`] as in [`VPath::resolve`]; a name that has a slash or is `.` or `..` is
    /// [`PathError::ForbiddenByte`].
    pub fn join(&self, name: &[u8]) -> Result<Self, PathError> {
        if name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') {
            return Err(PathError::ForbiddenByte);
        }
        Self::resolve(self, name)
    }

    /// The bytes, which begin with `/`.
    #[must_use]
    pub fn as_bytes(&self) -> &BStr {
        if self.0.is_empty() {
            b"/".as_bstr()
        } else {
            self.0.as_bstr()
        }
    }

    /// The path relative to the root: no leading slash, empty for the root. This is what a
    /// storage hands to the system together with its root directory.
    ///
    /// ```
    /// # use wharf_core::VPath;
    /// let path = VPath::resolve(&VPath::root(), b"/a/b").unwrap();
    /// assert_eq!(path.relative(), "a/b");
    /// ```
    #[must_use]
    pub fn relative(&self) -> &BStr {
        self.0.get(1..).unwrap_or_default().as_bstr()
    }

    /// Whether this is `/`.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The last component, `None` for the root.
    #[must_use]
    pub fn file_name(&self) -> Option<&BStr> {
        self.0
            .rfind_byte(b'/')
            .map(|slash| self.0[slash + 1..].as_bstr())
    }

    /// The directory that holds this path; the root's is the root.
    #[must_use]
    pub fn parent(&self) -> Self {
        let mut parent = self.clone();
        parent.pop();
        parent
    }

    /// The components from the root down.
    pub fn components(&self) -> impl Iterator<Item = &BStr> {
        self.0
            .split(|&byte| byte == b'/')
            .skip(1)
            .map(ByteSlice::as_bstr)
    }

    /// Whether this path is `other` or lies below it.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.strip_prefix(other).is_some()
    }

    /// Returns the rest of this path below `base`, without a slash at its beginning: empty for `base`
    /// itself, and `None` for what does not lie below it.
    ///
    /// ```
    /// use wharf_core::VPath;
    ///
    /// let path: VPath = "/pub/a/b".parse()?;
    /// assert_eq!(path.strip_prefix(&"/pub".parse()?), Some("a/b".into()));
    /// assert_eq!(path.strip_prefix(&path), Some("".into()));
    /// assert_eq!(path.strip_prefix(&"/pu".parse()?), None);
    /// // A directory is renamed, and all that lies below it.
    /// let renamed = VPath::resolve(&"/old".parse()?, path.strip_prefix(&"/pub".parse()?).unwrap())?;
    /// assert_eq!(renamed.as_bytes(), "/old/a/b");
    /// # Ok::<(), wharf_core::PathError>(())
    /// ```
    #[must_use]
    pub fn strip_prefix(&self, base: &Self) -> Option<&BStr> {
        match self.0.strip_prefix(&base.0[..])? {
            [] => Some(BStr::new(b"")),
            [b'/', rest @ ..] => Some(rest.as_bstr()),
            _ => None,
        }
    }

    /// Removes the last component.
    pub(crate) fn pop(&mut self) {
        self.0.truncate(self.0.rfind_byte(b'/').unwrap_or(0));
    }

    /// Gives memory back that is not needed.
    pub(crate) fn shrink(&mut self) {
        self.0.shrink_to_fit();
    }

    /// Bytes of memory held.
    pub(crate) fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

impl TryFrom<&[u8]> for VPath {
    type Error = PathError;

    /// Returns what the bytes mean at the root, as [`VPath::resolve`] does.
    fn try_from(path: &[u8]) -> Result<Self, PathError> {
        Self::resolve(&Self::root(), path)
    }
}

impl FromStr for VPath {
    type Err = PathError;

    /// Returns what the text means at the root, as [`VPath::resolve`] does.
    fn from_str(path: &str) -> Result<Self, PathError> {
        Self::try_from(path.as_bytes())
    }
}

impl Default for VPath {
    fn default() -> Self {
        Self::root()
    }
}

impl fmt::Debug for VPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_bytes(), f)
    }
}

impl fmt::Display for VPath {
    /// As text for people; bytes that are not UTF-8 are replaced.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_bytes(), f)
    }
}
