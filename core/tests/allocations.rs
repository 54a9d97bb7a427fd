//! A busy session allocates nothing for a command, and an idle one is small.

use allocation_counter::measure;
use wharf_core::listing::{Form, ListOptions, Listing};
use wharf_core::{Action, Entry, Flow, Kind, Metadata, Notes, Session};

use crate::common::peer::CLOCK;
use crate::common::{Peer, Scene};

/// A session behind a login that has run the commands already.
fn warm(notes: Notes, commands: &[&str]) -> Peer {
    let scene = Scene::new().config(|config| config.notes = notes);
    let mut peer = scene.logged_in("");
    // The tests' own buffers must not grow either.
    peer.reads = false;
    peer.unsent = Vec::new();
    for _ in 0..3 {
        run(&mut peer, commands);
        while peer.session.note().is_some() {}
    }
    peer
}

/// Runs lines to their end with an embedder that allocates nothing.
fn run(peer: &mut Peer, commands: &[&str]) {
    for line in commands {
        let taken = peer.session.receive(peer.now, line.as_bytes());
        assert_eq!(taken, line.len());
        while let Some(action) = peer.session.poll() {
            let event = quick::answer(action);
            assert!(peer.session.handle(peer.now, event).is_ok());
        }
        let count = peer.session.transmit().len();
        assert!(count > 0, "{line} got no reply");
        peer.session.transmitted(peer.now, count);
    }
}

/// Success without words.
mod quick {
    use wharf_core::{Action, Changed, End, Event, Kind, Metadata, Opened, Transferred};

    pub(super) fn answer(action: Action) -> Event {
        let directory = Metadata {
            kind: Kind::Directory,
            ..Metadata::default()
        };
        match action {
            Action::Stat(ticket) => ticket.done(Ok(directory)),
            Action::Change(ticket, _) => ticket.done(Ok(Changed::default())),
            Action::Open(ticket, _) => ticket.done(Ok(Opened::file(Some(5)))),
            Action::Listen(ticket) => ticket.done(Ok(([127, 0, 0, 1], 51_210).into())),
            Action::OpenData(ticket, _) => ticket.done(Ok(())),
            Action::Transfer(ticket, _) => ticket.done(Transferred::new(5, End::Clean)),
            Action::CloseData(ticket) => ticket.done(()),
            Action::Finish(ticket, _) => ticket.done(Ok(())),
            other => panic!("{other:?} is not asked for here"),
        }
    }
}

#[test]
fn a_busy_session_allocates_nothing_for_a_command() {
    let cycles: [&[&str]; 8] = [
        &["NOOP\r\n"],
        &["PWD\r\n"],
        &["TYPE A\r\n", "TYPE I\r\n"],
        &["CWD /some/directory\r\n", "CDUP\r\n"],
        &[
            "FEAT\r\n",
            "HELP\r\n",
            "SYST\r\n",
            "STAT\r\n",
            "SITE HELP\r\n",
        ],
        &[
            "DELE file\r\n",
            "MKD directory\r\n",
            "MFMT 20200101000000 file\r\n",
        ],
        &["EPSV\r\n", "REST 1\r\n", "RETR file\r\n"],
        &["PASV\r\n", "STOR file\r\n", "XYZZY\r\n"],
    ];
    for cycle in cycles {
        let mut peer = warm(Notes::None, cycle);
        let info = measure(|| run(&mut peer, cycle));
        assert_eq!(info.count_total, 0, "{cycle:?}");
    }
}

/// Nor do notes cost anything where nothing happens that is worth one.
#[test]
fn an_audited_session_allocates_nothing_for_what_changes_nothing() {
    let cycles: [&[&str]; 3] = [
        &["NOOP\r\n", "PWD\r\n", "TYPE I\r\n"],
        &[
            "CWD /some/directory\r\n",
            "CDUP\r\n",
            "MDTM f\r\n",
            "XYZZY\r\n",
        ],
        &["EPSV\r\n", "REST 1\r\n"],
    ];
    for cycle in cycles {
        let mut peer = warm(Notes::Audit, cycle);
        let info = measure(|| run(&mut peer, cycle));
        assert_eq!(info.count_total, 0, "{cycle:?}");
        assert_eq!(peer.session.note(), None, "{cycle:?}");
    }
}

#[test]
fn pipelined_commands_allocate_nothing_either() {
    let lines = "NOOP\r\nPWD\r\nTYPE I\r\n".repeat(20);
    let mut peer = warm(Notes::None, &[&lines]);
    let info = measure(|| run(&mut peer, &[&lines]));
    assert_eq!(info.count_total, 0);
}

/// GOALS.md: an idle session, heap and all.
#[test]
fn an_idle_session_is_small() {
    let mut peer = warm(
        Notes::None,
        &[
            "CWD /some/directory\r\n",
            "PASV\r\n",
            "RETR file\r\n",
            "FEAT\r\n",
            "RNFR f\r\n",
        ],
    );
    peer.wait(std::time::Duration::from_secs(1));
    let (fixed, heap) = (size_of::<Session>(), peer.session.heap_size());
    println!("a session is {fixed} bytes, and {heap} on the heap");
    assert!(fixed + heap <= 1_536, "{fixed} + {heap}");
}

