//! What holds for every input: the parser, paths, addresses, text, listings, patterns, dates, and
//! how bytes are cut.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};

use bstr::{BStr, ByteSlice};
use proptest::prelude::*;
use wharf_core::address::{AddressError, parse_eprt, parse_port};
use wharf_core::ascii::{ToFile, ToWire};
use wharf_core::command::{Command, Epsv, Opts, Site, Type, Verb};
use wharf_core::listing::{FactSet, Form, ListOptions, Listing, Order, Step, glob_matches};
use wharf_core::time::Civil;
use wharf_core::{Capabilities, Entry, Facts, Kind, Metadata, PathError, Rights, Timestamp, VPath};

use crate::common::embedder::converse;
use crate::common::peer::CLOCK;
use crate::common::{self, Peer, Scene};

/// Bytes of an argument: no line end, since that never reaches the parser.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        Just(b' '),
        Just(b'-'),
        Just(b'/'),
        Just(b'.'),
        b'a'..=b'z',
        any::<u8>().prop_filter("no line end", |byte| *byte != b'\n'),
    ];
    prop::collection::vec(byte, 1..20)
}

fn word() -> impl Strategy<Value = Vec<u8>> {
    text().prop_map(|text| {
        text.into_iter()
            .map(|byte| if byte == b' ' { b'_' } else { byte })
            .collect()
    })
}

/// A moment that MFMT can name.
fn moment() -> impl Strategy<Value = Timestamp> {
    let first = -62_167_219_200_i64;
    let last = 253_402_300_799_i64;
    let nanos = prop_oneof![Just(0), 0..1_000_000_000_u32];
    (first..=last, nanos).prop_map(|(seconds, nanos)| Timestamp { seconds, nanos })
}

fn options() -> impl Strategy<Value = ListOptions> {
    let order = prop_oneof![Just(Order::Name), Just(Order::Time), Just(Order::Size)];
    let chosen = (any::<[bool; 7]>(), order).prop_map(|(flags, order)| ListOptions {
        all: flags[0],
        long: flags[1],
        names_only: flags[2],
        itself: flags[3],
        classify: flags[4],
        recursive: flags[5],
        reverse: flags[6],
        order,
    });
    prop_oneof![Just(ListOptions::default()), chosen]
}

/// Paths, of which some look like options.
fn path() -> impl Strategy<Value = Option<Vec<u8>>> {
    let dashed = "-[a-z]{1,3}( [a-z])?".prop_map(String::into_bytes);
    prop::option::of(prop_oneof![text(), dashed])
}

fn facts() -> impl Strategy<Value = FactSet> {
    let names = "type;size;modify;perm;unique;UNIX.mode;UNIX.uid;UNIX.gid;";
    any::<u8>().prop_map(move |bits| {
        let chosen: String = names
            .split_inclusive(';')
            .enumerate()
            .filter(|(bit, _)| bits >> bit & 1 == 1)
            .map(|(_, name)| name)
            .collect();
        FactSet::parse(chosen.as_bytes())
    })
}

fn set_facts() -> impl Strategy<Value = Facts> {
    (
        prop::option::of(moment()),
        prop::option::of(0..0o10_000_u16),
    )
        .prop_filter("at least one", |(time, mode)| {
            time.is_some() || mode.is_some()
        })
        .prop_map(|(modified, mode)| Facts { modified, mode })
}

