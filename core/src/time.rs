//! Time, as arguments: the monotonic [`Instant`] that drives timers, and the wall-clock
//! [`Timestamp`] that listings and facts print. The core never reads a clock.

use core::time::Duration;

/// A point on the embedder's monotonic clock, in microseconds since an origin of its choice.
///
/// Only differences matter. A clock that goes back is tolerated: the session never lets its own
/// idea of *now* decrease.
///
/// ```
/// use core::time::Duration;
/// use wharf_core::Instant;
///
/// let start = Instant::from_micros(10);
/// assert_eq!(start + Duration::from_micros(5), Instant::from_micros(15));
/// assert_eq!((start + Duration::from_secs(1)).since(start), Duration::from_secs(1));
/// assert_eq!(start.since(start + Duration::from_secs(1)), Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The origin of the clock.
    pub const ZERO: Self = Self(0);

    /// The instant that lies `micros` microseconds after the origin.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the origin.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to `self`, zero if `earlier` is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl core::ops::Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at the end of the clock, half a million years away.
    fn add(self, duration: Duration) -> Self {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(micros))
    }
}

/// A moment of the calendar in UTC: what MDTM answers and what a listing prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Whole seconds since 1970-01-01 00:00:00 UTC, leap seconds not counted.
    pub seconds: i64,
    /// Nanoseconds within the second, below 1,000,000,000.
    pub nanos: u32,
}

impl Timestamp {
    /// A moment with no fraction of a second.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self { seconds, nanos: 0 }
    }

    /// The calendar date and time of day, `offset` seconds east of UTC.
    #[must_use]
    pub const fn civil(self, offset: i32) -> Civil {
        Civil::from_seconds(self.seconds.saturating_add(offset as i64))
    }
}

/// What a listing must know about the present, given by the embedder: the core has no clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// The present. Entries younger than half a year print their time, others their year.
    pub now: Timestamp,
    /// Seconds east of UTC in which LIST prints; RFC 3659 facts are always UTC.
    pub offset: i32,
}

/// A date of the proleptic Gregorian calendar with a time of day.
///
/// ```
/// use wharf_core::time::Civil;
///
/// let date = Civil::from_seconds(951_782_400);
/// assert_eq!((date.year, date.month, date.day), (2000, 2, 29));
/// assert_eq!(date.to_seconds(), Some(951_782_400));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// The year, which may be negative or have more than four digits.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
}

const DAY: i64 = 86_400;
/// Days from 0000-03-01, where this calendar's years begin, to 1970-01-01.
const EPOCH: i64 = 719_468;
/// Days in 400 years.
const ERA: i64 = 146_097;

impl Civil {
    /// The date that lies `seconds` after 1970-01-01 00:00:00.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        let days = seconds.div_euclid(DAY) + EPOCH;
        let time = seconds.rem_euclid(DAY);
        // Years begin in March, so that the leap day is the last of its year.
        let era = days.div_euclid(ERA);
        let day_of_era = days.rem_euclid(ERA);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 {
            march_month + 3
        } else {
            march_month - 9
        };
        let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
        Self {
            year,
            month: month as u8,
            day: day as u8,
            hour: (time / 3_600) as u8,
            minute: (time / 60 % 60) as u8,
            second: (time % 60) as u8,
        }
    }

    /// Seconds since 1970-01-01 00:00:00, or `None` if there is no such date.
    #[must_use]
    pub const fn to_seconds(self) -> Option<i64> {
        if self.month < 1 || self.month > 12 || self.day < 1 || self.day > self.days_in_month() {
            return None;
        }
        if self.hour > 23 || self.minute > 59 || self.second > 59 {
            return None;
        }
        if self.year < -1_000_000 || self.year > 1_000_000 {
            return None;
        }
        let year = self.year - if self.month <= 2 { 1 } else { 0 };
        let march_month = (self.month as i64 + 9) % 12;
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * march_month + 2) / 5 + self.day as i64 - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = year.div_euclid(400) * ERA + day_of_era - EPOCH;
        let time = self.hour as i64 * 3_600 + self.minute as i64 * 60 + self.second as i64;
        Some(days * DAY + time)
    }

    const fn days_in_month(self) -> u8 {
        match self.month {
            4 | 6 | 9 | 11 => 30,
            2 if self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0) => 29,
            2 => 28,
            _ => 31,
        }
    }
}
