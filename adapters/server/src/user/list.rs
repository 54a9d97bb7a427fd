//! The table of accounts.

use std::os::unix::ffi::OsStrExt as _;

use wharf_core::Rights;
use wharf_driver::Escape;

use crate::columns::align;
use crate::config::{User, rights};
use crate::configuration::Configuration;
use crate::source::Source;

/// Returns a line for each account, below one with what the columns are.
pub(super) fn table(known: &Configuration) -> String {
    let head = ["NAME", "HOME OR BUCKET", "RIGHTS", "FILE"].map(str::to_owned);
    let users = known.users().map(|(source, user)| row(source, user));
    let rows: Vec<[String; 4]> = std::iter::once(head).chain(users).collect();
    align(&rows)
}

fn row(source: &Source, user: &User) -> [String; 4] {
    let escaped = |text: &str| Escape(text.as_bytes()).to_string();
    let at = match (&user.home, &user.bucket) {
        (Some(home), _) => {
            let home = source.locate(home.get_ref());
            Escape(home.as_os_str().as_bytes()).to_string()
        }
        (None, Some(bucket)) => {
            let prefix = user.prefix.as_ref().map(|prefix| prefix.get_ref().as_str());
            let prefix = prefix.map(|prefix| format!(" below {}", escaped(prefix)));
            format!(
                "bucket {}{}",
                escaped(bucket.get_ref()),
                prefix.unwrap_or_default()
            )
        }
        (None, None) => "nothing".to_owned(),
    };
    let may = match rights(user.rights.as_ref()) {
        Rights::NONE => "none".to_owned(),
        rights => rights.to_string(),
    };
    let name = escaped(&user.name.get_ref().0.0);
    [name, at, may, source.path().display().to_string()]
}
