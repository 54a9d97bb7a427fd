//! The log: its lines, and that nobody has to read them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tracing::level_filters::LevelFilter;
use wharf_driver::Escape;
use wharf_server::log::{self, Format, Options};

/// Tells the process that it is one started by [`logger`], and how many lines to log.
const LINES: &str = "WHARF_TEST_LOG_LINES";
/// Tells it their form.
const FORM: &str = "WHARF_TEST_LOG_FORM";

/// Starts a process that logs so many lines and ends.
fn logger(lines: u32, form: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "logs_if_told_to", "--nocapture"])
        .env(LINES, lines.to_string())
        .env(FORM, form)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn logs_if_told_to() {
    let Ok(lines) = std::env::var(LINES) else {
        return;
    };
    let format = match std::env::var(FORM).as_deref() {
        Ok("json") => Format::Json,
        _ => Format::Text,
    };
    let level = LevelFilter::INFO;
    let _log = log::prepare(Options { level, format })
        .unwrap()
        .start()
        .unwrap();
    for bytes in 0..lines.parse().unwrap() {
        tracing::info!(path = ?Escape(b"/a\x1b[2J\n"), bytes, "stored");
        tracing::debug!("not to be seen");
    }
}

/// What a process logs that is read and ends well.
fn logged(lines: u32, form: &str) -> String {
    let mut child = logger(lines, form);
    let mut text = String::new();
    let mut stderr = child.stderr.take().unwrap();
    stderr.read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success());
    text
}

/// How a process ends, if it does.
fn end(mut child: Child) -> ExitStatus {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_text_line_has_time_level_message_and_fields() {
    let text = logged(1, "text");
    let (time, rest) = text.split_once(' ').unwrap();
    assert!(time.ends_with('Z'), "{text}");
    assert_eq!(
        rest.trim_start(),
        "INFO stored path=\"/a\\x1b[2J\\n\" bytes=0\n"
    );
}

#[test]
fn a_json_line_is_an_object() {
    let text = logged(1, "json");
    assert!(text.starts_with("{\"timestamp\":\""), "{text}");
    let fields =
        r#""level":"INFO","fields":{"message":"stored","path":"/a\\x1b[2J\\n","bytes":0}}"#;
    assert!(text.trim_end().ends_with(fields), "{text}");
}

#[test]
fn the_last_lines_are_written_before_the_end() {
    let text = logged(1_000, "text");
    assert_eq!(text.lines().count(), 1_000);
    assert!(text.ends_with("bytes=999\n"), "{text}");
}

#[test]
fn a_reader_that_hangs_stops_nobody() {
    let mut child = logger(50_000, "text");
    let unread = child.stderr.take();
    assert!(end(child).success());
    drop(unread);
}

#[test]
fn a_reader_that_is_gone_stops_nobody() {
    let mut child = logger(1_000, "text");
    drop(child.stderr.take());
    assert!(end(child).success());
}
