//! Labels: what a temporary file says of the upload that writes it over a finished file. A process
//! that is killed leaves no mark, and whoever sweeps its leftovers makes it from the label.

use std::os::fd::AsFd;

use bstr::ByteSlice;
use rustix::buffer::spare_capacity;
use rustix::fs::{XattrFlags, fgetxattr, fremovexattr, fsetxattr};

use crate::metadata::{is_file, look_at};
use crate::open::{READ, open_at};
use crate::partial::{base_of, mark};

/// The attribute that holds it. A file system that has no such attributes has no labels.
const LABEL: &str = "user.wharf.upload";

/// The longest label: the names of an account, a base and a file.
const MOST: usize = 1_024;

/// Whose upload it is, over which version, and of which name.
pub(crate) struct Label {
    account: String,
    base: String,
    name: Vec<u8>,
}

/// Labels a temporary file.
pub(crate) fn stick(file: impl AsFd, account: &str, base: &str, name: &[u8]) {
    let text = [account.as_bytes(), base.as_bytes(), name].join(&b'/');
    let _ = fsetxattr(file, LABEL, &text, XattrFlags::empty());
}

/// Takes the label off a file that is whole.
pub(crate) fn strip(file: impl AsFd) {
    let _ = fremovexattr(file, LABEL);
}

/// The label of a temporary file, if it has one.
pub(crate) fn read(directory: impl AsFd, name: &[u8]) -> Option<Label> {
    let file = open_at(directory, name, READ).ok()?;
    let mut text = Vec::with_capacity(MOST);
    fgetxattr(file, LABEL, spare_capacity(&mut text)).ok()?;
    let mut parts = text.splitn_str(3, "/");
    let (account, base, name) = (parts.next()?, parts.next()?, parts.next()?);
    let is_plain = |part: &[u8]| {
        !part.is_empty()
            && part
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    };
    // Whoever may write files here may have written it.
    (is_plain(account) && is_plain(base) && !name.contains(&b'/')).then(|| Label {
        account: account.to_str_lossy().into_owned(),
        base: base.to_str_lossy().into_owned(),
        name: name.to_owned(),
    })
}

impl Label {
    /// Marks that the upload broke off, if the file still stands that it was over.
    pub(crate) fn mark(&self, directory: impl AsFd) {
        let stands = look_at(&directory, &self.name[..]);
        let stands = stands.ok().filter(is_file);
        if stands.is_some_and(|stat| base_of(Some(&stat)) == self.base) {
            let _ = mark(&directory, &self.name, &self.account, &self.base);
        }
    }
}
