//! FileZilla with a bucket.

use super::{Bucket, PART, break_off};
use crate::clients::filezilla::{lists_downloads_and_uploads, sends};
use crate::clients::noise;
use crate::{Program, cases};

cases! { "buckets";
    filezilla_lists_downloads_and_uploads("filezilla", "Xvfb", "xdotool", "seaweedfs/bin/weed"),
    filezilla_goes_on_behind_half_a_file("filezilla", "Xvfb", "xdotool", "seaweedfs/bin/weed"),
    filezilla_sends_again_what_broke_off("filezilla", "Xvfb", "xdotool", "seaweedfs/bin/weed"),
}

fn filezilla_lists_downloads_and_uploads(program: &Program) {
    lists_downloads_and_uploads(&Bucket::new().serve(program));
}

/// What stands there is copied within the store.
fn filezilla_goes_on_behind_half_a_file(program: &Program) {
    let server = Bucket::new().serve(program);
    let content = noise(1, 3 * PART);
    server.login().store("hello.bin", &content[..PART + 1000]);
    sends(&server, &content, Some(PART + 1000));
}

/// It looks at the listing, in which nothing is that broke off, and never asks SIZE.
fn filezilla_sends_again_what_broke_off(program: &Program) {
    let server = Bucket::new().serve(program);
    let content = noise(1, 4 * PART);
    break_off(&server, "hello.bin", &content[..3 * PART + 1000]);
    sends(&server, &content, None);
}
