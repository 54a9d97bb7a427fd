//! The table of accounts.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use wharf_core::Rights;
use wharf_driver::Escape;

use crate::columns::align;
use crate::config::{User, rights};
use crate::configuration::Configuration;
use crate::personal::of_name;
use crate::source::Source;

/// Returns a line for each account, below one with what the columns are.
pub(super) fn table(known: &Configuration) -> String {
    let head = ["NAME", "HOME OR BUCKET", "RIGHTS", "FILE"].map(str::to_owned);
    let users = known.users().map(|(source, user)| row(known, source, user));
    let rows: Vec<[String; 4]> = std::iter::once(head).chain(users).collect();
    align(&rows)
}

fn row(known: &Configuration, source: &Source, user: &User) -> [String; 4] {
    let escaped = |text: &str| Escape(text.as_bytes()).to_string();
    let name = user.name.get_ref().0.0.as_str();
    let (named_in, home) = match (&user.home, &user.bucket) {
        (None, None) => (&known.source, known.file.homes.as_ref()),
        (home, _) => (source, home.as_ref()),
    };
    let at = match (home, &user.bucket) {
        (Some(home), _) => {
            let home = named_in.locate(&of_name(home.get_ref(), name));
            Escape(home.as_os_str().as_bytes()).to_string()
        }
        (None, Some(bucket)) => {
            let prefix = user.prefix.as_ref().map(|prefix| prefix.get_ref().as_str());
            let prefix = prefix.map(|prefix| {
                let prefix = of_name(Path::new(prefix), name);
                format!(" below {}", escaped(&prefix.to_string_lossy()))
            });
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
    [escaped(name), at, may, source.path().display().to_string()]
}
