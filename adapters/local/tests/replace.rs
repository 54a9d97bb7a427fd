//! What a file keeps when an upload replaces it, and where the directory lets nobody replace it.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::process::Command;

use common::mount::Mount;
use common::*;
use rustix::fs::{XattrFlags, getxattr, setxattr};
use rustix::process::geteuid;
use wharf_core::{Edit, Failure, Reason};
use wharf_local::{LocalOptions, Replace};
use wharf_storage::BlockingStorage;

const ACL: &str = "system.posix_acl_access";
const DEFAULT_ACL: &str = "system.posix_acl_default";

/// An ACL as the kernel takes it: what each entry is about, its bits, its number.
fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (about, bits, number) in entries {
        bytes.extend(about.to_le_bytes());
        bytes.extend(bits.to_le_bytes());
        bytes.extend(number.to_le_bytes());
    }
    bytes
}

/// Entries for the owner, a user, the group, the mask and others.
fn acl_for_user(user: u32, mask: u16, others: u16) -> Vec<u8> {
    let nobody = u32::MAX;
    acl(&[
        (0x01, 6, nobody),
        (0x02, 6, user),
        (0x04, 4, nobody),
        (0x10, mask, nobody),
        (0x20, others, nobody),
    ])
}

fn mode(place: &Place, path: &str) -> u32 {
    let metadata = fs::metadata(place.real(path)).unwrap();
    metadata.permissions().mode() & 0o7777
}

fn attribute(place: &Place, path: &str, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 1024];
    let length = getxattr(place.real(path), name, &mut value[..]).ok()?;
    value.truncate(length);
    Some(value)
}

/// Whether the temporary directory keeps such attributes.
fn sets(place: &Place, path: &str, name: &str, value: &[u8]) -> bool {
    let set = setxattr(place.real(path), name, value, XattrFlags::empty());
    if set.is_err() {
        println!("skipped: no {name} here");
    }
    set.is_ok()
}

#[test]
fn acl_and_attributes_of_the_old_file_are_kept() {
    let place = Place::new();
    place.put("/f", "old");
    let kept = acl_for_user(4_321, 6, 0);
    if !sets(&place, "/f", ACL, &kept) || !sets(&place, "/f", "user.colour", b"blue") {
        return;
    }
    for write in [write_at(0), write_at(1)] {
        place.store(write, "/f", "new").unwrap();
        assert_eq!(attribute(&place, "/f", ACL).unwrap(), kept);
        assert_eq!(attribute(&place, "/f", "user.colour").unwrap(), b"blue");
        assert_eq!(mode(&place, "/f"), 0o660);
    }
}

#[test]
fn owner_and_group_are_kept_and_rights_of_the_program_are_not() {
    if !geteuid().is_root() {
        println!("skipped: not root");
        return;
    }
    let place = Place::new();
    place.put("/f", "old");
    fs::set_permissions(place.real("/f"), Permissions::from_mode(0o750)).unwrap();
    chown(place.real("/f"), Some(4_321), Some(1_234)).unwrap();
    fs::set_permissions(place.real("/f"), Permissions::from_mode(0o6750)).unwrap();
    let capability: Vec<u8> = [0x0200_0001_u32, 1 << 10, 0, 0, 0]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    sets(&place, "/f", "security.capability", &capability);
    place.store(write_at(0), "/f", "new").unwrap();
    let metadata = fs::metadata(place.real("/f")).unwrap();
    assert_eq!((metadata.uid(), metadata.gid()), (4_321, 1_234));
    assert_eq!(mode(&place, "/f"), 0o750);
    assert_eq!(attribute(&place, "/f", "security.capability"), None);
}

