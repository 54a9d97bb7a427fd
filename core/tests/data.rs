//! PORT, PASV, EPRT, EPSV, TYPE, MODE, STRU, REST, ALLO: what is set up before a transfer.

use crate::common::{Scene, logged_in, play};

#[test]
fn pasv_announces_the_address_that_the_embedder_listens_on() {
    logged_in(
        "C: PASV
         A: listen
         E: 127.0.0.1:51210
         S: 227 Entering Passive Mode (127,0,0,1,200,10).
         C: P@SW
         A: listen
         E: 192.0.2.7:65535
         S: 227 Entering Passive Mode (192,0,2,7,255,255).
         C: PASV
         A: listen
         E: [::ffff:192.0.2.7]:1024
         S: 227 Entering Passive Mode (192,0,2,7,4,0).
         C: PASV x
         S: 501",
    );
}

#[test]
fn epsv_announces_the_port_only() {
    logged_in(
        "C: EPSV
         A: listen
         E: 127.0.0.1:51210
         S: 229 Entering Extended Passive Mode (|||51210|)
         C: EPSV 1
         A: listen
         E: 127.0.0.1:51211
         S: 229
         C: EPSV 2
         S: 522 Network protocol not supported, use (1).
         C: EPSV 3
         S: 522 Network protocol not supported, use (1,2).
         C: EPSV x
         S: 501",
    );
    Scene::new().address("2001:db8::1").logged_in(
        "C: EPSV
         A: listen
         E: [2001:db8::1]:51210
         S: 229 Entering Extended Passive Mode (|||51210|)
         C: EPSV 2
         A: listen
         E: [2001:db8::1]:51211
         S: 229
         C: EPSV 1
         S: 522 Network protocol not supported, use (2).
         C: PASV
         S: 502 PASV cannot carry an IPv6 address; use EPSV.",
    );
}

#[test]
fn no_port_for_data_is_425_and_leaves_nothing_behind() {
    logged_in(
        "C: PASV
         A: listen
         E: Busy
         S: 425 No port is free for a data connection.
         C: EPSV
         A: listen
         E: Io
         S: 425
         C: LIST
         S: 425 Use PASV, EPSV, PORT or EPRT first.
         C: PASV
         A: listen
         E: [2001:db8::1]:51210
         A: close-data
         E: ok
         S: 425 No IPv4 address to announce; use EPSV.
         C: LIST
         S: 425",
    );
}

#[test]
fn epsv_that_does_not_lead_to_the_embedder_is_502() {
    logged_in(
        "C: EPSV
         A: listen
         E: Unsupported
         S: 502 EPSV does not lead here; use PASV.
         C: LIST
         S: 425 Use PASV, EPSV, PORT or EPRT first.
         C: PASV
         A: listen
         E: 127.0.0.1:51210
         S: 227 Entering Passive Mode (127,0,0,1,200,10).",
    );
}

#[test]
fn an_ipv4_client_on_a_dual_stack_socket_is_an_ipv4_client() {
    Scene::new().address("::ffff:127.0.0.1").logged_in(
        "C: PASV
         A: listen
         E: [::ffff:127.0.0.1]:51210
         S: 227 Entering Passive Mode (127,0,0,1,200,10).
         C: RETR f
         A: open /f read@0
         E: opened 5
         A: accept 127.0.0.1
         E: Refused
         A: close-data
         E: ok
         A: finish abandon NoData
         E: ok
         S: 425
         C: EPRT |2|::ffff:127.0.0.1|51210|
         S: 200
         C: RETR f
         A: open /f read@0
         E: opened 5
         A: dial 127.0.0.1:51210",
    );
}

