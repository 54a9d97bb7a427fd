//! Arguments that are more than a path.

use bstr::{BStr, ByteSlice};

use crate::action::Facts;
use crate::command::{Epsv, Opts, Refusal, Site, Type};
use crate::decimal;
use crate::listing::FactSet;
use crate::time::{Civil, Timestamp};

/// The first word and what is behind the space that ends it.
fn split(text: &BStr) -> (&BStr, &BStr) {
    match text.find_byte(b' ') {
        Some(space) => (text[..space].as_bstr(), text[space + 1..].as_bstr()),
        None => (text, b"".as_bstr()),
    }
}

/// The one value that is offered; others are a parameter that is not.
pub(super) fn keyword<T>(text: &BStr, offered: &[u8], value: T) -> Result<T, Refusal> {
    match text.as_bytes() {
        b"" => Err(Refusal::Syntax),
        word if word.eq_ignore_ascii_case(offered) => Ok(value),
        _ => Err(Refusal::Parameter),
    }
}

pub(super) fn representation(text: &BStr) -> Result<Type, Refusal> {
    let (word, form) = split(text);
    match (word.as_bytes(), form.trim_ascii()) {
        (b"", _) => Err(Refusal::Syntax),
        (b"A" | b"a", b"" | b"N" | b"n") => Ok(Type::Ascii),
        (b"I" | b"i", b"") | (b"L" | b"l", b"8") => Ok(Type::Image),
        _ => Err(Refusal::Parameter),
    }
}

/// `size`, or `size R size`.
pub(super) fn allo(text: &BStr) -> Result<u64, Refusal> {
    let (size, record) = split(text);
    let size = decimal::parse(size).ok_or(Refusal::Syntax)?;
    match split(record.trim_ascii().as_bstr()) {
        (word, number) if word.eq_ignore_ascii_case(b"R") => decimal::parse(number.trim_ascii())
            .map(|_| size)
            .ok_or(Refusal::Syntax),
        (word, _) if word.is_empty() => Ok(size),
        _ => Err(Refusal::Syntax),
    }
}

pub(super) fn epsv(text: &BStr) -> Result<Epsv, Refusal> {
    match text.as_bytes() {
        b"" => Ok(Epsv::Any),
        b"1" => Ok(Epsv::V4),
        b"2" => Ok(Epsv::V6),
        word if word.eq_ignore_ascii_case(b"ALL") => Ok(Epsv::All),
        word if decimal::parse(word).is_some() => Err(Refusal::Protocol),
        _ => Err(Refusal::Syntax),
    }
}

pub(super) fn opts(text: &BStr) -> Result<Opts, Refusal> {
    let (option, value) = split(text);
    let value = value.trim_ascii();
    if option.eq_ignore_ascii_case(b"UTF8") || option.eq_ignore_ascii_case(b"UTF-8") {
        return match value {
            b"" => Ok(Opts::Utf8),
            // Some clients say what RFC 2640 was before it was an RFC.
            word if word.eq_ignore_ascii_case(b"ON") || word.eq_ignore_ascii_case(b"NLST") => {
                Ok(Opts::Utf8)
            }
            // Names are bytes, and go out as they are.
            word if word.eq_ignore_ascii_case(b"OFF") => Ok(Opts::NoUtf8),
            _ => Err(Refusal::Syntax),
        };
    }
    if option.eq_ignore_ascii_case(b"MLST") {
        return Ok(Opts::Mlst(FactSet::parse(value)));
    }
    Err(Refusal::Syntax)
}

pub(super) fn site(text: &BStr) -> Result<Site<'_>, Refusal> {
    let (word, rest) = split(text.trim_ascii_start().as_bstr());
    let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
    match () {
        () if word.is_empty() => Err(Refusal::Syntax),
        () if is(b"HELP") => Ok(Site::Help),
        () if is(b"CHMOD") => {
            let (mode, path) = split(rest);
            let mode = decimal::parse_octal(mode).ok_or(Refusal::Syntax)?;
            nonempty(path).map(|path| Site::Chmod(mode, path))
        }
        () if is(b"UMASK") && rest.trim_ascii().is_empty() => Ok(Site::Umask(None)),
        () if is(b"UMASK") => match decimal::parse_octal(rest.trim_ascii()) {
            Some(mask) if mask <= 0o777 => Ok(Site::Umask(Some(mask))),
            _ => Err(Refusal::Syntax),
        },
        () if is(b"SYMLINK") => match split(rest) {
            (target, path) if !target.is_empty() && !path.is_empty() && !path.contains(&b' ') => {
                Ok(Site::Symlink(target, path))
            }
            _ => Err(Refusal::Syntax),
        },
        () if is(b"UTIME") => utime(rest).map(|(time, path)| Site::Utime(time, path)),
        () => Err(Refusal::Parameter),
    }
}

