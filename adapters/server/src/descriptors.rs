//! How many descriptors the process may have, and what that is enough for.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use wharf_driver::Service;

/// What a session has at most: its control connection, its data connection or the listener for one,
/// a file, the directory of an upload, and what wakes it.
const PER_SESSION: u64 = 5;
/// What else is open for a moment: the files that are read again, the log, look-ups of names.
const SPARE: u64 = 16;

/// Raises the limit as far as the system lets the process do so: the usual 1024 are enough for two
/// hundred sessions.
pub(crate) fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // Where it cannot be raised, what there is may be enough: the start says so if not.
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum.or(current),
            maximum,
        },
    );
}

/// Tells whoever starts the server if there are fewer descriptors than its sessions may need.
pub(crate) fn warn_if_too_few(service: &Service) {
    let Some(limit) = getrlimit(Resource::Nofile).current else {
        return;
    };
    let settings = service.settings();
    let open = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let shared = u64::try_from(open + service.kept_listeners())
        .unwrap_or(u64::MAX)
        .saturating_add(SPARE);
    let enough_for = limit.saturating_sub(shared) / PER_SESSION;
    let sessions = settings.sessions;
    if u64::try_from(sessions).is_ok_and(|sessions| enough_for < sessions) {
        tracing::warn!(
            limit,
            sessions,
            enough_for,
            "there are too few descriptors for so many sessions that all move data: raise the hard \
             limit (`ulimit -Hn`, LimitNOFILE of systemd)"
        );
    }
}
