//! Points in time, in the forms that stores write.

use jiff::fmt::rfc2822;
use wharf_core::Timestamp;

/// Understands `2026-11-29T18:43:02.000Z`, as listings have it.
pub(super) fn from_listing(text: &str) -> Option<Timestamp> {
    from_jiff(text.parse().ok()?)
}

/// Understands `Sun, 29 Nov 2026 18:43:02 GMT`, as heads have it.
pub(crate) fn from_head(text: &str) -> Option<Timestamp> {
    from_jiff(rfc2822::parse(text).ok()?.timestamp())
}

fn from_jiff(time: jiff::Timestamp) -> Option<Timestamp> {
    // Before 1970 it counts down, and nobody has such objects.
    Some(Timestamp {
        seconds: time.as_second(),
        nanos: u32::try_from(time.subsec_nanosecond()).ok()?,
    })
}

/// Understands the time of last change that rclone keeps with an object: seconds, and a fraction.
pub(crate) fn from_rclone(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = fraction.get(..fraction.len().min(9))?;
    let nanos = match digits {
        "" => 0,
        digits => format!("{digits:0<9}").parse().ok()?,
    };
    Some(Timestamp {
        seconds: whole.parse().ok()?,
        nanos,
    })
}

/// Writes a time of last change as rclone understands it.
pub(super) fn to_rclone(time: Timestamp) -> String {
    match time.nanos {
        0 => time.seconds.to_string(),
        nanos => {
            let text = format!("{}.{nanos:09}", time.seconds);
            text.trim_end_matches('0').to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_understood() {
        let second = Timestamp::from_seconds(1_795_977_782);
        assert_eq!(from_listing("2026-11-29T18:43:02.000Z"), Some(second));
        assert_eq!(from_listing("2026-11-29T18:43:02Z"), Some(second));
        assert_eq!(from_head("Sun, 29 Nov 2026 18:43:02 GMT"), Some(second));
        let half = Timestamp {
            nanos: 500_000_000,
            ..second
        };
        assert_eq!(from_rclone("1795977782.5"), Some(half));
        assert_eq!(from_rclone("1795977782"), Some(second));
        assert_eq!(to_rclone(half), "1795977782.5");
        assert_eq!(to_rclone(second), "1795977782");
        for wrong in [
            "",
            "x",
            "1.x",
            "2026-11-29",
            "Sun, 99 Nov 2026 18:43:02 GMT",
        ] {
            assert!(from_listing(wrong).is_none() && from_head(wrong).is_none());
        }
        assert_eq!(from_rclone("1.\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}"), None);
    }
}