#[test]
fn port_and_eprt_go_to_the_client_and_nobody_else() {
    logged_in(
        "C: PORT 127,0,0,1,4,0
         S: 200 Data goes there.
         C: EPRT |1|127.0.0.1|65535|
         S: 200
         C: PORT 127,0,0,2,200,10
         S: 501 Data connections go to your own address, port 1024 or higher.
         C: PORT 127,0,0,1,3,255
         S: 501
         C: EPRT |1|127.0.0.1|0|
         S: 501
         C: EPRT |2|::1|51210|
         S: 522 Use (1).
         C: EPRT |3|x|1|
         S: 522 Network protocol not supported, use (1,2).
         C: EPRT |x|127.0.0.1|51210|
         S: 501
         C: EPRT |1|127.0.0.1|51210|x
         S: 501
         C~: EPRT \\x011\\x01127.0.0.1\\x0151210\\x01\\r\\n
         S: 501
         C: PORT 127,0,0,1,200
         S: 501 Usage: PORT <SP> h1,h2,h3,h4,p1,p2
         C: LIST
         A: open / entries
         E: opened
         A: dial 127.0.0.1:65535",
    );
    Scene::new().address("2001:db8::1").logged_in(
        "C: EPRT |1|127.0.0.1|51210|
         S: 522 Use (2).
         C: PORT 127,0,0,1,200,10
         S: 522
         C: EPRT |2|2001:db8::1|51210|
         S: 200
         C: EPRT |2|2001:db8::2|51210|
         S: 501",
    );
}

/// An unspecified address is never dialled, as it would be this machine.
#[test]
fn an_unspecified_address_is_that_of_the_client() {
    Scene::new().address("2001:db8::1").logged_in(
        "C: PORT 0,0,0,0,200,10
         S: 522
         C: EPRT |2|::|1023|
         S: 501
         C: EPRT |2|::|51210|
         S: 200
         C: LIST
         A: open / entries
         E: opened
         A: dial [2001:db8::1]:51210",
    );
    logged_in(
        "C: EPRT |2|::|51210|
         S: 522
         C: PORT 0,0,0,0,200,10
         S: 200
         C: LIST
         A: open / entries
         E: opened
         A: dial 127.0.0.1:51210",
    );
}

#[test]
fn the_last_of_pasv_and_port_counts() {
    logged_in(
        "C: PASV
         A: listen
         E: 127.0.0.1:51210
         S: 227
         C: PORT 127,0,0,1,200,10
         A: close-data
         E: ok
         S: 200
         C: PASV
         A: listen
         E: 127.0.0.1:51211
         S: 227
         C: PASV
         A: listen
         E: 127.0.0.1:51212
         S: 227
         C: RETR f
         A: open /f read@0
         E: opened 5
         A: accept 127.0.0.1",
    );
}

#[test]
fn a_refused_port_leaves_what_stood_ready() {
    logged_in(
        "C: PASV
         A: listen
         E: 127.0.0.1:51210
         S: 227
         C: PORT 127,0,0,2,200,10
         S: 501
         C: RETR f
         A: open /f read@0
         E: opened 5
         A: accept 127.0.0.1",
    );
}

#[test]
fn what_is_not_offered_is_502() {
    let scene = Scene::new().config(|config| config.passive = false);
    scene.logged_in(
        "C: PASV
         S: 502 Passive mode is not offered.
         C: EPSV
         S: 502
         C: PORT 127,0,0,1,200,10
         S: 200",
    );
    let scene = Scene::new().config(|config| config.active = false);
    scene.logged_in(
        "C: PORT 127,0,0,1,200,10
         S: 502 Active mode is not offered.
         C: EPRT |1|127.0.0.1|51210|
         S: 502
         C: PASV
         A: listen
         E: 127.0.0.1:51210
         S: 227",
    );
}

/// RFC 2428 section 4.
#[test]
fn after_epsv_all_there_is_nothing_but_epsv() {
    logged_in(
        "C: EPSV all
         S: 200 Only EPSV from now on.
         C: PASV
         S: 501 Only EPSV after EPSV ALL.
         C: PORT 127,0,0,1,200,10
         S: 501
         C: EPRT |1|127.0.0.1|51210|
         S: 501
         C: EPSV
         A: listen
         E: 127.0.0.1:51210
         S: 229
         C: RETR f
         A: open /f read@0
         E: opened 5
         A: accept 127.0.0.1
         E: NoResources
         A: close-data
         E: ok
         A: finish abandon NoData
         E: ok
         S: 425 No data connection.
         C: PASV
         S: 501",
    );
}