/// Every command, with the argument strings that it borrows.
fn check_command(build: impl for<'a> Fn(&'a BStr, &'a BStr) -> Command<'a>, a: &[u8], b: &[u8]) {
    let command = build(a.as_bstr(), b.as_bstr());
    let line = command.to_line();
    assert_eq!(Command::parse(&line), Ok(command), "{}", line.as_bstr());
    // The verb may be in any case; the arguments are never touched.
    let end = line.find_byte(b' ').unwrap_or(line.len());
    let lower = [&line[..end].to_ascii_lowercase(), &line[end..]].concat();
    assert_eq!(Command::parse(&lower), Ok(command));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// I03, I04, I06.
    #[test]
    fn a_command_that_is_printed_is_parsed_to_itself(
        text in text(),
        (one, two) in (word(), word()),
        number: u64,
        time in moment(),
        mode in 0..0o10_000_u16,
        mask in prop::option::of(0..=0o777_u16),
        options in options(),
        path in path(),
        fact_set in facts(),
        set in set_facts(),
        v4: (u32, u16),
        v6: (u128, u16),
    ) {
        let plain: [for<'a> fn(&'a BStr) -> Command<'a>; 25] = [
            |_| Command::Abor, |t| Command::Acct(t), |t| Command::Appe(t), |t| Command::Auth(t),
            |t| Command::Avbl(Some(t)), |t| Command::Clnt(t), |t| Command::Csid(t),
            |t| Command::Cwd(t), |t| Command::Dele(t), |t| Command::Help(Some(t)),
            |t| Command::Host(t), |t| Command::Lang(Some(t)), |t| Command::Mdtm(t),
            |t| Command::Mkd(t), |t| Command::Mlsd(Some(t)), |t| Command::Mlst(Some(t)),
            |t| Command::Pass(t), |t| Command::Prot(t), |t| Command::Retr(t), |t| Command::Rmd(t),
            |t| Command::Rnfr(t), |t| Command::Rnto(t), |t| Command::Size(t),
            |t| Command::Stor(t), |t| Command::Stou(Some(t)),
        ];
        for build in plain {
            // Blanks around a word that is no name mean nothing.
            let names = build(b"a".as_bstr()).verb();
            let names = !matches!(names, Verb::Auth | Verb::Clnt | Verb::Csid | Verb::Help
                | Verb::Host | Verb::Lang | Verb::Prot);
            let text = if names { &text[..] } else { text.trim_ascii() };
            if names || !text.is_empty() {
                check_command(|t, _| build(t), text, b"");
            }
        }
        let alone = [
            Command::Ccc, Command::Cdup, Command::Feat, Command::Mode, Command::Noop,
            Command::Pasv, Command::Pbsz, Command::Pret, Command::Pwd, Command::Quit,
            Command::Rein, Command::Stru, Command::Syst, Command::Avbl(None), Command::Help(None),
            Command::Lang(None), Command::Mlsd(None), Command::Mlst(None), Command::Stat(ListOptions::default(), None),
            Command::Stou(None), Command::Type(Type::Ascii), Command::Type(Type::Image),
            Command::Epsv(Epsv::Any), Command::Epsv(Epsv::V4), Command::Epsv(Epsv::V6),
            Command::Epsv(Epsv::All), Command::Opts(Opts::Utf8), Command::Site(Site::Help),
            Command::Pass(b"".as_bstr()), Command::Allo(number), Command::Rest(number),
            Command::Opts(Opts::Mlst(fact_set)), Command::Site(Site::Umask(mask)),
            Command::Port(SocketAddrV4::new(v4.0.into(), v4.1)),
            Command::Eprt((Ipv4Addr::from(v4.0), v4.1).into()),
            Command::Eprt((Ipv6Addr::from(v6.0), v6.1).into()),
        ];
        for command in alone {
            let printed = command.to_line();
            prop_assert_eq!(Command::parse(&printed), Ok(command));
        }
        let path = path.as_deref();
        check_command(|t, _| Command::List(options, path.map(|_| t)), path.unwrap_or(b""), b"");
        check_command(|t, _| Command::Nlst(options, path.map(|_| t)), path.unwrap_or(b""), b"");
        // A path of nothing but blanks is none.
        if path.is_none_or(|path| !path.trim_ascii().is_empty()) {
            check_command(|t, _| Command::Stat(options, path.map(|_| t)), path.unwrap_or(b""), b"");
        }
        check_command(|t, _| Command::Mfmt(time, t), &text, b"");
        check_command(|t, _| Command::Mff(set, t), &text, b"");
        check_command(|t, _| Command::Site(Site::Chmod(mode, t)), &text, b"");
        check_command(|t, _| Command::Site(Site::Utime(time, t)), &text, b"");
        check_command(|a, b| Command::Site(Site::Symlink(a, b)), &one, &two);
    }

    /// I01: the parser takes any line, and what it makes of it is stable.
    #[test]
    fn any_line_is_parsed_or_refused(line in line()) {
        if let Ok(command) = Command::parse(&line) {
            let printed = command.to_line();
            prop_assert_eq!(Command::parse(&printed), Ok(command));
        }
    }

    /// I04: a verb is the same in any case, and what stands behind it is not touched.
    #[test]
    fn the_case_of_a_verb_does_not_matter(line in line(), case: u8) {
        let end = line.find_byte(b' ').unwrap_or(line.len());
        let mut other = line.clone();
        for (bit, byte) in other[..end].iter_mut().enumerate() {
            match case >> (bit % 8) & 1 {
                0 => byte.make_ascii_lowercase(),
                _ => byte.make_ascii_uppercase(),
            }
        }
        prop_assert_eq!(Command::parse(&other), Command::parse(&line));
    }

    /// I06: a path is every byte behind the separator, but for what Telnet takes.
    #[test]
    fn a_path_is_the_bytes_behind_the_separator(name in prop::collection::vec(any::<u8>(), 1..40)) {
        let part = |byte: &u8| !matches!(byte, 0 | b'\r' | b'\n' | b'/');
        let name: Vec<u8> = name.into_iter().filter(part).collect();
        prop_assume!(!matches!(&name[..], b"" | b"." | b".."));
        let mut peer = common::logged_in("");
        peer.send(&[&b"CWD "[..], &name.replace(b"\xff", b"\xff\xff"), b"\r\n"].concat());
        prop_assert!(peer.poll().is_some());
        prop_assert_eq!(peer.session.path().as_bytes(), &[b"/", &name[..]].concat());
    }

    /// I02, C8.
    #[test]
    fn cuts_change_nothing(
        stream in stream(),
        cuts in prop::collection::vec(1..40_usize, 1..50),
        right_bits: u8,
    ) {
        let rights = common::all_rights()
            .enumerate()
            .filter(|(bit, _)| right_bits >> bit & 1 == 0)
            .fold(Rights::NONE, |set, (_, right)| set | right);
        let scene = Scene::new().rights(rights).limits(|limits| {
            limits.line = 60;
            limits.look_ahead = 100;
            limits.output = 12_000;
            limits.commands_per_second = u32::from(right_bits) * 10;
        });
        let play = |cuts: &[usize]| {
            let mut peer = Peer::new(&scene);
            let mut next = cuts.iter().cycle().copied();
            let actions = converse(&mut peer, &stream, || next.next().unwrap_or(1));
            (peer.replies, actions)
        };
        let whole = play(&[usize::MAX]);
        prop_assert!(whole == play(&cuts), "{:?}", cuts);
        prop_assert!(whole == play(&[1]));
    }

    /// I27.
    #[test]
    fn paths_are_normalised_as_by_hand(cwd in argument(), argument in argument()) {
        let Ok(cwd) = VPath::resolve(&VPath::root(), &cwd) else {
            return Ok(());
        };
        let path = VPath::resolve(&cwd, &argument);
        if argument.iter().any(|byte| [0, b'\r', b'\n'].contains(byte)) {
            prop_assert_eq!(path, Err(PathError::ForbiddenByte));
            return Ok(());
        }
        let mut model: Vec<Vec<u8>> = Vec::new();
        if !argument.starts_with(b"/") {
            model.extend(cwd.components().map(|part| part.to_vec()));
        }
        for part in argument.split(|&byte| byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => drop(model.pop()),
                part => model.push(part.to_vec()),
            }
        }
        let path = path.unwrap();
        prop_assert_eq!(path.as_bytes(), &[b"/", &model.join(&b'/')[..]].concat());
        prop_assert_eq!(path.components().collect::<Vec<_>>(), model.clone());
        prop_assert_eq!(path.is_root(), model.is_empty());
        prop_assert_eq!(path.file_name().map(|name| name.to_vec()), model.last().cloned());
        prop_assert!(path.is_within(&path.parent()));
        if let Some(name) = path.file_name() {
            prop_assert_eq!(path.parent().join(name), Ok(path.clone()));
        }
        prop_assert_eq!(VPath::resolve(&cwd, path.as_bytes()), Ok(path));
    }

    /// I10.
    #[test]
    fn addresses_go_there_and_back(v4: (u32, u16), v6: (u128, u16), mark in 33..=126_u8) {
        let to = SocketAddrV4::new(v4.0.into(), v4.1);
        let line = Command::Port(to).to_line();
        prop_assert_eq!(parse_port(&line[5..]), Some(to));
        for (family, to) in [(1, SocketAddr::from(to)), (2, (Ipv6Addr::from(v6.0), v6.1).into())] {
            let mark = mark as char;
            let text = format!("{mark}{family}{mark}{}{mark}{}{mark}", to.ip(), to.port());
            let clashes = mark.is_ascii_hexdigit() || mark == '.' || mark == ':';
            let wanted = if clashes { Err(AddressError::Syntax) } else { Ok(to) };
            prop_assert_eq!(parse_eprt(text.as_bytes()), wanted);
        }
    }

    #[test]
    fn numbers_that_are_not_numbers_are_no_address(
        numbers in prop::collection::vec(prop_oneof![
            (0..300_u32).prop_map(|number| number.to_string()),
            "[ +-]?[0-9a-fx]{0,4}",
        ], 4..8),
    ) {
        let text = numbers.join(",");
        let model: Option<Vec<u8>> = numbers
            .iter()
            .map(|number| {
                let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
                number.parse().ok().filter(|_| digits)
            })
            .collect();
        let wanted = model.filter(|numbers| numbers.len() == 6).map(|n| {
            SocketAddrV4::new([n[0], n[1], n[2], n[3]].into(), u16::from_be_bytes([n[4], n[5]]))
        });
        prop_assert_eq!(parse_port(text.as_bytes()), wanted);
    }

    /// I41: naive models of both directions.
    #[test]
    fn text_is_translated_as_by_hand(
        bytes in line_ends(),
        cuts in prop::collection::vec(1..5_usize, 1..20),
        room in 1..5_usize,
    ) {
        let mut wire = Vec::new();
        for (at, &byte) in bytes.iter().enumerate() {
            if byte == b'\n' && (at == 0 || bytes[at - 1] != b'\r') {
                wire.push(b'\r');
            }
            wire.push(byte);
        }
        prop_assert_eq!(to_wire(&bytes, &cuts, room), wire.clone());
        let file = bytes.replace("\r\n", "\n");
        prop_assert_eq!(to_file(&bytes, &cuts, room), file);
        // What has no CR comes back as it was.
        let plain = bytes.replace("\r", "");
        let wire = to_wire(&plain, &cuts, room);
        prop_assert_eq!(to_file(&wire, &cuts, room), plain);
    }

    /// I43, I44: whatever bytes a name has.
    #[test]
    fn a_listing_line_is_one_entry(
        names in prop::collection::btree_set(name(), 1..8).prop_map(Vec::from_iter).prop_shuffle(),
        facts in prop::collection::vec(metadata(), 8),
        options in options(),
        form in form(),
        room in prop_oneof![Just(0), 0..400_usize],
    ) {
        let options = ListOptions { recursive: false, ..options };
        let mut listing = Listing::new(form, options);
        let entries: Vec<Entry<'_>> = names
            .iter()
            .zip(&facts)
            .map(|(name, metadata)| Entry::new(name.as_bstr(), *metadata).with_target(Some("a\r\n;b".into())))
            .collect();
        // The smallest room that a line of these needs.
        let text = lines(&mut listing, &entries, 256 + 32 + room);
        let hidden = |name: &[u8]| {
            name.starts_with(b".") && !options.all && !options.itself && !matches!(form, Form::Facts { .. })
        };
        let mut shown: Vec<&Entry<'_>> = entries
            .iter()
            .filter(|entry| !hidden(entry.name) && !entry.name.contains(&b'/'))
            // A name without a length is no help to whoever wants to continue an upload.
            .filter(|entry| entry.metadata.kind != Kind::Partial || shape(form, options) != Form::Names)
            .collect();
        if options.order == Order::Time {
            shown.sort_by(|a, b| b.metadata.modified.cmp(&a.metadata.modified).then(a.name.cmp(b.name)));
        } else if options.order == Order::Size {
            shown.sort_by(|a, b| b.metadata.size.cmp(&a.metadata.size).then(a.name.cmp(b.name)));
        } else if options.reverse {
            shown.sort_by(|a, b| a.name.cmp(b.name));
        }
        if options.reverse {
            shown.reverse();
        }
        let got: Vec<&[u8]> = text.lines().collect();
        prop_assert_eq!(got.len(), shown.len(), "{:?}", text.as_bstr());
        prop_assert_eq!(text.find_iter("\r\n").count(), shown.len());
        prop_assert!(!text.contains(&0));
        for (line, entry) in got.into_iter().zip(shown) {
            check_line(line, entry, form, options)?;
        }
    }

    /// Only a star is tried again, and it gives the answer of the model that tries everything.
    #[test]
    fn patterns_match_as_by_hand(pattern in pattern(), name in "[ab\\[\\].-]{1,7}") {
        let wanted = (!name.starts_with('.') || pattern.starts_with('.'))
            && model_matches(pattern.as_bytes(), name.as_bytes());
        prop_assert_eq!(glob_matches(pattern.as_bytes(), name.as_bytes()), wanted);
    }

    #[test]
    fn dates_go_there_and_back(seconds in -1_000_000_000_000_i64..1_000_000_000_000) {
        let date = Civil::from_seconds(seconds);
        prop_assert_eq!(date.to_seconds(), Some(seconds));
        let next = Civil::from_seconds(seconds + 1);
        let order = |c: Civil| (c.year, c.month, c.day, c.hour, c.minute, c.second);
        prop_assert!(order(date) < order(next));
    }

    #[test]
    fn no_moment_is_too_far_to_print(seconds: i64, offset: i32) {
        let date = Timestamp::from_seconds(seconds).civil(offset);
        prop_assert!((1..=12).contains(&date.month) && (1..=31).contains(&date.day));
        prop_assert!(date.hour < 24 && date.minute < 60 && date.second < 60);
    }
}

