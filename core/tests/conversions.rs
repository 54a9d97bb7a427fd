//! The feature `std`: what the standard library has, as the core has it.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use wharf_core::{DataFailure, Failure, Kind, Metadata, Monotonic, Timestamp, VPath};

proptest! {
    /// There and back, whatever the moment.
    #[test]
    fn a_moment_is_the_same_moment(seconds in -1_000_000_000_000..1_000_000_000_000_i64, nanos in 0..1_000_000_000_u32) {
        let moment = Timestamp { seconds, nanos };
        let there = SystemTime::try_from(moment);
        prop_assert_eq!(there.map(Timestamp::from), Ok(moment));
    }

    /// A virtual path lies below its root, whatever its bytes.
    #[test]
    fn a_path_lies_below_its_root(argument in proptest::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(path) = VPath::resolve(&VPath::root(), &argument)
            && let Ok(real) = path.under(Path::new("/srv/root"))
        {
            prop_assert!(real.starts_with("/srv/root"));
            prop_assert_eq!(real.components().count(), 3 + path.components().count());
        }
    }
}

#[test]
fn moments_around_1970() {
    let of = |moment: SystemTime| {
        let Timestamp { seconds, nanos } = moment.into();
        (seconds, nanos)
    };
    let half = Duration::from_millis(500);
    assert_eq!(of(UNIX_EPOCH), (0, 0));
    assert_eq!(of(UNIX_EPOCH + half), (0, 500_000_000));
    assert_eq!(of(UNIX_EPOCH - half), (-1, 500_000_000));
    assert_eq!(of(UNIX_EPOCH - Duration::from_secs(1)), (-1, 0));
    let too_late = Timestamp::from_seconds(i64::MAX);
    if let Ok(moment) = SystemTime::try_from(too_late) {
        assert_eq!(Timestamp::from(moment), too_late);
    }
}

#[test]
fn errors_mean_what_clients_are_told() {
    for (kind, failure) in [
        (ErrorKind::NotFound, Failure::NotFound),
        (ErrorKind::PermissionDenied, Failure::Denied),
        (ErrorKind::AlreadyExists, Failure::Exists),
        (ErrorKind::DirectoryNotEmpty, Failure::NotEmpty),
        (ErrorKind::StorageFull, Failure::NoSpace),
        (ErrorKind::QuotaExceeded, Failure::Quota),
        (ErrorKind::ResourceBusy, Failure::Busy),
        (ErrorKind::BrokenPipe, Failure::Io),
    ] {
        assert_eq!(Failure::from(io::Error::from(kind)), failure, "{kind}");
    }
    for (kind, failure) in [
        (ErrorKind::ConnectionRefused, DataFailure::Refused),
        (ErrorKind::TimedOut, DataFailure::Unreachable),
        (ErrorKind::AddrInUse, DataFailure::NoResources),
    ] {
        assert_eq!(DataFailure::from(io::Error::from(kind)), failure, "{kind}");
    }
}

#[test]
fn a_file_and_a_directory_are_told_apart() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::metadata(here.join("Cargo.toml")).map(|file| Metadata::from(&file));
    let manifest = manifest.unwrap_or_default();
    assert_eq!(manifest.kind, Kind::File);
    assert!(manifest.size > 0 && manifest.modified > Some(Timestamp::default()));
    assert_eq!(manifest.unique.is_some(), cfg!(unix));
    let directory = fs::metadata(here).map(|file| Metadata::from(&file).kind);
    assert_eq!(directory.ok(), Some(Kind::Directory));
}

#[test]
fn time_passes() {
    let clock = Monotonic::new();
    let begun = clock.now();
    std::thread::sleep(Duration::from_millis(5));
    assert!(clock.now().since(begun) >= Duration::from_millis(5));
}
