//! One line of a listing: Unix, MS-DOS, bare names, RFC 3659 facts.

use crate::decimal::{Decimal, octal};
use crate::entry::{Entry, Kind, Metadata};
use crate::listing::facts::{FactSet, Perm};
use crate::time::{Civil, Clock, Timestamp};

/// Writes into a slice and never beyond it; the caller made sure of enough room.
pub(crate) struct Line<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl<'a> Line<'a> {
    pub(crate) fn new(out: &'a mut [u8]) -> Self {
        Self { out, len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        if let Some(room) = self.out.get_mut(self.len..self.len + bytes.len()) {
            room.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }

    fn byte(&mut self, byte: u8) {
        self.bytes(&[byte]);
    }

    fn spaces(&mut self, count: usize) {
        const BLANK: [u8; 32] = [b' '; 32];
        self.bytes(&BLANK[..count.min(BLANK.len())]);
    }

    fn number(&mut self, number: u64) {
        self.bytes(Decimal::new(number).as_bytes());
    }

    /// Flush right.
    fn right(&mut self, number: u64, width: usize) {
        let number = Decimal::new(number);
        self.spaces(width.saturating_sub(number.as_bytes().len()));
        self.bytes(number.as_bytes());
    }

    /// Flush left.
    fn left(&mut self, text: &[u8], width: usize) {
        self.bytes(text);
        self.spaces(width.saturating_sub(text.len()));
    }

    fn two(&mut self, number: u8) {
        self.bytes(&[b'0' + number / 10 % 10, b'0' + number % 10]);
    }

    /// Four digits; a year that does not fit is the nearest that does.
    fn year(&mut self, year: i64) {
        let year = u16::try_from(year.clamp(0, 9_999)).unwrap_or(0);
        self.two((year / 100) as u8);
        self.two((year % 100) as u8);
    }

    /// Bytes of which those that could end a line, and with `strict` every control byte, are
    /// shown as `?`.
    pub(crate) fn name(&mut self, name: &[u8], strict: bool) {
        let start = self.len;
        self.bytes(name);
        for byte in &mut self.out[start..self.len] {
            if matches!(byte, 0 | b'\r' | b'\n') || (strict && byte.is_ascii_control()) {
                *byte = b'?';
            }
        }
    }

    pub(crate) fn end(&mut self) {
        self.bytes(b"\r\n");
    }

    /// `-rw-r--r--   1 ftp      ftp               1024 Mar  1 12:34 name -> target`
    pub(crate) fn unix(&mut self, entry: &Entry<'_>, clock: Clock) {
        let facts = &entry.metadata;
        self.permissions(facts);
        self.byte(b' ');
        self.right(u64::from(facts.links.unwrap_or(1)), 3);
        self.byte(b' ');
        self.identity(facts.owner);
        self.byte(b' ');
        self.identity(facts.group);
        self.byte(b' ');
        self.right(facts.size, 13);
        self.byte(b' ');
        self.unix_date(facts.modified.unwrap_or_default(), clock);
        self.byte(b' ');
        self.name(entry.name, true);
    }

    pub(crate) fn target(&mut self, entry: &Entry<'_>) {
        if let (Kind::Link, Some(target)) = (entry.metadata.kind, entry.target) {
            self.bytes(b" -> ");
            self.name(target, true);
        }
    }

    fn permissions(&mut self, facts: &Metadata) {
        let (kind, default) = match facts.kind {
            Kind::File | Kind::Partial => (b'-', 0o644),
            Kind::Directory => (b'd', 0o755),
            Kind::Link => (b'l', 0o777),
            Kind::Other => (b's', 0o644),
        };
        let mode = facts.mode.unwrap_or(default);
        let mut text = *b"?rwxrwxrwx";
        text[0] = kind;
        for (bit, letter) in text[1..].iter_mut().enumerate() {
            if mode & (0o400 >> bit) == 0 {
                *letter = b'-';
            }
        }
        for (bit, place, set, unset) in [
            (0o4000, 3, b's', b'S'),
            (0o2000, 6, b's', b'S'),
            (0o1000, 9, b't', b'T'),
        ] {
            if mode & bit != 0 {
                text[place] = if text[place] == b'x' { set } else { unset };
            }
        }
        self.bytes(&text);
    }

    fn identity(&mut self, number: Option<u32>) {
        match number {
            Some(number) => self.left(Decimal::new(u64::from(number)).as_bytes(), 8),
            None => self.left(b"ftp", 8),
        }
    }

    /// `Mar  1 12:34` for the last half year and the next day, else `Mar  1  2001`.
    fn unix_date(&mut self, moment: Timestamp, clock: Clock) {
        const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
        const HALF_YEAR: i64 = 182 * 86_400;
        let date = moment.civil(clock.offset);
        let month = usize::from(date.month - 1) * 3;
        self.bytes(&MONTHS[month..month + 3]);
        self.byte(b' ');
        self.right(u64::from(date.day), 2);
        self.byte(b' ');
        let age = clock.now.seconds.saturating_sub(moment.seconds);
        if (-86_400..HALF_YEAR).contains(&age) {
            self.two(date.hour);
            self.byte(b':');
            self.two(date.minute);
        } else {
            self.byte(b' ');
            self.year(date.year);
        }
    }

    /// `05-02-18  09:01AM         226752 name`
    pub(crate) fn msdos(&mut self, entry: &Entry<'_>, clock: Clock) {
        let facts = &entry.metadata;
        let date = facts.modified.unwrap_or_default().civil(clock.offset);
        self.two(date.month);
        self.byte(b'-');
        self.two(date.day);
        self.byte(b'-');
        self.two((date.year.rem_euclid(100)) as u8);
        self.spaces(2);
        self.two(if date.hour.is_multiple_of(12) {
            12
        } else {
            date.hour % 12
        });
        self.byte(b':');
        self.two(date.minute);
        self.bytes(if date.hour < 12 { b"AM" } else { b"PM" });
        if facts.kind.is_directory() {
            self.bytes(b"       <DIR>    ");
        } else {
            self.byte(b' ');
            self.right(facts.size, 14);
            self.byte(b' ');
        }
        self.name(entry.name, true);
    }

    /// `/`, `@` or `*` behind the name, as `ls -F` does.
    pub(crate) fn classify(&mut self, facts: &Metadata) {
        match facts.kind {
            Kind::Directory => self.byte(b'/'),
            Kind::Link => self.byte(b'@'),
            Kind::File if facts.mode.is_some_and(|mode| mode & 0o111 != 0) => self.byte(b'*'),
            Kind::File | Kind::Partial | Kind::Other => {}
        }
    }

    /// `type=file;size=1024;modify=20010203040506;perm=r; name` without the name.
    pub(crate) fn facts(&mut self, entry: &Entry<'_>, set: FactSet, perm: &Perm) {
        let facts = &entry.metadata;
        if set.contains(FactSet::TYPE) {
            self.kind(entry);
        }
        if set.contains(FactSet::SIZE) && facts.kind.has_size() {
            self.bytes(b"size=");
            self.number(facts.size);
            self.byte(b';');
        }
        if let Some(modified) = facts.modified.filter(|_| set.contains(FactSet::MODIFY)) {
            self.bytes(b"modify=");
            self.time_val(modified, false);
            self.byte(b';');
        }
        if set.contains(FactSet::PERM) {
            self.bytes(b"perm=");
            self.bytes(perm.letters(facts.kind));
            self.byte(b';');
        }
        if let Some((device, file)) = facts.unique.filter(|_| set.contains(FactSet::UNIQUE)) {
            self.bytes(b"unique=");
            self.hexadecimal(device);
            self.byte(b'U');
            self.hexadecimal(file);
            self.byte(b';');
        }
        if let Some(mode) = facts.mode.filter(|_| set.contains(FactSet::MODE)) {
            self.bytes(b"UNIX.mode=");
            self.bytes(&octal::<4>(mode));
            self.byte(b';');
        }
        for (fact, name, number) in [
            (FactSet::OWNER, &b"UNIX.uid="[..], facts.owner),
            (FactSet::GROUP, &b"UNIX.gid="[..], facts.group),
        ] {
            if let Some(number) = number.filter(|_| set.contains(fact)) {
                self.bytes(name);
                self.number(u64::from(number));
                self.byte(b';');
            }
        }
        self.byte(b' ');
    }

    fn kind(&mut self, entry: &Entry<'_>) {
        match (entry.metadata.kind, entry.target) {
            (Kind::File | Kind::Partial, _) => self.bytes(b"type=file;"),
            (Kind::Directory, _) => self.bytes(b"type=dir;"),
            (Kind::Other, _) => self.bytes(b"type=OS.unix=special;"),
            // A target with a semicolon would look like another fact.
            (Kind::Link, Some(target)) if !target.contains(&b';') => {
                self.bytes(b"type=OS.unix=slink:");
                self.name(target, true);
                self.byte(b';');
            }
            (Kind::Link, _) => self.bytes(b"type=OS.unix=slink;"),
        }
    }

    fn hexadecimal(&mut self, number: u64) {
        let digits = (64 - number.leading_zeros()).div_ceil(4).max(1);
        for digit in (0..digits).rev() {
            self.byte(b"0123456789abcdef"[(number >> (4 * digit) & 15) as usize]);
        }
    }

    /// `YYYYMMDDHHMMSS`, in UTC, with milliseconds if asked for and not zero (RFC 3659 2.3).
    pub(crate) fn time_val(&mut self, moment: Timestamp, fraction: bool) {
        let date: Civil = moment.civil(0);
        self.year(date.year);
        for number in [date.month, date.day, date.hour, date.minute, date.second] {
            self.two(number);
        }
        let millis = moment.nanos / 1_000_000 % 1_000;
        if fraction && millis != 0 {
            self.byte(b'.');
            self.byte(b'0' + (millis / 100) as u8);
            self.two((millis % 100) as u8);
        }
    }
}