/// Patterns, of which some are well-formed.
fn pattern() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ab*?\\[\\]!^.-]{0,9}",
        "([ab*?]|\\[[!^]?[]ab.-]{1,3}\\]){1,4}",
        "\\[[!^]?[]ab.-]{1,3}\\]\\*",
    ]
}

/// Lines that begin like commands.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let verb = prop_oneof![
        prop::sample::select(VERBS.to_vec()).prop_map(|verb| verb.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..6),
    ];
    let rest = prop_oneof![
        Just(Vec::new()),
        text(),
        "[ 0-9,|.:A-Za-z;=-]{0,30}".prop_map(String::into_bytes),
        "(HELP|CHMOD|UMASK|UTIME|SYMLINK|MLST|UTF8)? ?[0-7]{0,5} ?.{0,20}"
            .prop_map(String::into_bytes),
    ];
    (verb, rest).prop_map(|(verb, rest)| [&verb[..], b" ", &rest[..]].concat())
}

const VERBS: [&str; 40] = [
    "ABOR", "ALLO", "APPE", "AUTH", "AVBL", "CDUP", "CWD", "DELE", "EPRT", "EPSV", "FEAT", "HELP",
    "LIST", "MDTM", "MFF", "MFMT", "MKD", "MLSD", "MLST", "MODE", "NLST", "NOOP", "OPTS", "PASS",
    "PASV", "PORT", "PWD", "QUIT", "REIN", "REST", "RETR", "RNFR", "RNTO", "SITE", "SIZE", "STAT",
    "STOR", "STOU", "TYPE", "USER",
];

