//! What the system says of a file.

use std::os::fd::AsFd;

use rustix::fs::{AtFlags, FileType, Statx, StatxFlags, makedev, statx};
use rustix::io::Errno;
use rustix::path::Arg;
use wharf_core::{Kind, Metadata, Timestamp};

/// What an open file is.
pub(crate) fn look(file: impl AsFd) -> Result<Statx, Errno> {
    let flags = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    statx(file, c"", AtFlags::EMPTY_PATH, flags)
}

/// What a name in a directory stands for; a link is not followed.
pub(crate) fn look_at(directory: impl AsFd, name: impl Arg) -> Result<Statx, Errno> {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    statx(directory, name, flags, StatxFlags::BASIC_STATS)
}

pub(crate) fn kind(stat: &Statx) -> Kind {
    match FileType::from_raw_mode(stat.stx_mode.into()) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Link,
        _ => Kind::Other,
    }
}

pub(crate) fn is_file(stat: &Statx) -> bool {
    kind(stat).is_file()
}

pub(crate) fn modified(stat: &Statx) -> Timestamp {
    Timestamp {
        seconds: stat.stx_mtime.tv_sec,
        nanos: stat.stx_mtime.tv_nsec,
    }
}

/// Two numbers that tell a file from every other one.
pub(crate) type Identity = (u64, u64);

pub(crate) fn identity(stat: &Statx) -> Identity {
    let device = makedev(stat.stx_dev_major, stat.stx_dev_minor);
    (device, stat.stx_ino)
}

pub(crate) fn metadata(stat: &Statx) -> Metadata {
    Metadata {
        kind: kind(stat),
        size: stat.stx_size,
        modified: Some(modified(stat)),
        mode: Some(stat.stx_mode & 0o7777),
        links: Some(stat.stx_nlink),
        owner: Some(stat.stx_uid),
        group: Some(stat.stx_gid),
        enterable: None,
        unique: Some(identity(stat)),
    }
}

/// The 128-bit hash FNV-1a, which stays the same from one release to the next.
pub(crate) fn fnv(bytes: &[u8]) -> u128 {
    let basis = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    bytes.iter().fold(basis, |hash: u128, &byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    })
}
