//! [`Attributes`]: what a store keeps with an object beside its bytes.

use wharf_core::Timestamp;

use super::date::to_rclone;
use super::{Head, Headers};

/// The name under which rclone keeps the time of last change.
const MTIME: &str = "x-amz-meta-mtime";

/// Fields of a head that belong to the content, and go with it where it is copied.
const OF_CONTENT: [&str; 6] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
];

/// How a store encrypts an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// With keys of the store: `AES256`.
    Aes256,
    /// With that key of a key service, or its default one: `aws:kms`.
    Kms(Option<String>),
}

/// What a store keeps with an object beside its bytes. By default what the bucket says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// The storage class, such as `STANDARD_IA`.
    pub class: Option<String>,
    /// The canned access list, such as `private`.
    pub acl: Option<String>,
    /// The encryption.
    pub encryption: Option<Encryption>,
    /// Tags, as a query: `team=scans&keep=1`.
    pub tags: Option<String>,
    /// When the content was last changed, as rclone keeps it.
    pub modified: Option<Timestamp>,
    /// Fields of the content and metadata of users, by their whole names in lower case.
    pub fields: Headers,
}

impl Attributes {
    /// Returns those that an object has, so that a copy of it keeps them; what a head does not tell is
    /// taken from these.
    #[must_use]
    pub fn of(&self, head: &Head) -> Self {
        let kept = head.headers.iter().filter(|(name, _)| {
            let name = name.to_ascii_lowercase();
            OF_CONTENT.contains(&name.as_str())
                || (name.starts_with("x-amz-meta-") && name != MTIME)
        });
        let own = |name| head.headers.get(name).map(str::to_owned);
        let encryption = match head.headers.get("x-amz-server-side-encryption") {
            Some("AES256") => Some(Encryption::Aes256),
            Some("aws:kms") => Some(Encryption::Kms(own(
                "x-amz-server-side-encryption-aws-kms-key-id",
            ))),
            _ => self.encryption.clone(),
        };
        Self {
            class: own("x-amz-storage-class").or_else(|| self.class.clone()),
            acl: self.acl.clone(),
            encryption,
            tags: self.tags.clone(),
            modified: head.kept_time(),
            fields: kept
                .map(|(name, value)| (name.to_ascii_lowercase(), value))
                .collect(),
        }
    }

    /// Adds the fields that tell of them.
    pub(super) fn tell(&self, headers: &mut Headers) {
        self.tell_kind(headers);
        self.tell_content(headers);
        if let Some(tags) = &self.tags {
            headers.push("x-amz-tagging", tags);
        }
    }

    /// Adds those that a copy does not take over by itself.
    pub(super) fn tell_kind(&self, headers: &mut Headers) {
        if let Some(class) = &self.class {
            headers.push("x-amz-storage-class", class);
        }
        if let Some(acl) = &self.acl {
            headers.push("x-amz-acl", acl);
        }
        match &self.encryption {
            Some(Encryption::Aes256) => headers.push("x-amz-server-side-encryption", "AES256"),
            Some(Encryption::Kms(key)) => {
                headers.push("x-amz-server-side-encryption", "aws:kms");
                if let Some(key) = key {
                    headers.push("x-amz-server-side-encryption-aws-kms-key-id", key);
                }
            }
            None => {}
        }
    }

    /// Adds those that belong to the content.
    pub(super) fn tell_content(&self, headers: &mut Headers) {
        for (name, value) in self.fields.iter() {
            headers.push(name, value);
        }
        if let Some(modified) = self.modified {
            headers.push(MTIME, to_rclone(modified));
        }
    }
}

impl Head {
    /// Returns the time of last change that is kept with the object, if there is one.
    pub(super) fn kept_time(&self) -> Option<Timestamp> {
        super::from_rclone(self.headers.get(MTIME)?)
    }
}