/// What a client may send: commands that lead somewhere, junk, Telnet.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => prop::sample::select(vec![
            "PASV\r\n", "EPSV\r\n", "RETR f\r\n", "STOR f\r\n", "LIST d\r\n", "NLST *\r\n",
            "MLSD\r\n", "ABOR\r\n", "NOOP\r\n", "PWD\r\n", "STAT\r\n", "STAT d\r\n", "CWD d\r\n",
            "RNFR f\r\n", "RNTO g\r\n", "AUTH TLS\r\n", "USER v\r\n", "PASS p\r\n", "TYPE I\r\n",
            "REST 3\r\n", "FEAT\r\n", "DELE f\r\n", "MKD d\n", "\r\n", "PORT 127,0,0,1,200,1\r\n",
        ]).prop_map(|line| line.as_bytes().to_vec()),
        2 => line().prop_map(|line| [&line[..], b"\r\n"].concat()),
        1 => prop::sample::select(vec![
            &b"\xff\xf4\xff\xf2"[..], b"\xff\xff", b"\xff\xfb\x01", b"\xff\xfa\x18\xff\xf0", b"\r", b"\0",
            b"\xff",
        ]).prop_map(<[u8]>::to_vec),
        1 => (50..80_usize).prop_map(|length| vec![b'x'; length]),
    ];
    prop::collection::vec(piece, 0..25)
        .prop_map(|pieces| [&b"USER u\r\nPASS p\r\n"[..], &pieces.concat()].concat())
}

