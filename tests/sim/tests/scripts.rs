//! The scripts of the core, on the adapter in simulated time.

use wharf_script::Script;
use wharf_sim::play_on_adapter;

/// What the simulated adapter lacks.
const NOT_PLAYED: [(&str, &str); 6] = [
    (
        "list-vanish",
        "the store lists what was there when it was opened",
    ),
    ("s3-bucket-wall", "needs an object store"),
    ("s3-complete-unknown", "needs an object store"),
    ("s3-upload", "needs an object store"),
    ("s3-upload-abort", "needs an object store"),
    (
        "stor-rst",
        "an upload cannot be reset between two ends of a pair",
    ),
];

#[test]
fn the_adapter_plays_every_script() {
    let scripts = Script::all().unwrap();
    let mut not_played = NOT_PLAYED.iter().map(|(name, _)| *name);
    let mut left_out = not_played.next();
    let mut failed = Vec::new();
    for script in &scripts {
        if left_out == Some(&script.name) {
            left_out = not_played.next();
            continue;
        }
        if std::panic::catch_unwind(|| play_on_adapter(script)).is_err() {
            failed.push(&script.name);
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
    assert_eq!(left_out, None, "is no script");
    assert_eq!(scripts.len(), 73);
}