#[test]
fn where_a_directory_has_a_default_acl_the_mask_is_not_asked() {
    let nobody = u32::MAX;
    let plain = acl(&[(0x01, 7, nobody), (0x04, 7, nobody), (0x20, 0, nobody)]);
    for (default, bits) in [(acl_for_user(4_321, 7, 0), 0o660), (plain, 0o660)] {
        let place = Place::new();
        if !sets(&place, "/", DEFAULT_ACL, &default) {
            return;
        }
        for name in ["/f", "/g"] {
            place.store(write_at(0), name, "new").unwrap();
            assert_eq!(mode(&place, name), bits);
        }
        // Just as the system would have made it.
        fs::write(place.real("/other"), "").unwrap();
        let expected = attribute(&place, "/other", ACL);
        assert_eq!(attribute(&place, "/f", ACL), expected);
    }
}

/// A home in which a file is a mount of its own, as a single file in a container is.
fn with_mounted_file(replace: Replace) -> Option<(Place, Mount, impl Drop)> {
    struct Unmount(std::path::PathBuf);
    impl Drop for Unmount {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg(&self.0).status();
        }
    }
    let other = Mount::new(&["-t", "tmpfs", "tmpfs"])?;
    fs::write(other.path().join("file"), "0123456789").unwrap();
    let place = Place::with(LocalOptions {
        replace,
        ..options()
    });
    place.put("/f", "");
    let mut mount = Command::new("mount");
    let source = other.path().join("file");
    let status = mount
        .arg("--bind")
        .args([source, place.real("/f")])
        .status();
    assert!(status.unwrap().success());
    let unmount = Unmount(place.real("/f"));
    Some((place, other, unmount))
}

#[test]
fn a_file_that_is_a_mount_is_busy_and_can_still_be_appended_to() {
    let Some((place, _mount, _unmount)) = with_mounted_file(Replace::Rename) else {
        return;
    };
    let stored = place.store(write_at(0), "/f", "new");
    assert_eq!(stored, Err(Failure::Busy));
    assert_eq!(place.get("/f").unwrap(), "0123456789");
    assert_eq!(place.everything(), ["f"]);
    place.store(APPEND, "/f", "!").unwrap();
    assert_eq!(place.get("/f").unwrap(), "0123456789!");
    let delete = place
        .local
        .change(Edit::Delete, &path("/f"), &wharf_core::VPath::root());
    assert_eq!(delete, Err(Failure::Busy));
}

#[test]
fn a_file_that_is_a_mount_may_be_written_over() {
    let Some((place, mount, _unmount)) = with_mounted_file(Replace::InPlaceIfNeeded) else {
        return;
    };
    // Once all of it is there, and not before.
    let mut sink = place.sink(write_at(0), "/f").unwrap();
    sink.write(b"new").unwrap();
    assert_eq!(place.get("/f").unwrap(), "0123456789");
    sink.commit().unwrap();
    assert_eq!(place.get("/f").unwrap(), "new");
    let beneath = fs::read_to_string(mount.path().join("file"));
    assert_eq!(beneath.unwrap(), "new");
    assert_eq!(place.everything(), ["f"]);
}

/// A directory that nobody may change but whose file this user may.
fn as_nobody(test: impl FnOnce(&Place) + Send + 'static, replace: Replace) {
    if !geteuid().is_root() {
        println!("skipped: not root");
        return;
    }
    let place = Place::with(LocalOptions {
        replace,
        ..options()
    });
    place.put("/f", "0123456789");
    fs::create_dir(place.real("/d")).unwrap();
    fs::set_permissions(place.real("/d"), Permissions::from_mode(0o700)).unwrap();
    chown(place.real("/f"), Some(65_534), Some(65_534)).unwrap();
    fs::set_permissions(place.real("/"), Permissions::from_mode(0o755)).unwrap();
    std::thread::spawn(move || {
        use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_thread_uid};
        set_thread_uid(rustix::fs::Uid::from_raw(65_534)).unwrap();
        let none = CapabilitySets {
            effective: CapabilitySet::empty(),
            permitted: CapabilitySet::empty(),
            inheritable: CapabilitySet::empty(),
        };
        set_capabilities(None, none).unwrap();
        test(&place);
    })
    .join()
    .unwrap();
}