fn argument() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        3 => Just(b"/".to_vec()),
        2 => Just(b".".to_vec()),
        2 => Just(b"..".to_vec()),
        3 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

fn line_ends() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(b"\r\nab".to_vec()), 0..40)
}

/// Through the codec in pieces, with so much room at a time.
fn to_wire(bytes: &[u8], cuts: &[usize], room: usize) -> Vec<u8> {
    let (mut codec, mut wire, mut out) = (ToWire::default(), Vec::new(), vec![0; room]);
    let mut cuts = cuts.iter().cycle();
    let mut rest = bytes;
    while !rest.is_empty() {
        let piece = &rest[..rest.len().min(*cuts.next().unwrap_or(&1))];
        let done = codec.push(piece, &mut out);
        assert!(done.read + done.written > 0, "one byte of room is enough");
        wire.extend_from_slice(&out[..done.written]);
        rest = &rest[done.read..];
    }
    wire.extend_from_slice(&out[..codec.finish(&mut []).written]);
    wire
}

/// As [`to_wire`], the other way round.
fn to_file(bytes: &[u8], cuts: &[usize], room: usize) -> Vec<u8> {
    let (mut codec, mut file, mut out) = (ToFile::default(), Vec::new(), vec![0; room]);
    let mut cuts = cuts.iter().cycle();
    let mut rest = bytes;
    while !rest.is_empty() {
        let piece = &rest[..rest.len().min(*cuts.next().unwrap_or(&1))];
        let done = codec.push(piece, &mut out);
        assert!(done.read + done.written > 0, "one byte of room is enough");
        file.extend_from_slice(&out[..done.written]);
        rest = &rest[done.read..];
    }
    let done = codec.finish(&mut out);
    file.extend_from_slice(&out[..done.written]);
    file
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 1..16),
        "[a-zA-Z .;=-]{1,16}".prop_map(String::into_bytes),
        Just(b"a\r\n226 done".to_vec()),
    ]
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let kind = prop::sample::select(vec![
        Kind::File,
        Kind::Directory,
        Kind::Link,
        Kind::Other,
        Kind::Partial,
    ]);
    let time = prop::option::of(moment());
    let mode = prop::option::of(0..0o10_000_u16);
    (
        kind,
        any::<u64>(),
        time,
        mode,
        any::<Option<(u32, u32, u32)>>(),
        any::<Option<(u64, u64)>>(),
    )
        .prop_map(|(kind, size, modified, mode, numbers, unique)| Metadata {
            kind,
            size,
            modified,
            mode,
            links: numbers.map(|n| n.0),
            owner: numbers.map(|n| n.1),
            group: numbers.map(|n| n.2),
            enterable: None,
            unique,
        })
}