#[test]
fn types_modes_and_structures_that_are_offered() {
    logged_in(
        "C: TYPE A
         S: 200 Type is ASCII.
         C: type i
         S: 200 Type is image.
         C: TYPE A N
         S: 200 Type is ASCII.
         C: TYPE L 8
         S: 200 Type is image.
         C: TYPE E
         S: 504 Not implemented for that parameter.
         C: TYPE A T
         S: 504
         C: TYPE L 7
         S: 504
         C: TYPE
         S: 501 Usage: TYPE <SP> A, I or L 8
         C: MODE s
         S: 200
         C: MODE B
         S: 504
         C: MODE
         S: 501
         C: STRU F
         S: 200
         C: STRU R
         S: 504
         C: STRU
         S: 501",
    );
}

#[test]
fn a_refused_type_leaves_the_old_one() {
    logged_in(
        "C: TYPE E
         S: 504
         C: STAT
         S: 211-Status:
         S:  Connected from 127.0.0.1
         S:  Logged in as u
         S:  TYPE: Image, STRUcture: File, MODE: Stream
         S:  No transfer runs
         S: 211 End.",
    );
}

#[test]
fn rest_takes_an_offset_that_a_file_can_have() {
    logged_in(
        "C: REST 5
         S: 350 Restarting at 5.
         C: REST 9223372036854775807
         S: 350 Restarting at 9223372036854775807.
         C: REST 9223372036854775808
         S: 501 No file is that long.
         C: REST 18446744073709551616
         S: 501 Usage: REST <SP> offset
         C: REST -1
         S: 501
         C: REST
         S: 501
         C: REST 0
         S: 350 Restarting at 0.",
    );
}

#[test]
fn in_type_a_a_transfer_begins_at_its_beginning() {
    logged_in(
        "C: TYPE A
         S: 200
         C: REST 5
         S: 501 REST works in TYPE I only.
         C: REST 0
         S: 350",
    );
}

/// Clients send REST before PASV and behind it.
#[test]
fn rest_is_for_the_next_transfer_whatever_comes_between() {
    logged_in(
        "C: REST 5
         S: 350
         C: NOOP
         S: 200
         C: PASV
         A: listen
         E: 127.0.0.1:51210
         S: 227
         C: REST abc
         S: 501
         C: RETR f
         A: open /f read@5
         E: NotFound
         S: 550
         C: RETR f
         A: open /f read@0
         E: NotFound
         S: 550
         C: REST 5
         S: 350
         C: LIST
         A: open / entries
         E: Denied
         S: 550
         C: RETR f
         A: open /f read@0
         E: NotFound
         S: 550",
    );
}

#[test]
fn a_transfer_that_is_refused_uses_the_offset_up() {
    for refused in ["RETR f", "STOR f", "APPE f", "STOU", "LIST", "NLST", "MLSD"] {
        logged_in(&format!(
            "C: REST 5
             S: 350
             C: {refused}
             S: 425
             C: PASV
             A: listen
             E: 127.0.0.1:51210
             S: 227
             C: RETR f
             A: open /f read@0"
        ));
    }
}

#[test]
fn allo_is_noted_and_answered_200() {
    logged_in(
        "C: ALLO 5
         A: available /
         E: 1000000
         S: 200 Noted.
         C: ALLO 5 R 7
         A: available /
         E: 1000000
         S: 200
         C: ALLO 5 7
         S: 501
         C: ALLO 5:
         S: 501
         C: ALLO x
         S: 501
         C: ALLO 99999999999999999999
         S: 501
         C: PRET RETR f
         S: 200",
    );
}

#[test]
fn tls_is_known_and_not_there() {
    play(
        "S: 220
         C: AUTH TLS
         S: 502 TLS is not available.
         C: PBSZ 0
         S: 502
         C: PBSZ 4294967296
         S: 501
         C: PROT P
         S: 502",
    );
    logged_in(
        "C: CCC
         S: 502",
    );
}

#[test]
fn allo_of_more_than_there_is_room_for_is_refused() {
    logged_in(
        "C: ALLO 1000
         A: available /
         E: 999
         S: 452 No space left.
         C: ALLO 1000
         A: available /
         E: Quota
         S: 552 Quota exceeded.
         C: ALLO 1000
         A: available /
         E: 1000
         S: 200
         C: ALLO 1000
         A: available /
         E: Io
         S: 200
         C: ALLO 1000
         A: available /
         E: decline
         S: 200",
    );
    // Whoever may not write is told nothing of the disk.
    crate::common::Scene::new()
        .rights(wharf_core::Rights::READ)
        .logged_in("C: ALLO 1000\nS: 200");
}
