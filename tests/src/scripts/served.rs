//! [`Served`]: what is in the directory by what the replies have said, and what shall come of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use wharf_script::{Line, Told, letters, number};

use super::scene::LARGE;

/// The content of each file by name, nothing for a directory.
type Tree = BTreeMap<String, Option<Vec<u8>>>;

pub(super) struct Served {
    home: PathBuf,
    tree: Tree,
    /// What REST said.
    offset: usize,
    download: Option<Download>,
    upload: Option<Upload>,
    /// From where, and to where if that is known.
    rename: Option<(String, Option<String>)>,
}

/// A download, or a listing.
struct Download {
    name: String,
    /// What shall come; of a listing only the names are known.
    wanted: Option<Vec<u8>>,
    came: Vec<u8>,
    /// While it is sent the file is cut off to so many bytes.
    cut: Option<usize>,
}

struct Upload {
    name: String,
    offset: usize,
    sent: Vec<u8>,
}

impl Served {
    /// Each script begins with a file `f` and an empty directory `d`.
    pub(super) fn begin(home: &Path) -> Self {
        fs::create_dir(home.join("d")).expect("a directory");
        let mut served = Self {
            home: home.to_owned(),
            tree: Tree::from([("d".into(), None)]),
            offset: 0,
            download: None,
            upload: None,
            rename: None,
        };
        served.put("f", letters(b'a', 1_000));
        served
    }

    fn put(&mut self, name: &str, content: Vec<u8>) {
        fs::write(self.home.join(name), &content).expect("a file");
        self.tree.insert(name.into(), Some(content));
    }

    /// A command that will be sent.
    pub(super) fn command(&mut self, verb: &str, argument: &str, ahead: &[Line]) {
        match verb {
            "REST" => self.offset = number(argument),
            "RETR" => self.retrieve(argument, ahead),
            "LIST" => {
                self.download = Some(Download {
                    name: argument.into(),
                    wanted: None,
                    came: Vec::new(),
                    cut: None,
                });
            }
            "STOR" => {
                self.upload = Some(Upload {
                    name: argument.into(),
                    offset: std::mem::take(&mut self.offset),
                    sent: Vec::new(),
                });
            }
            "RNFR" => self.rename = Some((argument.into(), None)),
            "RNTO" => {
                if let Some((_, to)) = &mut self.rename {
                    *to = Some(argument.into());
                }
            }
            _ => {}
        }
    }

    /// A file that is as the script tells.
    fn retrieve(&mut self, name: &str, ahead: &[Line]) {
        let offset = std::mem::take(&mut self.offset);
        let told = Told::by(ahead, offset);
        if let Some(size) = told.size {
            let size = if told.is_held { LARGE } else { size };
            self.put(name, letters(b'a', size));
        }
        let content = self.tree.get(name).cloned().flatten().unwrap_or_default();
        self.download = Some(Download {
            name: name.into(),
            wanted: Some(content.get(offset..).unwrap_or_default().to_vec()),
            came: Vec::new(),
            cut: told.cut,
        });
    }

    /// A reply that has come.
    pub(super) fn reply(&mut self, code: u16) {
        match code {
            226 => {
                self.download = None;
                if let Some(upload) = self.upload.take() {
                    upload.store(&mut self.tree);
                    assert!(self.is_so(), "other bytes are stored");
                }
            }
            250 => {
                if let Some((from, Some(to))) = self.rename.take() {
                    let content = self.tree.remove(&from).expect("what is renamed");
                    self.tree.insert(to, content);
                }
            }
            400.. => (self.download, self.upload, self.rename) = (None, None, None),
            _ => {}
        }
    }

    /// Bytes that were sent.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        let upload = self.upload.as_mut().expect("an upload");
        upload.sent.extend_from_slice(bytes);
    }

    /// Whether a download has no final reply yet.
    pub(super) fn is_sending(&self) -> bool {
        self.download.is_some()
    }

    /// Bytes that came.
    pub(super) fn came(&mut self, bytes: &[u8]) {
        let download = self.download.as_mut().expect("a download");
        download.came.extend_from_slice(bytes);
        if let Some(wanted) = &download.wanted {
            assert!(wanted.starts_with(&download.came), "other bytes came");
        }
    }

    /// The file will have ended, perhaps too early.
    pub(super) fn cut(&mut self) {
        let download = self.download.as_ref().expect("a download");
        if let Some(size) = download.cut {
            let name = download.name.clone();
            self.put(&name, letters(b'a', size));
        }
    }

    /// The download has ended; so many entries of a listing were gone when they were looked at.
    pub(super) fn came_whole(&self, gone: usize) {
        let download = self.download.as_ref().expect("a download");
        let came = &download.came;
        if let Some(wanted) = &download.wanted {
            let is_short = came.len() < wanted.len();
            assert_eq!(is_short, download.cut.is_some(), "{} came", came.len());
            return;
        }
        let text = String::from_utf8_lossy(came);
        let names = text.lines().filter_map(|line| line.split(' ').next_back());
        assert!(
            names.clone().all(|name| self.tree.contains_key(name)),
            "{text}"
        );
        assert_eq!(names.count() + gone, self.tree.len(), "{text}");
    }

    /// Till it is whole, an upload is not seen.
    pub(super) fn hides_the_upload(&self) {
        let name = &self.upload.as_ref().expect("an upload").name;
        let seen = fs::read(self.home.join(name)).ok();
        assert!(
            seen.as_ref() == self.tree.get(name).and_then(Option::as_ref),
            "{name} is seen"
        );
    }

    /// Whether exactly this is in the directory.
    pub(super) fn is_so(&self) -> bool {
        let entries = fs::read_dir(&self.home).expect("the home").flatten();
        let found: Tree = entries
            .map(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                // A directory cannot be read, and a temporary file may be gone.
                (name, fs::read(entry.path()).ok())
            })
            // There uploads that broke off are kept for their owner.
            .filter(|(name, _)| name != ".wharf")
            .collect();
        found == self.tree
    }
}

impl Upload {
    /// If it was restarted, the bytes before and behind it stay.
    fn store(self, tree: &mut Tree) {
        let entry = tree.entry(self.name).or_default();
        let mut content = entry.take().unwrap_or_default();
        let end = self.offset + self.sent.len();
        if self.offset == 0 {
            content.clear();
        }
        content.resize(content.len().max(end), 0);
        content[self.offset..end].copy_from_slice(&self.sent);
        *entry = Some(content);
    }
}