fn form() -> impl Strategy<Value = Form> {
    let facts = Form::Facts {
        facts: FactSet::DEFAULT,
        rights: Rights::ALL,
        capabilities: Capabilities::ALL,
    };
    prop::sample::select(vec![Form::Unix, Form::MsDos, Form::Names, facts])
}

/// All lines of a directory through a buffer of that size.
fn lines(listing: &mut Listing, entries: &[Entry<'_>], room: usize) -> Vec<u8> {
    let mut out = vec![0; room];
    let mut text = Vec::new();
    for entry in entries {
        let mut turns = 0;
        loop {
            let pushed = listing.push(entry, CLOCK, &mut out);
            assert!(out[..pushed.written].is_empty() || out[..pushed.written].ends_with(b"\r\n"));
            text.extend_from_slice(&out[..pushed.written]);
            if pushed.taken {
                break;
            }
            turns += 1;
            assert!(turns < 20, "an empty buffer must have room");
        }
    }
    loop {
        let (written, step) = listing.end_of_directory(CLOCK, &mut out);
        text.extend_from_slice(&out[..written]);
        match step {
            Step::Done => return text,
            Step::More => assert!(written > 0, "an empty buffer must have room"),
            Step::Enter(path) => panic!("{path} is entered without -R"),
        }
    }
}

/// The form that lines have with these options.
fn shape(form: Form, options: ListOptions) -> Form {
    match form {
        Form::Unix | Form::MsDos if options.names_only => Form::Names,
        Form::Names if options.long => Form::Unix,
        form => form,
    }
}

/// A client's reading of a line gives back what went in.
fn check_line(
    line: &[u8],
    entry: &Entry<'_>,
    form: Form,
    options: ListOptions,
) -> Result<(), TestCaseError> {
    let strict: Vec<u8> = entry
        .name
        .iter()
        .map(|&byte| if byte.is_ascii_control() { b'?' } else { byte })
        .collect();
    let loose: Vec<u8> = entry
        .name
        .iter()
        .map(|&byte| {
            if [0, b'\r', b'\n'].contains(&byte) {
                b'?'
            } else {
                byte
            }
        })
        .collect();
    let facts = &entry.metadata;
    let form = shape(form, options);
    let suffix: &[u8] = match (options.classify, facts.kind) {
        (true, Kind::Directory) => b"/",
        (true, Kind::Link) => b"@",
        (true, Kind::File) if facts.mode.is_some_and(|mode| mode & 0o111 != 0) => b"*",
        _ => b"",
    };
    let date = facts.modified.unwrap_or_default().civil(0);
    match form {
        Form::Names => prop_assert_eq!(line, [&loose[..], suffix].concat()),
        Form::Unix => {
            let mut fields = line.splitn_str(2, " ");
            let kind = match facts.kind {
                Kind::File | Kind::Partial => b'-',
                Kind::Directory => b'd',
                Kind::Link => b'l',
                Kind::Other => b's',
            };
            prop_assert_eq!(
                fields.next().map(|field| (field[0], field.len())),
                Some((kind, 10))
            );
            let words: Vec<&[u8]> = words(line).take(8).collect();
            let (size, day) = (facts.size.to_string(), date.day.to_string());
            prop_assert_eq!(words[4], size.as_bytes());
            let months = [
                "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
            ];
            prop_assert_eq!(words[5], months[usize::from(date.month) - 1].as_bytes());
            prop_assert_eq!(words[6], day.as_bytes());
            let shown = match facts.kind {
                Kind::Link if !options.classify => [&strict[..], b" -> a??;b"].concat(),
                _ => [&strict[..], suffix].concat(),
            };
            prop_assert!(
                line.ends_with(&[b" ", &shown[..]].concat()),
                "{:?}",
                line.as_bstr()
            );
        }
        Form::MsDos => {
            let year = date.year.rem_euclid(100);
            let start = format!("{:02}-{:02}-{year:02}  ", date.month, date.day);
            prop_assert!(line.starts_with(start.as_bytes()));
            let size = match facts.kind {
                Kind::Directory => "<DIR>".to_owned(),
                _ => facts.size.to_string(),
            };
            prop_assert_eq!(words(line).nth(2), Some(size.as_bytes()));
            prop_assert!(line.ends_with(&strict));
        }
        Form::Facts { .. } => {
            let kind: &[u8] = match facts.kind {
                Kind::File | Kind::Partial => b"type=file;",
                Kind::Directory => b"type=dir;",
                Kind::Link => b"type=OS.unix=slink;",
                Kind::Other => b"type=OS.unix=special;",
            };
            prop_assert!(line.starts_with(kind), "{:?}", line.as_bstr());
            let Some((set, name)) = line.split_once_str(" ") else {
                return Err(TestCaseError::fail("no name"));
            };
            prop_assert_eq!(name, loose);
            let value = |fact: &str| {
                set.split_str(";")
                    .find_map(|pair| pair.strip_prefix(fact.as_bytes()))
                    .map(|value| value.to_str_lossy().into_owned())
            };
            let has_size = matches!(facts.kind, Kind::File | Kind::Partial);
            let size = has_size.then(|| facts.size.to_string());
            prop_assert_eq!(value("size="), size);
            let time = format!(
                "{:04}{:02}{:02}{:02}{:02}{:02}",
                date.year, date.month, date.day, date.hour, date.minute, date.second
            );
            prop_assert_eq!(value("modify="), facts.modified.map(|_| time));
            prop_assert_eq!(
                value("UNIX.mode="),
                facts.mode.map(|mode| format!("{mode:04o}"))
            );
            let unique = facts
                .unique
                .map(|(device, file)| format!("{device:x}U{file:x}"));
            prop_assert_eq!(value("unique="), unique);
        }
    }
    Ok(())
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&byte| byte == b' ')
        .filter(|word| !word.is_empty())
}

