//! What a balancer puts before a connection.

use std::net::SocketAddr;

use wharf_driver::proxy::{Header, MOST, Parsed, parse};

/// However bytes come, they are the same header or none, it does not reach behind its end, and what is printed of
/// it is read again.
///
/// # Panics
/// It is not so.
pub fn proxy(bytes: &[u8]) {
    let last = parse(bytes);
    for end in 0..bytes.len() {
        match parse(&bytes[..end]) {
            Parsed::Incomplete => assert!(end < MOST),
            decided => {
                assert_eq!(decided, last);
                break;
            }
        }
    }
    let Parsed::Header { header, length } = last else {
        return;
    };
    assert!((1..=bytes.len().min(MOST)).contains(&length));
    assert_eq!(parse(&bytes[..length]), last);
    if let Header::Relayed {
        source,
        destination,
    } = header
    {
        let line = print(source, destination);
        let length = line.len();
        assert_eq!(parse(line.as_bytes()), Parsed::Header { header, length });
    }
}

/// The line of version 1.
fn print(source: SocketAddr, destination: SocketAddr) -> String {
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    format!(
        "PROXY {family} {} {} {} {}\r\n",
        source.ip(),
        destination.ip(),
        source.port(),
        destination.port()
    )
}
