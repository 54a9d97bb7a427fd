//! Addresses in commands and replies: PORT, EPRT, 227, 229 (RFC 959, RFC 2428).

use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};

use crate::decimal::{self, Decimal};

/// Why the argument of EPRT is not an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// It is not of the form that RFC 959 or RFC 2428 demands (501).
    Syntax,
    /// A network protocol other than 1 (IPv4) and 2 (IPv6) (522).
    Protocol,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "this is not the form of an address",
            Self::Protocol => "the network protocol is not known",
        })
    }
}

impl core::error::Error for AddressError {}

/// Reads `h1,h2,h3,h4,p1,p2`, the argument of PORT: six decimal numbers below 256 and nothing
/// else.
///
/// ```
/// use wharf_core::address::parse_port;
///
/// assert_eq!(parse_port(b"127,0,0,1,200,10"), Some("127.0.0.1:51210".parse().unwrap()));
/// assert_eq!(parse_port(b"127,0,0,1,200"), None);
/// ```
#[must_use]
pub fn parse_port(argument: &[u8]) -> Option<SocketAddrV4> {
    let mut numbers = [0_u8; 6];
    let mut words = argument.split(|&byte| byte == b',');
    for number in &mut numbers {
        *number = u8::try_from(decimal::parse(words.next()?)?).ok()?;
    }
    let [a, b, c, d, high, low] = numbers;
    let port = u16::from_be_bytes([high, low]);
    words
        .next()
        .is_none()
        .then_some(SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), port))
}

/// Reads `|family|address|port|`, the argument of EPRT, with any delimiter that RFC 2428 allows
/// and that cannot be part of a field.
///
/// # Errors
/// [`AddressError`].
///
/// ```
/// use wharf_core::address::{AddressError, parse_eprt};
///
/// assert_eq!(parse_eprt(b"|2|::1|51210|"), Ok("[::1]:51210".parse().unwrap()));
/// assert_eq!(parse_eprt(b"|2|fe80::1%eth0|51210|"), Ok("[fe80::1]:51210".parse().unwrap()));
/// assert_eq!(parse_eprt(b"|3|x|1|"), Err(AddressError::Protocol));
/// ```
pub fn parse_eprt(argument: &[u8]) -> Result<SocketAddr, AddressError> {
    let &delimiter = argument.first().ok_or(AddressError::Syntax)?;
    let in_fields = delimiter.is_ascii_hexdigit() || matches!(delimiter, b'.' | b':');
    if !delimiter.is_ascii_graphic() || in_fields {
        return Err(AddressError::Syntax);
    }
    let mut fields = argument.split(|&byte| byte == delimiter).skip(1);
    let mut field = || fields.next().ok_or(AddressError::Syntax);
    let (family, address, port, end) = (field()?, field()?, field()?, field()?);
    if fields.next().is_some() || !end.is_empty() {
        return Err(AddressError::Syntax);
    }
    let address = core::str::from_utf8(address).map_err(|_| AddressError::Syntax)?;
    let address = match decimal::parse(family) {
        Some(1) => address.parse::<Ipv4Addr>().map(IpAddr::V4),
        // On which of its links a client is (`fe80::1%eth0`) means nothing to others.
        Some(2) => match address.split_once('%') {
            Some((address, zone)) if !zone.is_empty() => address,
            _ => address,
        }
        .parse::<Ipv6Addr>()
        .map(IpAddr::V6),
        Some(_) => return Err(AddressError::Protocol),
        None => return Err(AddressError::Syntax),
    }
    .map_err(|_| AddressError::Syntax)?;
    let port = decimal::parse(port).and_then(|port| u16::try_from(port).ok());
    Ok(SocketAddr::new(address, port.ok_or(AddressError::Syntax)?))
}

/// Writes `h1,h2,h3,h4,p1,p2`.
pub(crate) fn write_port(out: &mut Vec<u8>, address: Ipv4Addr, port: u16) {
    let [high, low] = port.to_be_bytes();
    for number in address.octets().into_iter().chain([high]) {
        out.extend_from_slice(Decimal::new(u64::from(number)).as_bytes());
        out.push(b',');
    }
    out.extend_from_slice(Decimal::new(u64::from(low)).as_bytes());
}

/// An IPv4 address that came in the clothes of IPv6 is the IPv4 address: on a dual-stack socket
/// every IPv4 client looks so.
pub(crate) fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}