/// What [`Session::heap_size`] says is what the allocator sees, at rest and with a command in hand.
#[test]
fn the_heap_of_a_session_is_told_honestly() {
    for (notes, before, in_hand) in [
        (Notes::None, "FEAT\r\n", ""),
        (Notes::Commands, "FEAT\r\n", "NOOP\r\nRNTO another\r\n"),
        (Notes::Commands, "USER u\r\n", "PASS secret\r\n"),
        (Notes::None, "EPSV\r\n", "LIST -lR some/directory/*.txt\r\n"),
        (Notes::None, "EPSV\r\n", "MLSD another/directory\r\n"),
    ] {
        let mut told = 0;
        let mut kept = None;
        let info = measure(|| {
            let lines = ["CWD /some/directory\r\n", "RNFR f\r\n", before];
            let mut peer = warm(notes, &lines);
            peer.wait(std::time::Duration::from_secs(1));
            let _ = peer.session.receive(peer.now, in_hand.as_bytes());
            while peer.session.note().is_some() {}
            told = peer.session.heap_size();
            // Only the session stays; its configuration is shared with others.
            peer.replies = Vec::new();
            peer.data = Vec::new();
            peer.notes = Vec::new();
            kept = Some(peer);
        });
        drop(kept);
        let config = size_of::<wharf_core::Config>() + 2 * size_of::<usize>();
        let seen = usize::try_from(info.bytes_current).unwrap_or_default() - config;
        assert_eq!(told, seen, "{in_hand}");
    }
}

/// So are the notes that nobody has taken, and what is in them.
#[test]
fn notes_count_to_the_heap_of_a_session() {
    let lines = [
        "DELE file\r\n",
        "MKD directory\r\n",
        "SITE CHMOD 600 file\r\n",
    ];
    let mut peer = warm(Notes::Audit, &lines);
    run(&mut peer, &lines);
    let before = peer.session.heap_size();
    let freed = measure(|| while peer.session.note().is_some() {});
    peer.wait(std::time::Duration::from_secs(1));
    let after = peer.session.heap_size();
    assert!(freed.bytes_current < 0, "{freed:?}");
    let names = usize::try_from(-freed.bytes_current).unwrap_or_default();
    assert!(before - after >= names + 3 * size_of::<wharf_core::Note>());
}

/// So does a listing until it is handed over.
#[test]
fn a_listing_counts_to_the_heap_of_a_session_until_it_is_polled() {
    for lines in [&["STAT -R d\r\n"][..], &["EPSV\r\n", "LIST -R d\r\n"]] {
        let mut peer = warm(Notes::None, &[]);
        let mut handed_over = 0;
        for line in lines {
            let _ = peer.session.receive(peer.now, line.as_bytes());
            while handed_over == 0 {
                let before = peer.session.heap_size();
                let Some(action) = peer.session.poll() else {
                    break;
                };
                let listing = match &action {
                    Action::Report(_, _, listing) => listing,
                    Action::Transfer(_, plan) => match &plan.flow {
                        Flow::List(listing) => listing,
                        other => panic!("{other:?} is no listing"),
                    },
                    _ => {
                        let event = quick::answer(action);
                        assert!(peer.session.handle(peer.now, event).is_ok());
                        continue;
                    }
                };
                handed_over = listing.heap_size();
                assert_eq!(before - peer.session.heap_size(), handed_over);
            }
        }
        assert!(handed_over > 0, "{lines:?}");
    }
}

/// So does a listing that keeps names to sort them, and directories to enter.
#[test]
fn the_heap_of_a_listing_is_told_honestly() {
    let mut told = 0;
    let mut kept = None;
    let info = measure(|| {
        let (options, _) = ListOptions::parse(b"-lRt");
        let mut listing = Listing::new(Form::Unix, options);
        let metadata = Metadata::of_kind(Kind::Directory);
        let mut out = vec![0; Listing::MAX_LINE];
        for at in 0..100 {
            let name = format!("directory {at}");
            let entry = Entry::new(name.as_str(), metadata).with_target(Some("target".into()));
            assert!(listing.push(&entry, CLOCK, &mut out).taken);
        }
        // One line is out, and its directory waits.
        let (written, _) = listing.end_of_directory(CLOCK, &mut out[..500 + 4_096]);
        assert!(written > 0);
        told = listing.heap_size();
        kept = Some(listing);
    });
    drop(kept);
    assert!(told > 100 * size_of::<Metadata>(), "{told}");
    assert_eq!(i64::try_from(told), Ok(info.bytes_current));
}

/// However many directories there are, and however deep.
#[test]
fn a_tree_is_listed_in_bounded_memory() {
    let info = measure(|| {
        let (options, _) = ListOptions::parse(b"-1R");
        let mut listing = Listing::new(Form::Unix, options);
        let mut out = vec![0; Listing::MAX_LINE];
        let name = "d".repeat(1_000);
        let metadata = Metadata {
            kind: Kind::Directory,
            ..Metadata::default()
        };
        let entry = Entry::new(name.as_str(), metadata);
        for _ in 0..50 {
            for _ in 0..300 {
                while !listing.push(&entry, CLOCK, &mut out).taken {}
            }
            let _ = listing.end_of_directory(CLOCK, &mut out);
        }
    });
    assert!(info.bytes_max < 512 * 1_024, "{info:?}");
}
