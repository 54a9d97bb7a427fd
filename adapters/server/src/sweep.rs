//! Removing what uploads have left whose time is over.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use wharf_core::Rights;
use wharf_s3::Budget;
use wharf_storage::Wanted;

use crate::bucket::Part;
use crate::home::Home;

/// How often directories are swept: seldom, since all of them are read.
const SWEEP: Duration = Duration::from_secs(6 * 60 * 60);

/// How often it is looked for uploads whose time is over, at the most.
const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// How often buckets are swept: only what was written down of uploads is read.
const OF_BUCKETS: Duration = Duration::from_secs(60 * 60);

/// Removes what earlier runs left behind in these directories, now and every six hours, and what
/// this one leaves when its time is over, in a thread that ends with the process.
///
/// # Errors
/// No thread can be started.
pub fn sweep(homes: BTreeMap<PathBuf, Arc<Home>>) -> io::Result<()> {
    let retentions = homes.values().map(|home| home.retention());
    let retention = retentions.filter(|retention| !retention.is_zero()).min();
    // What this process knows of goes within a tenth of its time.
    let pause = (retention.unwrap_or(SWEEP) / 10).clamp(LEAST_PAUSE, SWEEP);
    let sweeper = move || {
        loop {
            let walked = Instant::now();
            for home in homes.values() {
                let name = home.name();
                match home.open().and_then(|root| root.account(b"")) {
                    Ok(storage) => {
                        let removed = storage.sweep();
                        tracing::debug!(home = ?name, removed, "swept");
                    }
                    Err(error) => tracing::debug!(home = ?name, %error, "not swept"),
                }
            }
            loop {
                thread::sleep(pause);
                wharf_local::sweep_due();
                if walked.elapsed() >= SWEEP {
                    break;
                }
            }
        }
    };
    thread::Builder::new().name("sweep".into()).spawn(sweeper)?;
    Ok(())
}

/// Says what is wrong with these buckets, and removes what servers have left of uploads in them, now and every
/// hour, and gives memory for uploads back that is not needed, in a thread that ends with the process.
///
/// # Errors
/// No thread can be started.
pub fn sweep_buckets(mut parts: Vec<Part>, memory: Budget) -> io::Result<()> {
    if parts.is_empty() {
        return Ok(());
    }
    // Many accounts may see the same.
    let mut places = HashSet::new();
    parts.retain(|part| places.insert(part.place()));
    let sweeper = move || {
        let mut told = HashSet::new();
        for part in &parts {
            // What may be written is for `--check`, which leaves nothing behind.
            for (what, is_fatal) in part.examine(Rights::LIST) {
                match is_fatal {
                    _ if !told.insert(what.clone()) => {}
                    true => tracing::error!("{what}"),
                    false => tracing::warn!("{what}"),
                }
            }
        }
        loop {
            for part in &parts {
                let at = &part.served.at;
                match part.bucket.sweep(&Wanted::default()) {
                    Ok(removed) => tracing::debug!(bucket = %at, removed, "swept"),
                    Err(error) => tracing::debug!(bucket = %at, %error, "not swept"),
                }
            }
            memory.shrink();
            thread::sleep(OF_BUCKETS);
        }
    };
    let builder = thread::Builder::new().name("sweep-buckets".into());
    builder.spawn(sweeper)?;
    Ok(())
}
