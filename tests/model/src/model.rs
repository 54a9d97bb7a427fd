//! [`Model`]: an FTP server in which nothing takes time and nothing fails, said as simply as can
//! be. Whatever the real one does must come to the same.

use std::collections::BTreeMap;

/// A command that means something, with the bytes that the client sends if it is an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The line without its end.
    pub line: String,
    /// For STOR, APPE and STOU.
    pub upload: Vec<u8>,
}

impl Move {
    /// A command that uploads nothing.
    #[must_use]
    pub fn new(line: &str) -> Self {
        Self {
            line: line.to_owned(),
            upload: Vec::new(),
        }
    }

    /// The commands of a login.
    #[must_use]
    pub fn login() -> [Self; 3] {
        ["USER u", "PASS p", "TYPE I"].map(Self::new)
    }
}

/// What a command comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The codes of the replies, in order.
    pub codes: Vec<u16>,
    /// The path or the number in the last reply, where it tells one.
    pub told: Option<String>,
    /// What the client got on the data connection.
    pub download: Option<Vec<u8>>,
}

/// The whole server, for one client.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Files, and directories as `None`, by their path without the first slash.
    pub tree: BTreeMap<String, Option<Vec<u8>>>,
    known: bool,
    named: bool,
    cwd: String,
    text: bool,
    ready: bool,
    epsv_only: bool,
    restart: usize,
    rename_from: Option<String>,
    unique: usize,
    over: bool,
}

fn codes(codes: &[u16]) -> Answer {
    Answer {
        codes: codes.to_vec(),
        ..Answer::default()
    }
}

fn told(code: u16, what: String) -> Answer {
    Answer {
        codes: vec![code],
        told: Some(what),
        download: None,
    }
}

impl Model {
    /// Runs a command.
    pub fn run(&mut self, step: &Move) -> Answer {
        if self.over {
            return Answer::default();
        }
        let (verb, argument) = step.line.split_once(' ').unwrap_or((&step.line, ""));
        if !matches!(verb, "RNTO" | "NOOP") {
            self.rename_from = None;
        }
        match verb {
            "USER" => {
                self.log_out();
                self.named = true;
                return codes(&[331]);
            }
            "PASS" if !self.named || self.known => return codes(&[503]),
            "PASS" if argument == "wrong" => {
                self.log_out();
                return codes(&[530]);
            }
            "PASS" => {
                self.log_out();
                (self.known, self.text) = (true, true);
                return codes(&[230]);
            }
            "QUIT" => {
                self.over = true;
                return codes(&[221]);
            }
            "NOOP" => return codes(&[200]),
            "FEAT" => return codes(&[211]),
            "SYST" => return codes(&[215]),
            _ if !self.known => return codes(&[530]),
            _ => {}
        }
        let path = self.resolve(argument);
        match verb {
            "REIN" => {
                self.log_out();
                codes(&[220])
            }
            "PWD" => told(257, format!("/{}", self.cwd)),
            "CWD" | "CDUP" => {
                let path = if verb == "CDUP" {
                    self.resolve("..")
                } else {
                    path
                };
                match self.is_directory(&path) {
                    true => {
                        self.cwd.clone_from(&path);
                        told(250, format!("/{path}"))
                    }
                    false => codes(&[550]),
                }
            }
            "TYPE" => {
                self.text = argument == "A";
                codes(&[200])
            }
            "REST" => {
                let offset = argument.parse().unwrap_or(0);
                if offset > 0 && self.text {
                    return codes(&[501]);
                }
                self.restart = offset;
                codes(&[350])
            }
            "PASV" | "PORT" if self.epsv_only => codes(&[501]),
            "EPSV" if argument == "ALL" => {
                self.epsv_only = true;
                codes(&[200])
            }
            "PASV" | "EPSV" | "PORT" => {
                self.ready = true;
                codes(&[match verb {
                    "PASV" => 227,
                    "EPSV" => 229,
                    _ => 200,
                }])
            }
            "ABOR" => {
                self.ready = false;
                codes(&[225])
            }
            "STAT" if argument.is_empty() => codes(&[211]),
            "STAT" if self.is_directory(&path) => codes(&[212]),
            "STAT" if self.tree.contains_key(&path) => codes(&[213]),
            "SIZE" => match self.file(&path) {
                Some(file) if self.text => told(213, to_wire(file).len().to_string()),
                Some(file) => told(213, file.len().to_string()),
                None => codes(&[550]),
            },
            "MDTM" if self.file(&path).is_some() => codes(&[213]),
            "MLST" if self.stands(&path) => codes(&[250]),
            "DELE" if self.file(&path).is_some() => {
                self.tree.remove(&path);
                codes(&[250])
            }
            "MKD" if !self.stands(&path) && self.is_directory(parent(&path)) => {
                self.tree.insert(path.clone(), None);
                told(257, format!("/{path}"))
            }
            "RMD" if !path.is_empty() && self.is_directory(&path) => {
                if self.below(&path).next().is_some() {
                    return codes(&[550]);
                }
                self.tree.remove(&path);
                codes(&[250])
            }
            "RNFR" => {
                self.rename_from = self.stands(&path).then_some(path);
                codes(&[if self.rename_from.is_some() { 350 } else { 550 }])
            }
            "RNTO" => self.rename(&path),
            "RETR" | "STOR" | "APPE" | "STOU" | "NLST" => {
                self.transfer(verb, argument, &path, step)
            }
            _ => codes(&[550]),
        }
    }

