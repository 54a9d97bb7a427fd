//! Files that are being written, and what is written to them.

use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::process;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{
    AtFlags, Mode, OFlags, SeekFrom, copy_file_range, fstat, ftruncate, openat, seek, symlinkat,
    unlinkat,
};
use rustix::io::{Errno, pread, pwrite, retry_on_intr, write};
use wharf_core::Failure;

use crate::failure::failure;
use crate::lock::Locked;
use crate::metadata::look;

/// What the name of a file that is being written begins with.
const TEMPORARY: &str = ".wharf-";

/// Makes a locked temporary file. It becomes readable to others when it gets its name.
pub(crate) fn create(directory: impl AsFd) -> Result<(Locked, String), Errno> {
    // To be read as well where it must be copied.
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    loop {
        let name = next_name();
        match openat(&directory, &name, flags, mode) {
            Ok(file) => match Locked::new(file) {
                Ok(file) if look(&file)?.stx_nlink > 0 => return Ok((file, name)),
                // A sweep has come between, which removes it.
                Ok(_) | Err(Errno::AGAIN) => {}
                Err(error) => {
                    unlinkat(&directory, &name, AtFlags::empty())?;
                    return Err(error);
                }
            },
            // A process that was killed has left it.
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Makes a link with that text under a name of its own.
pub(crate) fn create_link(directory: impl AsFd, text: &[u8]) -> Result<String, Errno> {
    loop {
        let name = next_name();
        match symlinkat(text, &directory, &name) {
            Err(Errno::EXIST) => {}
            made => return made.map(|()| name),
        }
    }
}

fn next_name() -> String {
    static SERIAL: AtomicU64 = AtomicU64::new(0);
    static PROCESS: LazyLock<u32> = LazyLock::new(process::id);
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    format!("{TEMPORARY}{}-{serial}", *PROCESS)
}

/// Whether a file with that name was made to be written.
pub(crate) fn is_temporary(name: &[u8]) -> bool {
    let numbers = name.strip_prefix(TEMPORARY.as_bytes());
    numbers.is_some_and(|numbers| {
        numbers
            .iter()
            .all(|&byte| byte.is_ascii_digit() || byte == b'-')
            && numbers.contains(&b'-')
    })
}

pub(crate) fn write_all(file: &Locked, mut bytes: &[u8]) -> Result<(), Failure> {
    while !bytes.is_empty() {
        let written = retry_on_intr(|| write(file, bytes)).map_err(failure)?;
        bytes = &bytes[written..];
    }
    Ok(())
}

/// Cuts off what lies behind the last byte that was written.
pub(crate) fn cut(file: impl AsFd) -> Result<(), Errno> {
    let end = seek(&file, SeekFrom::Current(0))?;
    ftruncate(file, end)
}

/// Copies the bytes from `start` to `end` to the same place in another file, which has none there
/// yet. Holes stay holes, and the kernel lets both share the rest where the file system can.
pub(crate) fn copy(from: impl AsFd, to: impl AsFd, start: u64, end: u64) -> Result<(), Errno> {
    let (from, to) = (from.as_fd(), to.as_fd());
    let mut at = start;
    while at < end {
        let Some(data) = next_data(from, at, end)? else {
            break;
        };
        at = data.end;
        copy_data(from, to, data)?;
    }
    if fstat(from)?.st_size.cast_unsigned() < end {
        // Somebody has cut the file.
        return Err(Errno::IO);
    }
    // A hole at the end has no data that would make the copy so long.
    if fstat(to)?.st_size.cast_unsigned() < end {
        ftruncate(to, end)?;
    }
    Ok(())
}

/// The next bytes that are not a hole.
fn next_data(file: BorrowedFd<'_>, at: u64, end: u64) -> Result<Option<Range<u64>>, Errno> {
    let data = match seek(file, SeekFrom::Data(at)) {
        Ok(data) => data,
        Err(Errno::NXIO) => return Ok(None),
        // A file system that does not know holes has none.
        Err(Errno::INVAL) => return Ok(Some(at..end)),
        Err(error) => return Err(error),
    };
    let hole = seek(file, SeekFrom::Hole(data))?;
    Ok((data < end).then(|| data..hole.min(end)))
}

fn copy_data(from: BorrowedFd<'_>, to: BorrowedFd<'_>, data: Range<u64>) -> Result<(), Errno> {
    let (mut read, mut written, end) = (data.start, data.start, data.end);
    while read < end {
        let length = usize::try_from(end - read)
            .unwrap_or(usize::MAX)
            .min(1 << 30);
        match copy_file_range(from, Some(&mut read), to, Some(&mut written), length) {
            // Somebody has cut the file.
            Ok(0) => return Err(Errno::IO),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL) => {
                return copy_by_hand(from, to, read, end);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn copy_by_hand(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    mut at: u64,
    end: u64,
) -> Result<(), Errno> {
    let mut buffer = vec![0; 64 * 1024];
    while at < end {
        let most = usize::try_from(end - at)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let read = retry_on_intr(|| pread(from, &mut buffer[..most], at))?;
        if read == 0 {
            return Err(Errno::IO);
        }
        let mut written = 0;
        while written < read {
            written += retry_on_intr(|| pwrite(to, &buffer[written..read], at + written as u64))?;
        }
        at += read as u64;
    }
    Ok(())
}
