//! Headers, whole and in pieces, and what is none.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use proptest::prelude::*;

use super::*;

fn relayed_by(source: &str, destination: &str) -> Header {
    Header::Relayed {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
    }
}

/// Version 2 with that command, family and rest.
fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [V2, &[command, family], &length, rest].concat()
}

/// What is printed of a header in version 1.
fn print_line(header: &Header) -> Vec<u8> {
    match header {
        Header::Own => b"PROXY UNKNOWN\r\n".to_vec(),
        Header::Relayed {
            source,
            destination,
        } => {
            let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
            let (from, to) = (source.port(), destination.port());
            let (source, destination) = (source.ip(), destination.ip());
            format!("PROXY {family} {source} {destination} {from} {to}\r\n").into_bytes()
        }
    }
}

/// And in version 2, with these bytes behind the addresses.
fn print_binary(header: &Header, behind: &[u8]) -> Vec<u8> {
    let octets = |address: &SocketAddr| match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    match header {
        Header::Own => binary(0x20, 0, behind),
        Header::Relayed {
            source,
            destination,
        } => {
            let ports = [source, destination].map(|end| end.port().to_be_bytes());
            let ends = [octets(source), octets(destination), ports.concat()];
            let family = if source.is_ipv4() { 0x11 } else { 0x21 };
            binary(0x21, family, &[ends.concat(), behind.to_vec()].concat())
        }
    }
}

/// The header that bytes are, of which none is left.
fn whole(bytes: &[u8]) -> Header {
    match parse(bytes) {
        Parsed::Header { header, length } if length == bytes.len() => header,
        other => panic!("{other:?} of {:?}", bytes.escape_ascii().to_string()),
    }
}

#[test]
fn a_line_says_who_the_client_is() {
    for (line, header) in [
        (
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
            relayed_by("255.255.255.255:65535", "255.255.255.255:65535"),
        ),
        (
            "PROXY TCP4 192.0.2.7 10.0.0.1 0 21\r\n",
            relayed_by("192.0.2.7:0", "10.0.0.1:21"),
        ),
        (
            "PROXY TCP6 2001:db8::7 2001:DB8:0:0:0:0:0:1 40000 21\r\n",
            relayed_by("[2001:db8::7]:40000", "[2001:db8::1]:21"),
        ),
        ("PROXY UNKNOWN\r\n", Header::Own),
        (
            "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n",
            Header::Own,
        ),
    ] {
        assert_eq!(whole(line.as_bytes()), header, "{line}");
    }
    // The longest that there is.
    let longest = format!("PROXY UNKNOWN {}\r\n", "f".repeat(MOST_V1 - 16));
    assert_eq!(longest.len(), MOST_V1);
    assert_eq!(whole(longest.as_bytes()), Header::Own);
}

#[test]
fn another_line_is_none() {
    for line in [
        "PROXY TCP4 192.0.2.7 10.0.0.1 40000 21\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 40000 21\rX",
        "PROXY \r\n",
        "PROXY TCP4\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 40000\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 40000 21 \r\n",
        "PROXY TCP4  192.0.2.7 10.0.0.1 40000 21\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 40000 65536\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 +4000 21\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 04000 21\r\n",
        "PROXY TCP4 192.0.2.07 10.0.0.1 40000 21\r\n",
        "PROXY TCP4 192.0.2 10.0.0.1 40000 21\r\n",
        "PROXY TCP4 2001:db8::7 10.0.0.1 40000 21\r\n",
        "PROXY TCP6 192.0.2.7 10.0.0.1 40000 21\r\n",
        "PROXY TCP5 192.0.2.7 10.0.0.1 40000 21\r\n",
        "PROXY tcp4 192.0.2.7 10.0.0.1 40000 21\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 \u{e9} 21\r\n",
        "PROXY UNKNOWNX\r\n",
    ] {
        let parsed = parse(line.as_bytes());
        assert_eq!(parsed, Parsed::Malformed(Malformed::Line), "{line:?}");
    }
    for long in ["f".repeat(MOST_V1), "f".repeat(MOST_V1 - 15) + "\r\n"] {
        let line = format!("PROXY UNKNOWN {long}");
        assert_eq!(
            parse(line.as_bytes()),
            Parsed::Malformed(Malformed::LongLine)
        );
    }
}

#[test]
fn what_begins_as_no_header_is_none_from_its_first_byte_on() {
    for bytes in [
        &b"U"[..],
        b"PA",
        b"PROXYTCP4",
        b"\r\n\r\nQ",
        b"\x16\x03\x01",
    ] {
        assert_eq!(parse(bytes), Parsed::Malformed(Malformed::NoHeader));
    }
    assert_eq!(parse(b""), Parsed::Incomplete);
}

