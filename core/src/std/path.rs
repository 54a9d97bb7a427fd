//! Virtual paths below a real directory.

use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::path::VPath;

impl VPath {
    /// Returns the path below a real directory.
    ///
    /// **This is no jail.** A symbolic link on the way leads wherever it points, also out of the directory.
    /// Where somebody may make links, open the path with `openat2` and `RESOLVE_BENEATH`, or take
    /// `wharf-local`, which does.
    ///
    /// ```
    /// use std::path::Path;
    /// use wharf_core::VPath;
    ///
    /// let path = VPath::resolve(&VPath::root(), b"/d/f")?;
    /// # if cfg!(unix) {
    /// assert_eq!(path.under(Path::new("/srv")), Ok("/srv/d/f".into()));
    /// # }
    /// # Ok::<(), wharf_core::PathError>(())
    /// ```
    ///
    /// # Errors
    /// [`Failure::BadName`] if a name means something else to the system: everywhere but on Unix one that is
    /// not UTF-8 or holds `\`, `/` or `:`.
    pub fn under(&self, root: &Path) -> Result<PathBuf, Failure> {
        let mut path = PathBuf::from(root);
        for name in self.components() {
            #[cfg(unix)]
            let name = {
                use std::ffi::OsStr;
                use std::os::unix::ffi::OsStrExt as _;
                OsStr::from_bytes(name)
            };
            #[cfg(not(unix))]
            let name = core::str::from_utf8(name)
                .ok()
                .filter(|name| !name.contains(['\\', '/', ':']))
                .ok_or(Failure::BadName)?;
            path.push(name);
        }
        Ok(path)
    }
}