/// `time path`, or `path access-time change-time creation-time UTC`, as two families of clients
/// send it.
fn utime(text: &BStr) -> Result<(Timestamp, &BStr), Refusal> {
    let (time, path) = split(text);
    if let (Some(time), false) = (minutes_or_seconds(time), path.is_empty()) {
        return Ok((time, path));
    }
    let mut words = text.rsplitn(5, |&byte| byte == b' ');
    let zone = words.next().unwrap_or_default();
    let (_, modified, _) = (words.next(), words.next(), words.next());
    match (
        modified.and_then(|word| time_val(word.as_bstr())),
        words.next(),
    ) {
        (Some(time), Some(path)) if zone.eq_ignore_ascii_case(b"UTC") => {
            nonempty(path.as_bstr()).map(|path| (time, path))
        }
        _ => Err(Refusal::Syntax),
    }
}

/// A time that may end with its minutes.
fn minutes_or_seconds(digits: &BStr) -> Option<Timestamp> {
    if digits.len() == 12 {
        let mut whole = [b'0'; 14];
        whole[..12].copy_from_slice(digits);
        return time_val(whole.as_bstr());
    }
    time_val(digits)
}

pub(super) fn mfmt(text: &BStr) -> Result<(Timestamp, &BStr), Refusal> {
    let (time, path) = split(text);
    let time = time_val(time).ok_or(Refusal::Syntax)?;
    nonempty(path).map(|path| (time, path))
}

/// `Modify=time;UNIX.mode=mode; path`
pub(super) fn mff(text: &BStr) -> Result<(Facts, &BStr), Refusal> {
    let (facts, path) = split(text);
    let mut set = Facts::default();
    let facts = facts.strip_suffix(b";").ok_or(Refusal::Syntax)?;
    for fact in facts.split(|&byte| byte == b';') {
        let (name, value) = fact.split_once_str(b"=").ok_or(Refusal::Syntax)?;
        if name.eq_ignore_ascii_case(b"modify") {
            set.modified = Some(time_val(value.as_bstr()).ok_or(Refusal::Syntax)?);
        } else if name.eq_ignore_ascii_case(b"unix.mode") {
            set.mode = Some(decimal::parse_octal(value).ok_or(Refusal::Syntax)?);
        } else {
            return Err(Refusal::Parameter);
        }
    }
    nonempty(path).map(|path| (set, path))
}

/// `YYYYMMDDHHMMSS[.fraction]` in UTC (RFC 3659 section 2.3). A leap second is the second before.
fn time_val(text: &BStr) -> Option<Timestamp> {
    let (digits, fraction) = match text.split_once_str(b".") {
        Some((digits, fraction)) => (digits, Some(fraction)),
        None => (text.as_bytes(), None),
    };
    if digits.len() != 14 {
        return None;
    }
    let number = |from: usize, to: usize| decimal::parse(&digits[from..to]);
    let small = |from: usize| number(from, from + 2).and_then(|number| u8::try_from(number).ok());
    let date = Civil {
        year: i64::try_from(number(0, 4)?).ok()?,
        month: small(4)?,
        day: small(6)?,
        hour: small(8)?,
        minute: small(10)?,
        second: match small(12)? {
            60 => 59,
            second => second,
        },
    };
    let nanos = match fraction {
        None => 0,
        Some(fraction) if fraction.len() <= 9 => {
            let shift = 10_u64.pow(9 - u32::try_from(fraction.len()).ok()?);
            u32::try_from(decimal::parse(fraction)? * shift).ok()?
        }
        Some(_) => return None,
    };
    Some(Timestamp {
        seconds: date.to_seconds()?,
        nanos,
    })
}

fn nonempty(path: &BStr) -> Result<&BStr, Refusal> {
    if path.is_empty() {
        Err(Refusal::Syntax)
    } else {
        Ok(path)
    }
}