#[test]
fn version_2_says_who_the_client_is() {
    let v4 = [192, 0, 2, 7, 10, 0, 0, 1, 0x9c, 0x40, 0, 21];
    let header = relayed_by("192.0.2.7:40000", "10.0.0.1:21");
    assert_eq!(whole(&binary(0x21, 0x11, &v4)), header);
    // A TLV, and what is none.
    let with_tlv = [&v4[..], &[0x03, 0, 4, 1, 2, 3, 4, 0xff]].concat();
    assert_eq!(whole(&binary(0x21, 0x11, &with_tlv)), header);
    let v6: Vec<u8> = (1..=36).collect();
    assert_eq!(
        whole(&binary(0x21, 0x21, &v6)),
        relayed_by(
            "[102:304:506:708:90a:b0c:d0e:f10]:8482",
            "[1112:1314:1516:1718:191a:1b1c:1d1e:1f20]:8996"
        )
    );
    for family in [0x00, 0x12, 0x22, 0x31, 0x32] {
        assert_eq!(whole(&binary(0x21, family, &v6)), Header::Own);
    }
    // Of LOCAL nothing else counts.
    for family in [0x00, 0x11, 0x21, 0xff] {
        assert_eq!(whole(&binary(0x20, family, &[7; 5])), Header::Own);
        assert_eq!(whole(&binary(0x20, family, &[])), Header::Own);
    }
    assert_eq!(
        whole(&binary(0x20, 0, &[7; MOST - FIXED])),
        Header::Own,
        "the longest"
    );
}

#[test]
fn another_version_2_is_none_as_soon_as_that_shows() {
    let none = |bytes: &[u8], why| assert_eq!(parse(bytes), Parsed::Malformed(why), "{bytes:?}");
    for command in [0x00, 0x11, 0x1f, 0x22, 0x2f, 0x31] {
        none(&[V2, &[command]].concat(), Malformed::Command);
    }
    for family in [0x01, 0x10, 0x13, 0x33, 0x41, 0xff] {
        none(&[V2, &[0x21, family]].concat(), Malformed::Family);
    }
    none(&[V2, &[0x21, 0x11, 0, 11]].concat(), Malformed::Short);
    none(&[V2, &[0x21, 0x21, 0, 35]].concat(), Malformed::Short);
    none(&[V2, &[0x20, 0, 2, 9]].concat(), Malformed::Long);
    none(&[V2, &[0x21, 0x11, 0xff, 0xff]].concat(), Malformed::Long);
}

fn headers() -> impl Strategy<Value = Header> {
    let v4 = any::<([u8; 4], u16, [u8; 4], u16)>();
    let v6 = any::<([u8; 16], u16, [u8; 16], u16)>();
    prop_oneof![
        Just(Header::Own),
        v4.prop_map(|(source, from, destination, to)| Header::Relayed {
            source: (source, from).into(),
            destination: (destination, to).into(),
        }),
        v6.prop_map(|(source, from, destination, to)| Header::Relayed {
            source: (source, from).into(),
            destination: (destination, to).into(),
        }),
    ]
}

/// A header as it is sent, in either version.
fn sent() -> impl Strategy<Value = (Header, Vec<u8>)> {
    let behind = prop::collection::vec(any::<u8>(), 0..MOST - FIXED - 36);
    (headers(), any::<bool>(), behind).prop_map(|(header, is_text, behind)| {
        let bytes = match is_text {
            true => print_line(&header),
            false => print_binary(&header, &behind),
        };
        (header, bytes)
    })
}

/// Bytes that often begin as a header does.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let words = prop_oneof![
        Just(b"".to_vec()),
        Just(V1.to_vec()),
        Just(b"PROXY TCP4 1.2.3.4 1.2.3.4 ".to_vec()),
        Just(V2.to_vec()),
        Just([V2, &[0x21, 0x11, 0, 12]].concat()),
        Just([V2, &[0x20, 0, 0, 5]].concat()),
    ];
    let any_bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..700),
        prop::collection::vec(prop::sample::select(&b"19. \r\n:f"[..]), 0..120),
    ];
    (words, any_bytes).prop_map(|(word, bytes)| [word, bytes].concat())
}

proptest! {
    #[test]
    fn what_is_sent_is_understood_and_nothing_behind_it_is_touched(
        (header, bytes) in sent(),
        behind in prop::collection::vec(any::<u8>(), 0..50),
    ) {
        let length = bytes.len();
        prop_assert!(length <= MOST);
        prop_assert_eq!(parse(&[bytes, behind].concat()), Parsed::Header { header, length });
    }

    /// Every way to cut it into pieces comes to this.
    #[test]
    fn no_part_of_a_header_is_one((_, bytes) in sent()) {
        for end in 0..bytes.len() {
            prop_assert_eq!(parse(&bytes[..end]), Parsed::Incomplete, "{}", end);
        }
    }

    #[test]
    fn what_is_decided_stays_so_whatever_follows(bytes in nearly()) {
        let last = parse(&bytes);
        for end in 0..bytes.len() {
            match parse(&bytes[..end]) {
                Parsed::Incomplete => prop_assert!(end < MOST),
                decided => {
                    prop_assert_eq!(decided, last);
                    break;
                }
            }
        }
        if let Parsed::Header { length, .. } = last {
            prop_assert!(length <= bytes.len() && length <= MOST);
        }
    }
}