#[test]
fn in_a_directory_that_may_not_be_changed_a_file_is_replaced_only_in_place() {
    let refused = |place: &Place| {
        let stored = place.store(write_at(0), "/f", "new");
        assert_eq!(stored, Err(Failure::Denied));
        place.store(APPEND, "/f", "!").unwrap();
        assert_eq!(place.get("/f").unwrap(), "0123456789!");
    };
    as_nobody(refused, Replace::Rename);
    let in_place = |place: &Place| {
        place.store(write_at(0), "/f", "new").unwrap();
        assert_eq!(place.get("/f").unwrap(), "new");
        // Until the first byte arrives nothing has happened.
        place
            .sink(write_at(0), "/f")
            .unwrap()
            .abandon(Reason::NoData);
        assert_eq!(place.get("/f").unwrap(), "new");
        // What arrived is what is left, and whoever goes on behind it ends with the new file.
        place.fail(write_at(0), "/f", "ne").unwrap();
        assert_eq!(place.size("/f"), Ok(2));
        place.store(write_at(2), "/f", "west").unwrap();
        assert_eq!(place.get("/f").unwrap(), "newest");
        // A new name is refused all the same.
        assert_eq!(place.store(write_at(0), "/g", ""), Err(Failure::Denied));
    };
    as_nobody(in_place, Replace::InPlaceIfNeeded);
}

#[test]
fn a_directory_that_cannot_be_entered_is_told_as_such() {
    let sealed = |place: &Place| {
        let enterable = |name: &str| place.local.stat(&path(name)).unwrap().enterable;
        assert_eq!(enterable("/"), Some(true));
        assert_eq!(enterable("/d"), Some(false));
        assert_eq!(enterable("/f"), None);
    };
    as_nobody(
        move |place| {
            sealed(place);
        },
        Replace::Rename,
    );
}

#[test]
fn a_file_moves_between_two_mounts_of_one_home() {
    let Some(mount) = Mount::new(&["-t", "tmpfs", "tmpfs"]) else {
        return;
    };
    let home = mount.path().join("home");
    fs::create_dir_all(home.join("other")).unwrap();
    let mut command = Command::new("mount");
    let status = command
        .args(["-t", "tmpfs", "tmpfs"])
        .arg(home.join("other"));
    assert!(status.status().unwrap().success());
    let local = wharf_local::Local::open(&home, b"alice", options()).unwrap();
    fs::write(home.join("f"), "file").unwrap();
    fs::set_permissions(home.join("f"), Permissions::from_mode(0o640)).unwrap();
    let change = |replace, to: &str, from: &str| {
        local.change(Edit::Rename { replace }, &path(to), &path(from))
    };
    let outcome = std::panic::catch_unwind(|| {
        assert_eq!(change(false, "/other/g", "/f"), DONE);
        assert!(!home.join("f").exists());
        assert_eq!(fs::read_to_string(home.join("other/g")).unwrap(), "file");
        let mode = fs::metadata(home.join("other/g")).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o640);
        fs::write(home.join("f"), "another").unwrap();
        assert_eq!(change(false, "/other/g", "/f"), Err(Failure::Exists));
        assert_eq!(fs::read_to_string(home.join("f")).unwrap(), "another");
        assert_eq!(change(true, "/other/g", "/f"), DONE);
        assert_eq!(fs::read_to_string(home.join("other/g")).unwrap(), "another");
        fs::create_dir(home.join("d")).unwrap();
        assert_eq!(change(false, "/other/d", "/d"), Err(Failure::BadMove));
        let left: Vec<_> = fs::read_dir(home.join("other")).unwrap().collect();
        assert_eq!(left.len(), 1);
    });
    let _ = Command::new("umount").arg(home.join("other")).status();
    outcome.unwrap();
}
