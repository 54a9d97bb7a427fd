//! The values that are written as words, the same on the command line and in the file, each with
//! what to say where another word stands.

use std::fmt;
use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::IpNet;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor};
use wharf_core::{Rights, Style};
use wharf_driver::PublicAddress;
use wharf_local::{Durability, Links, Partials, Replace};

/// A value that is written as a word.
pub(crate) trait Word: Sized {
    /// What a mistake is told to have been expected.
    const EXPECTED: &'static str;

    /// `None` if the word is none of these.
    fn read(word: &str) -> Option<Self>;
}

/// A value that is one of some words, the last of which stands behind the semicolon.
macro_rules! choices {
    ($kind:ident: $first:literal => $one:ident $(, $word:literal => $value:ident)*;
     $last:literal => $end:ident) => {
        impl $crate::value::Word for $kind {
            const EXPECTED: &'static str =
                concat!("\"", $first, "\"" $(, ", \"", $word, "\"")*, " or \"", $last, "\"");

            fn read(word: &str) -> Option<Self> {
                match word {
                    $first => Some(Self::$one),
                    $($word => Some(Self::$value),)*
                    $last => Some(Self::$end),
                    _ => None,
                }
            }
        }
    };
}
pub(crate) use choices;

choices!(Style: "unix" => Unix; "msdos" => MsDos);
choices!(Links: "root" => Root, "beneath" => Beneath; "none" => None);
choices!(Durability: "os" => Os; "disk" => Disk);
choices!(Partials: "resume" => Resume, "listed" => Listed; "off" => Off);
choices!(Replace: "rename" => Rename; "in-place-if-needed" => InPlaceIfNeeded);

/// How MLSD tells of a link to something within the home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListedLinks {
    /// As what it leads to.
    Target,
    /// As a link.
    Link,
}

choices!(ListedLinks: "target" => Target; "link" => Link);

/// A number of bytes, with a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

impl Word for Size {
    const EXPECTED: &'static str = "a size such as \"500 MiB\" or \"100 GiB\"";

    fn read(word: &str) -> Option<Self> {
        let end = word
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(word.len());
        let (number, unit) = word.split_at(end);
        let shift = match unit.trim_start() {
            "B" => 0,
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            "TiB" => 40,
            _ => return None,
        };
        let number: u64 = number.parse().ok()?;
        number.checked_mul(1 << shift).map(Self)
    }
}

/// Reads a word of the command line.
pub(crate) fn argument<T: Word>(word: &str) -> Result<T, String> {
    T::read(word).ok_or_else(|| format!("expected {}", T::EXPECTED))
}

/// A word of the configuration file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value<T>(pub(crate) T);

impl<'de, T: Word> Deserialize<'de> for Value<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_str(WordVisitor(PhantomData))
            .map(Self)
    }
}

struct WordVisitor<T>(PhantomData<T>);

impl<T: Word> Visitor<'_> for WordVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<T, E> {
        T::read(word).ok_or_else(|| E::invalid_value(Unexpected::Str(word), &self))
    }
}

/// A value for which `"none"` may stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OrNone<T>(pub(crate) Option<T>);

/// What stands where there is none.
const NONE: &str = "none";

impl<T: Word> Word for OrNone<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn read(word: &str) -> Option<Self> {
        if word == NONE {
            Some(Self(None))
        } else {
            T::read(word).map(|value| Self(Some(value)))
        }
    }
}

impl<'de> Deserialize<'de> for OrNone<Count> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let count = deserializer.deserialize_any(NumberOrNone(CountVisitor))?;
        Ok(Self(count.map(Count)))
    }
}

impl<'de> Deserialize<'de> for OrNone<Port> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let port = deserializer.deserialize_any(NumberOrNone(PortVisitor))?;
        Ok(Self(port.map(Port)))
    }
}

/// A number as another visitor takes it, or none.
struct NumberOrNone<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for NumberOrNone<V> {
    type Value = Option<V::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)?;
        f.write_str(", or \"none\"")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        self.0.visit_i64(number).map(Some)
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Self::Value, E> {
        if word == NONE {
            Ok(None)
        } else {
            Err(E::invalid_type(Unexpected::Str(word), &self))
        }
    }
}

/// A value of which a list may be given.
pub(crate) trait Listed {
    /// What a mistake is told to have been expected in place of the list.
    const LIST: &'static str;
}

/// A list in the configuration file.
#[derive(Clone, Debug)]
pub(crate) struct List<T>(pub(crate) Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Listed + Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_seq(ListVisitor(PhantomData))
            .map(Self)
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Listed + Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::LIST)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Vec<T>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(items)
    }
}

/// A table of the configuration file, and not a list of its values.
#[derive(Default)]
pub(crate) struct Table<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_map(TableVisitor(PhantomData))
            .map(Self)
    }
}

struct TableVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for TableVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one table in single brackets")
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(access))
    }
}

impl Listed for Value<SocketAddr> {
    const LIST: &'static str = "a list of addresses, such as [\"0.0.0.0:2121\", \"[::]:2121\"]";
}

/// A pattern of names.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(pub(crate) String);

impl Word for Pattern {
    const EXPECTED: &'static str = "the pattern of a name, without a slash, such as \".ht*\"";

    fn read(word: &str) -> Option<Self> {
        let is_one = !word.is_empty() && !word.contains('/');
        is_one.then(|| Self(word.to_owned()))
    }
}

impl Listed for Value<Pattern> {
    const LIST: &'static str = "a list of patterns such as [\".ssh\", \".ht*\"]";
}

impl Listed for Value<Rights> {
    const LIST: &'static str = "a list of rights, such as [\"list\", \"read\"]";
}

