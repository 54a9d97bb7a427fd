//! The addresses of PORT and EPRT, held against the numbers that stand there.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};

use bstr::ByteSlice;
use wharf_core::address::{parse_eprt, parse_port};
use wharf_core::command::Command;

/// Each line is the numbers that are read, and what is read is printed and read again.
pub fn hostport(lines: &[u8]) {
    for line in lines.split_str("\n") {
        check(line);
    }
}

fn check(bytes: &[u8]) {
    let address = parse_port(bytes);
    assert_eq!(address, port(bytes));
    if let Some(address) = address {
        let printed = Command::Port(address).to_line();
        assert_eq!(parse_port(&printed[b"PORT ".len()..]), Some(address));
    }
    let address = parse_eprt(bytes);
    assert_eq!(address.ok(), eprt(bytes));
    if let Ok(address) = address {
        let printed = Command::Eprt(address).to_line();
        assert_eq!(parse_eprt(&printed[b"EPRT ".len()..]), Ok(address));
    }
}

fn port(bytes: &[u8]) -> Option<SocketAddrV4> {
    let words = bytes.split_str(",").map(number::<u8>);
    let numbers = words.collect::<Option<Vec<u8>>>()?;
    let [a, b, c, d, high, low] = numbers[..] else {
        return None;
    };
    let port = u16::from(high) * 256 + u16::from(low);
    Some(SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), port))
}

fn eprt(bytes: &[u8]) -> Option<SocketAddr> {
    let text = bytes.to_str().ok()?;
    let delimiter = text.chars().next()?;
    if !delimiter.is_ascii_graphic() || delimiter.is_ascii_hexdigit() || ".:".contains(delimiter) {
        return None;
    }
    let fields: Vec<&str> = text.split(delimiter).collect();
    let ["", family, address, port, ""] = fields[..] else {
        return None;
    };
    let port = number(port.as_bytes())?;
    match number(family.as_bytes())? {
        1 => Some((address.parse::<Ipv4Addr>().ok()?, port).into()),
        2 => Some((without_zone(address).parse::<Ipv6Addr>().ok()?, port).into()),
        _ => None,
    }
}

/// Which of its links a client is on says nothing here.
fn without_zone(address: &str) -> &str {
    match address.find('%') {
        Some(at) if at + 1 < address.len() => &address[..at],
        _ => address,
    }
}

/// A number without a sign; zeros may stand before it.
fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    let plain = digits.iter().all(u8::is_ascii_digit);
    digits.to_str().ok()?.parse().ok().filter(|_| plain)
}
