//! Uploads that broke off: who learns of them, and how they are continued.

use wharf_core::Rights;

use crate::common::{Scene, logged_in, passive};
use crate::listing::listed;

#[test]
fn size_alone_tells_how_much_can_be_continued() {
    logged_in(
        "C: SIZE f
         A: stat /f
         E: partial 8192
         S: 213 8192
         C: MDTM f
         A: stat /f
         E: partial 8192
         S: 550 No such file or directory.
         C: MLST f
         A: stat /f
         E: partial 8192
         S: 550 No such file or directory.
         C: STAT f
         A: stat /f
         E: partial 8192
         S: 550 No such file or directory.
         C: CWD f
         A: stat /f
         E: partial 8192
         S: 550 No such file or directory.
         C: RNFR f
         A: stat /f
         E: partial 8192
         S: 550 No such file or directory.",
    );
}

#[test]
fn the_right_to_write_is_enough_to_ask() {
    Scene::new().rights(Rights::WRITE).logged_in(
        "C: SIZE f
         A: stat /f
         E: partial 8192
         S: 213 8192",
    );
}

#[test]
fn in_type_a_no_offset_means_the_same_to_both() {
    passive(
        "C: SIZE f
         A: stat /f
         E: partial 8192
         S: 213 8192
         C: TYPE A
         S: 200
         C: SIZE f
         A: stat /f
         E: partial 8192
         S: 550 No such file or directory.
         C: APPE f
         A: open /f append replace or-nothing
         E: BrokenOff
         S: 554 The last upload of this file broke off; send it from the beginning.",
    );
}

#[test]
fn appe_says_what_the_session_was_told() {
    passive(
        "C: SIZE f
         A: stat /f
         E: partial 8192
         S: 213
         C: APPE f
         A: open /f append@8192 replace
         E: BrokenOff
         S: 554 The last upload of this file broke off; send it from the beginning.
         C: APPE f
         A: open /f append replace
         E: BrokenOff
         S: 554",
    );
    passive(
        "C: SIZE f
         A: stat /f
         E: partial 8192
         S: 213
         C: APPE g
         A: open /g append replace
         E: NotFound
         S: 550
         C: CWD /
         A: stat /
         E: dir
         S: 250
         C: APPE ./f
         A: open /f append@8192 replace
         E: NotFound
         S: 550",
    );
    // A file that was finished meanwhile has a length of its own.
    passive(
        "C: SIZE f
         A: stat /f
         E: partial 8192
         S: 213
         C: SIZE f
         A: stat /f
         E: file 9000
         S: 213 9000
         C: APPE f
         A: open /f append replace
         E: NotFound
         S: 550",
    );
}

#[test]
fn what_was_told_ends_with_the_login() {
    passive(
        "C: SIZE f
         A: stat /f
         E: partial 8192
         S: 213
         C: USER v
         A: close-data
         E: ok
         S: 331
         C: PASS p
         A: login v
         E: ok
         S: 230
         C: TYPE I
         S: 200
         C: PORT 127,0,0,1,200,10
         S: 200
         C: APPE f
         A: open /f append replace
         E: NotFound
         S: 550",
    );
}

#[test]
fn appe_behind_rest_is_stor_behind_rest() {
    passive(
        "C: REST 4096
         S: 350
         C: APPE f
         A: open /f write@4096 replace
         E: BrokenOff
         S: 554
         C: APPE f
         A: open /f append replace
         E: NotFound
         S: 550",
    );
}

#[test]
fn a_listing_has_them_where_the_storage_yields_them_and_a_length_is_told() {
    let told = |command: &str, lines: &str| {
        let lines = format!("D: partial f 8192\n{lines}\nD: end");
        listed(&Scene::new(), command, &lines);
    };
    told(
        "LIST",
        "L: -rw-r--r--   1 ftp      ftp               8192 May  2 09:01 f",
    );
    told(
        "MLSD",
        "L: type=file;size=8192;modify=20180502090100;perm=adw; f",
    );
    told("NLST", "");
    logged_in(
        "C: STAT /
         A: stat /
         E: dir
         A: report / entries
         D: partial f 8192
         D: end
         E: ok
         S: 212",
    );
}
