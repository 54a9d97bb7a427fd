//! [`parse`]: the header that a balancer puts before the first byte of a client, which says who that is: the
//! PROXY protocol, versions 1 and 2, as haproxy's `proxy-protocol.txt` says it.
//!
//! Nothing here waits or reads. TLVs are skipped, the checksum among them, which TCP has of its own.

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The most bytes that a header may have: what the smallest segment of TCP holds, so that a header never has to
/// wait for a second one.
pub const MOST: usize = 536;

/// What the line of version 1 may have, with its end.
const MOST_V1: usize = 107;
/// How version 1 begins.
const V1: &[u8] = b"PROXY ";
/// How version 2 begins, as no text does.
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// What version 2 has before the addresses.
const FIXED: usize = 16;

/// Who a connection is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// From the balancer itself, which looks whether somebody is here, or does not say who it is from: its own
    /// addresses count. LOCAL, UNKNOWN, and what is relayed from other than TCP.
    Own,
    /// From a client whose connection the balancer relays.
    Relayed {
        /// The client's end of that.
        source: SocketAddr,
        /// The balancer's end, which the client has connected to.
        destination: SocketAddr,
    },
}

/// What bytes are the beginning of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// Of a header whose end has not come: every one of them belongs to it.
    Incomplete,
    /// A whole header.
    Header {
        /// What it says.
        header: Header,
        /// How many of the bytes are the header; the others are the client's.
        length: usize,
    },
    /// Of no header, whatever may follow.
    Malformed(Malformed),
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// They begin as neither version does.
    NoHeader,
    /// Version 1: the line does not end within 107 bytes.
    LongLine,
    /// Version 1: the line does not say what it has to.
    Line,
    /// Version 2: the number of the version or the command is unknown.
    Command,
    /// Version 2: the kind of the addresses is unknown.
    Family,
    /// Version 2: it is too short for its addresses.
    Short,
    /// Version 2: it is longer than [`MOST`].
    Long,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoHeader => "it begins without a PROXY header",
            Self::LongLine => "the line of version 1 does not end within 107 bytes",
            Self::Line => "the line of version 1 is malformed",
            Self::Command => "version 2 with an unknown version or command",
            Self::Family => "version 2 with an unknown kind of addresses",
            Self::Short => "version 2, too short for its addresses",
            Self::Long => "version 2, longer than 536 bytes",
        })
    }
}

impl std::error::Error for Malformed {}

/// Returns what these bytes, the first of a connection, are the beginning of.
///
/// ```
/// use wharf_driver::proxy::{Header, Parsed, parse};
///
/// let line = b"PROXY TCP4 192.0.2.7 203.0.113.1 40000 21\r\n";
/// let header = Header::Relayed {
///     source: ([192, 0, 2, 7], 40_000).into(),
///     destination: ([203, 0, 113, 1], 21).into(),
/// };
/// let length = line.len();
/// assert_eq!(parse(line), Parsed::Header { header, length });
/// assert_eq!(parse(&line[..9]), Parsed::Incomplete);
/// ```
#[must_use]
pub fn parse(bytes: &[u8]) -> Parsed {
    let parsed = if begins(bytes, V1) {
        parse_line(bytes)
    } else if begins(bytes, V2) {
        parse_binary(bytes)
    } else {
        Err(Malformed::NoHeader)
    };
    match parsed {
        Ok(Some((header, length))) => Parsed::Header { header, length },
        Ok(None) => Parsed::Incomplete,
        Err(why) => Parsed::Malformed(why),
    }
}

/// The header and its length, if it is whole.
type Outcome = Result<Option<(Header, usize)>, Malformed>;

/// Whether bytes begin so, as far as they go.
fn begins(bytes: &[u8], so: &[u8]) -> bool {
    bytes.iter().zip(so).all(|(one, other)| one == other)
}

fn parse_line(bytes: &[u8]) -> Outcome {
    let within = &bytes[..bytes.len().min(MOST_V1)];
    let Some(end) = within.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return match within.len() {
            MOST_V1 => Err(Malformed::LongLine),
            _ => Ok(None),
        };
    };
    match within[end..] {
        [b'\r', b'\n', ..] => {}
        [b'\r'] if end + 1 < MOST_V1 => return Ok(None),
        [b'\r'] => return Err(Malformed::LongLine),
        _ => return Err(Malformed::Line),
    }
    let line = within.get(V1.len()..end).ok_or(Malformed::Line)?;
    let header = read_line(line).ok_or(Malformed::Line)?;
    Ok(Some((header, end + 2)))
}

/// What stands in a line between `PROXY ` and its end.
fn read_line(line: &[u8]) -> Option<Header> {
    if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        return Some(Header::Own);
    }
    let words: Vec<&str> = str::from_utf8(line).ok()?.split(' ').collect();
    let [family, source, destination, from, to] = words[..] else {
        return None;
    };
    let address = |word: &str| match family {
        "TCP4" => word.parse::<Ipv4Addr>().ok().map(IpAddr::from),
        "TCP6" => word.parse::<Ipv6Addr>().ok().map(IpAddr::from),
        _ => None,
    };
    Some(Header::Relayed {
        source: SocketAddr::new(address(source)?, port(from)?),
        destination: SocketAddr::new(address(destination)?, port(to)?),
    })
}

/// A port without a sign, and without zeros before it.
fn port(word: &str) -> Option<u16> {
    let is_plain = word == "0" || word.starts_with(|first: char| ('1'..='9').contains(&first));
    word.parse().ok().filter(|_| is_plain)
}

fn parse_binary(bytes: &[u8]) -> Outcome {
    let command = bytes.get(V2.len());
    let is_local = match command {
        Some(0x20) => true,
        Some(0x21) | None => false,
        Some(_) => return Err(Malformed::Command),
    };
    let family = bytes.get(V2.len() + 1);
    let addresses = match family {
        _ if is_local => 0,
        Some(0x11) => 12,
        Some(0x21) => 36,
        // Datagrams and sockets of one machine are known, though no balancer of TCP has them.
        Some(0x00 | 0x12 | 0x22 | 0x31 | 0x32) | None => 0,
        Some(_) => return Err(Malformed::Family),
    };
    let Some(&[high, low]) = bytes.get(FIXED - 2..FIXED) else {
        return Ok(None);
    };
    let rest = usize::from(u16::from_be_bytes([high, low]));
    let length = FIXED + rest;
    if length > MOST {
        return Err(Malformed::Long);
    }
    if rest < addresses {
        return Err(Malformed::Short);
    }
    let Some(rest) = bytes.get(FIXED..length) else {
        return Ok(None);
    };
    let header = match addresses {
        12 => relayed::<4>(rest),
        36 => relayed::<16>(rest),
        _ => Some(Header::Own),
    };
    Ok(Some((header.ok_or(Malformed::Short)?, length)))
}

/// Two addresses of so many bytes, and two ports.
fn relayed<const N: usize>(bytes: &[u8]) -> Option<Header>
where
    IpAddr: From<[u8; N]>,
{
    let (source, rest) = bytes.split_first_chunk::<N>()?;
    let (destination, rest) = rest.split_first_chunk::<N>()?;
    let (from, rest) = rest.split_first_chunk::<2>()?;
    let to = rest.first_chunk::<2>()?;
    let end = |address: [u8; N], port| SocketAddr::new(address.into(), u16::from_be_bytes(port));
    Some(Header::Relayed {
        source: end(*source, *from),
        destination: end(*destination, *to),
    })
}