/// Tries every length for every star.
fn model_matches(pattern: &[u8], name: &[u8]) -> bool {
    let Some((&first, rest)) = pattern.split_first() else {
        return name.is_empty();
    };
    if first == b'*' {
        return (0..=name.len()).any(|taken| model_matches(rest, &name[taken..]));
    }
    let Some((&byte, behind)) = name.split_first() else {
        return false;
    };
    if first == b'[' {
        let negated = matches!(rest.first(), Some(b'!' | b'^'));
        let members = &rest[usize::from(negated)..];
        if let Some(close) = members.iter().skip(1).position(|&byte| byte == b']') {
            let (members, rest) = (&members[..=close], &members[close + 2..]);
            let mut found = false;
            let mut at = 0;
            while at < members.len() {
                if at + 2 < members.len() && members[at + 1] == b'-' {
                    found |= (members[at]..=members[at + 2]).contains(&byte);
                    at += 3;
                } else {
                    found |= members[at] == byte;
                    at += 1;
                }
            }
            return found != negated && model_matches(rest, behind);
        }
    }
    (first == b'?' || first == byte) && model_matches(rest, behind)
}

/// Every day of 600 years, counted one by one.
#[test]
fn dates_are_those_of_the_calendar() {
    let (mut year, mut month, mut day) = (1_700_i64, 1_u8, 1_u8);
    let mut seconds = -8_520_336_000_i64;
    while year < 2_300 {
        let date = Civil::from_seconds(seconds + 3_661);
        assert_eq!((date.year, date.month, date.day), (year, month, day));
        assert_eq!((date.hour, date.minute, date.second), (1, 1, 1));
        assert_eq!(date.to_seconds(), Some(seconds + 3_661));
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let last = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        day += 1;
        if day > last {
            let none = Civil { day, ..date };
            assert_eq!(none.to_seconds(), None, "{year}-{month}-{day} is no date");
            day = 1;
            month += 1;
        }
        if month > 12 {
            month = 1;
            year += 1;
        }
        seconds += 86_400;
    }
}