impl Word for SocketAddr {
    const EXPECTED: &'static str =
        "an address with a port, such as \"0.0.0.0:2121\" or \"[::]:2121\"";

    fn read(word: &str) -> Option<Self> {
        word.parse().ok()
    }
}

impl Word for Duration {
    const EXPECTED: &'static str = "a duration, such as \"30s\", \"5m\" or \"1h30m\"";

    fn read(word: &str) -> Option<Self> {
        humantime::parse_duration(word).ok()
    }
}

/// A bound on waiting: with none at all nothing could ever happen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait(pub(crate) Duration);

impl Word for Wait {
    const EXPECTED: &'static str = "a duration above zero, such as \"30s\", \"5m\" or \"1h30m\"";

    fn read(word: &str) -> Option<Self> {
        Duration::read(word)
            .filter(|duration| !duration.is_zero())
            .map(Self)
    }
}

/// The ports for passive data connections.
pub(crate) type Ports = RangeInclusive<u16>;

impl Word for Ports {
    const EXPECTED: &'static str = "two ports from low to high, such as \"60000-65535\"";

    fn read(word: &str) -> Option<Self> {
        let (low, high) = word.split_once('-')?;
        let (low, high) = (low.parse().ok()?, high.parse().ok()?);
        (1 <= low && low <= high).then_some(low..=high)
    }
}

impl Word for PublicAddress {
    const EXPECTED: &'static str = "an IP address or a host name";

    fn read(word: &str) -> Option<Self> {
        word.parse().ok()
    }
}

impl Word for Rights {
    const EXPECTED: &'static str = "list, read, write, overwrite, delete, rename, mkdir or symlink";

    fn read(word: &str) -> Option<Self> {
        word.parse().ok()
    }
}

/// The permission bits that new files and directories do not get.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Umask(pub(crate) u16);

impl Word for Umask {
    const EXPECTED: &'static str = "octal permission bits, such as \"022\"";

    fn read(word: &str) -> Option<Self> {
        let octal = !word.is_empty() && word.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
        let mask = u16::from_str_radix(word, 8).ok()?;
        (octal && mask <= 0o777).then_some(Self(mask))
    }
}

/// Seconds east of UTC.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offset(pub(crate) i32);

impl Word for Offset {
    const EXPECTED: &'static str =
        "hours and minutes east of UTC, such as \"+01:00\" or \"-03:30\"";

    fn read(word: &str) -> Option<Self> {
        let (sign, digits) = match word.split_at_checked(1)? {
            ("+", digits) => (1, digits),
            ("-", digits) => (-1, digits),
            _ => return None,
        };
        let (hours, minutes) = digits.split_once(':')?;
        let hours = two_digits(hours).filter(|&hours| hours <= 23)?;
        let minutes = two_digits(minutes).filter(|&minutes| minutes <= 59)?;
        Some(Self(sign * (hours * 60 + minutes) * 60))
    }
}

fn two_digits(text: &str) -> Option<i32> {
    let all = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| text.parse().ok())?
}

/// What a client is told first, or after its login.
#[derive(Clone, Debug)]
pub(crate) struct Greeting(pub(crate) String);

impl Word for Greeting {
    const EXPECTED: &'static str =
        "up to 2048 bytes and 100 lines of text without other control characters";

    fn read(word: &str) -> Option<Self> {
        let lines = word.trim_end().split('\n');
        let sound = |line: &str| !line.trim_end_matches('\r').contains(char::is_control);
        let fits = word.len() <= 2_048 && lines.clone().count() <= 100;
        let text = || lines.clone().map(|line| line.trim_end_matches('\r'));
        (fits && lines.clone().all(sound)).then(|| Self(text().collect::<Vec<_>>().join("\n")))
    }
}

impl Word for IpNet {
    const EXPECTED: &'static str = "a network, such as \"10.0.0.0/8\" or \"2001:db8::/32\"";

    fn read(word: &str) -> Option<Self> {
        let network = word.parse::<Self>().ok();
        let network = network.or_else(|| word.parse().ok().map(IpAddr::into))?;
        // What is IPv4 in the clothes of IPv6 is compared with IPv4 addresses.
        match (
            network.addr().to_canonical(),
            network.prefix_len().checked_sub(96),
        ) {
            (v4 @ IpAddr::V4(_), Some(length)) if network.addr().is_ipv6() => {
                Self::new(v4, length).ok()
            }
            _ => Some(network),
        }
    }
}

impl Listed for Value<IpNet> {
    const LIST: &'static str = "a list of networks, such as [\"10.0.0.0/8\"]";
}

/// The name of an account.
#[derive(Clone, Debug)]
pub(crate) struct Name(pub(crate) String);

impl Word for Name {
    const EXPECTED: &'static str = "a name of 1 to 127 bytes without control characters";

    fn read(word: &str) -> Option<Self> {
        let sound = (1..=127).contains(&word.len()) && !word.contains(char::is_control);
        sound.then(|| Self(word.to_owned()))
    }
}

/// How many of something there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Count(pub(crate) u32);

impl Count {
    pub(crate) fn get(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u32(CountVisitor).map(Self)
    }
}

struct CountVisitor;

impl Visitor<'_> for CountVisitor {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number from 1 to 4294967295")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<u32, E> {
        u32::try_from(number)
            .ok()
            .filter(|&count| count > 0)
            .ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
    }
}

/// A port of a given number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Port(pub(crate) u16);

struct PortVisitor;

impl Visitor<'_> for PortVisitor {
    type Value = u16;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a port from 1 to 65535")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<u16, E> {
        u16::try_from(number)
            .ok()
            .filter(|&port| port > 0)
            .ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
    }
}
