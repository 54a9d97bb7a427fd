//! [`Download`]: an object that is read.

use std::io::{self, Read};
use std::sync::Arc;

use wharf_core::{Failure, VPath};
use wharf_storage::{BlockingSource, Wanted};

use crate::client::Refused;
use crate::tree::{Found, Tree};
use crate::wire::{Head, Request};

/// So often in a row a connection may end without a byte.
const FRUITLESS: u32 = 5;

/// An object that is read from an offset on. It stays the version that was opened: a connection that ends
/// too early is made anew, for the rest of that version.
pub(crate) struct Download {
    tree: Arc<Tree>,
    key: String,
    etag: Option<String>,
    size: u64,
    /// The next byte.
    at: u64,
    body: Option<Box<dyn Read + Send>>,
    /// How often in a row a connection ended without a byte.
    fruitless: u32,
}

impl Download {
    /// Opens an object at an offset, and returns its whole length too.
    pub(crate) fn open(
        tree: &Arc<Tree>,
        path: &VPath,
        offset: u64,
        wanted: &Wanted,
    ) -> Result<(Self, u64), Failure> {
        if path.is_root() {
            return Err(Failure::IsADirectory);
        }
        let key = tree.key(path)?;
        let answer = match tree
            .store
            .client
            .open(&Request::get(&key, offset, None), wanted)
        {
            Ok(answer) => answer,
            Err(refused) if refused.is_absent() => {
                return Err(match tree.is_prefix(&tree.directory(path)?, wanted)? {
                    true => Failure::IsADirectory,
                    false => Failure::NotFound,
                });
            }
            Err(refused) if refused.status() == Some(416) => {
                return Self::at_end(tree, path, key, offset, wanted);
            }
            Err(refused) => return Err(refused.failure()),
        };
        let mut body = answer.body;
        let head = if answer.status == 206 {
            let (head, range) = Head::of_rest(answer.headers).ok_or(Failure::Io)?;
            if range.first != offset {
                return Err(Failure::Io);
            }
            head
        } else {
            let head = Head::of(answer.headers);
            if offset > head.size {
                return Err(Failure::PastEnd);
            }
            // A store that knows no ranges sends all of it.
            skip(&mut body, offset)?;
            head
        };
        let size = head.size;
        let download = Self {
            tree: Arc::clone(tree),
            key,
            etag: head.etag,
            size,
            at: offset,
            body: Some(body),
            fruitless: 0,
        };
        Ok((download, size))
    }

    /// Opens an object at an offset where it has no bytes: its end, or behind it.
    fn at_end(
        tree: &Arc<Tree>,
        path: &VPath,
        key: String,
        offset: u64,
        wanted: &Wanted,
    ) -> Result<(Self, u64), Failure> {
        let Found::File(head) = tree.look(path, wanted)? else {
            return Err(Failure::NotFound);
        };
        if offset != head.size {
            return Err(Failure::PastEnd);
        }
        let download = Self {
            tree: Arc::clone(tree),
            key,
            etag: head.etag,
            size: head.size,
            at: offset,
            body: None,
            fruitless: 0,
        };
        Ok((download, offset))
    }

    /// Asks for the rest.
    fn continue_(&mut self) -> Result<Box<dyn Read + Send>, Failure> {
        let request = Request::get(&self.key, self.at, self.etag.as_deref());
        let opened = self.tree.store.client.open(&request, &Wanted::default());
        let answer = opened.map_err(|refused| self.changed_or(&refused))?;
        // Some stores ignore the condition.
        if answer.headers.get("etag") != self.etag.as_deref() {
            return Err(Failure::Io);
        }
        let mut body = answer.body;
        if answer.status != 206 {
            skip(&mut body, self.at)?;
        }
        Ok(body)
    }

    /// Returns why the rest is not there: the object that was opened is gone, or what is told.
    fn changed_or(&self, refused: &Refused) -> Failure {
        if refused.is_absent() || refused.status() == Some(412) {
            tracing::info!(key = %self.key, at = self.at, "an object was replaced while it was read");
            return Failure::Io;
        }
        refused.failure()
    }
}

impl BlockingSource for Download {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        loop {
            if self.at >= self.size {
                self.body = None;
                return Ok(0);
            }
            let mut body = match self.body.take() {
                Some(body) => body,
                None => self.continue_()?,
            };
            let most = usize::try_from(self.size - self.at).unwrap_or(usize::MAX);
            let room = buffer.len().min(most);
            match body.read(&mut buffer[..room]) {
                Ok(read @ 1..) => {
                    self.at += read as u64;
                    self.fruitless = 0;
                    self.body = Some(body);
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => self.body = Some(body),
                Ok(0) | Err(_) => {
                    self.fruitless += 1;
                    if self.fruitless > FRUITLESS {
                        return Err(Failure::Io);
                    }
                }
            }
        }
    }
}

fn skip(body: &mut Box<dyn Read + Send>, count: u64) -> Result<(), Failure> {
    let skipped = io::copy(&mut body.by_ref().take(count), &mut io::sink());
    match skipped {
        Ok(skipped) if skipped == count => Ok(()),
        _ => Err(Failure::Io),
    }
}