#[test]
fn the_longest_path_is_as_long_as_is_said() {
    let directory = VPath::resolve(&VPath::root(), b"directory").unwrap();
    for (cwd, room) in [
        (VPath::root(), VPath::MAX - 1),
        (directory, VPath::MAX - 11),
    ] {
        let name = vec![b'n'; room + 1];
        let longest = VPath::resolve(&cwd, &name[1..]);
        assert_eq!(longest.map(|path| path.as_bytes().len()), Ok(VPath::MAX));
        assert_eq!(VPath::resolve(&cwd, &name), Err(PathError::TooLong));
    }
}

#[test]
fn what_is_no_date_has_no_seconds() {
    let date = Civil::from_seconds(0);
    for none in [
        Civil { month: 0, ..date },
        Civil { month: 13, ..date },
        Civil { day: 0, ..date },
        Civil { hour: 24, ..date },
        Civil { minute: 60, ..date },
        Civil { second: 60, ..date },
        Civil {
            year: -1_000_001,
            ..date
        },
        Civil {
            year: 1_000_001,
            ..date
        },
    ] {
        assert_eq!(none.to_seconds(), None, "{none:?}");
    }
    for year in [-1_000_000, 1_000_000] {
        assert!(Civil { year, ..date }.to_seconds().is_some(), "{year}");
    }
}

/// The longest patterns against the longest names: what is not bounded by the product of the
/// lengths does not come to an end within a test.
#[test]
fn the_worst_patterns_are_bounded() {
    let name = [b'['; 255];
    let unclosed = [&b"*"[..], &[b'['; 200], &[b'?'; 3_800]].concat();
    let almost_closed = [&b"*"[..], &[b'['; 100], b"]", &[b'['; 100], &[b'a'; 3_800]].concat();
    let stars = b"*[".repeat(2_000);
    let words = [&b"*[[-a]*".repeat(500)[..], b"b"].concat();
    for pattern in [unclosed, almost_closed, stars, words] {
        for _ in 0..1_000 {
            assert!(!glob_matches(&pattern, &name));
        }
    }
}