    fn log_out(&mut self) {
        let tree = std::mem::take(&mut self.tree);
        *self = Self {
            tree,
            unique: self.unique,
            ..Self::default()
        };
    }

    fn transfer(&mut self, verb: &str, argument: &str, path: &str, step: &Move) -> Answer {
        let at = std::mem::take(&mut self.restart);
        if at > 0 && self.text && matches!(verb, "RETR" | "STOR" | "APPE") {
            return codes(&[501]);
        }
        if !self.ready {
            return codes(&[425]);
        }
        let file = self.file(path).cloned();
        let download = match verb {
            "NLST" if self.is_directory(path) => self.names(path, argument),
            "NLST" if file.is_some() => format!("{argument}\r\n").into_bytes(),
            "NLST" => return codes(&[550]),
            "RETR" => match file {
                None => return codes(&[550]),
                Some(file) if at > file.len() => return codes(&[554]),
                Some(file) if self.text => to_wire(&file),
                Some(file) => file[at..].to_vec(),
            },
            _ => {
                let blocked = self.is_directory(path) && verb != "STOU";
                if blocked || !self.is_directory(parent(path)) || path.is_empty() {
                    return codes(&[550]);
                }
                let old = file.unwrap_or_default();
                let (name, at) = match verb {
                    "STOU" => {
                        self.unique += 1;
                        (format!("{path}.{}", self.unique), 0)
                    }
                    "APPE" if at == 0 => (path.to_owned(), old.len()),
                    _ => (path.to_owned(), at),
                };
                if at > old.len() {
                    return codes(&[554]);
                }
                let sent = match self.text {
                    true => step.upload.replace_crlf(),
                    false => step.upload.clone(),
                };
                // What stands behind the end of a restarted upload stays.
                let tail = if at > 0 { at + sent.len() } else { old.len() };
                let tail = old.get(tail..).unwrap_or_default();
                self.tree
                    .insert(name, Some([&old[..at], &sent, tail].concat()));
                Vec::new()
            }
        };
        self.ready = false;
        Answer {
            codes: vec![150, 226],
            told: None,
            download: matches!(verb, "RETR" | "NLST").then_some(download),
        }
    }

    fn rename(&mut self, to: &str) -> Answer {
        let Some(from) = self.rename_from.take() else {
            return codes(&[503]);
        };
        if to != from && (from.is_empty() || to.starts_with(&format!("{from}/"))) {
            return codes(&[553]);
        }
        let is_directory = self.is_directory(&from);
        let taken = self.is_directory(to) || is_directory && self.stands(to);
        let allowed = self.stands(&from) && (to == from || !taken && self.is_directory(parent(to)));
        if !allowed || to.is_empty() {
            return codes(&[550]);
        }
        if to != from {
            let moved: Vec<String> = self
                .below(&from)
                .chain([&from])
                .filter(|name| self.tree.contains_key(*name))
                .cloned()
                .collect();
            for name in moved {
                let node = self.tree.remove(&name).unwrap_or_default();
                self.tree
                    .insert(format!("{to}{}", &name[from.len()..]), node);
            }
        }
        codes(&[250])
    }

    fn resolve(&self, argument: &str) -> String {
        let base = if argument.starts_with('/') {
            ""
        } else {
            &self.cwd
        };
        let mut parts: Vec<&str> = Vec::new();
        for part in base.split('/').chain(argument.split('/')) {
            match part {
                "" | "." => {}
                ".." => _ = parts.pop(),
                part => parts.push(part),
            }
        }
        parts.join("/")
    }

    fn file(&self, path: &str) -> Option<&Vec<u8>> {
        self.tree.get(path)?.as_ref()
    }

    fn is_directory(&self, path: &str) -> bool {
        path.is_empty() || matches!(self.tree.get(path), Some(None))
    }

    fn stands(&self, path: &str) -> bool {
        path.is_empty() || self.tree.contains_key(path)
    }

    fn below(&self, path: &str) -> impl Iterator<Item = &String> {
        let prefix = format!("{path}/");
        self.tree
            .keys()
            .filter(move |name| name.starts_with(&prefix))
    }

    /// The names in a directory, a line for each, so that the client can send them back.
    fn names(&self, path: &str, argument: &str) -> Vec<u8> {
        let prefix = match argument {
            "" => String::new(),
            "/" => "/".to_owned(),
            argument => format!("{argument}/"),
        };
        let inside = self.tree.keys().filter(|name| parent(name) == path);
        let names = inside.map(|name| name.rsplit('/').next().unwrap_or_default());
        names
            .flat_map(|name| format!("{prefix}{name}\r\n").into_bytes())
            .collect()
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn to_wire(file: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    for (at, &byte) in file.iter().enumerate() {
        if byte == b'\n' && (at == 0 || file[at - 1] != b'\r') {
            wire.push(b'\r');
        }
        wire.push(byte);
    }
    wire
}

trait ReplaceCrLf {
    fn replace_crlf(&self) -> Vec<u8>;
}

impl ReplaceCrLf for Vec<u8> {
    fn replace_crlf(&self) -> Vec<u8> {
        bstr::ByteSlice::replace(&self[..], "\r\n", "\n")
    }
}
