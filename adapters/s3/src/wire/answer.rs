//! What the heads of answers say, and what errors mean.

use wharf_core::{Failure, Timestamp};

use super::date::from_head;
use super::{Headers, xml};

/// What a store tells of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its length in bytes.
    pub size: u64,
    /// What names this version of it.
    pub etag: Option<String>,
    /// When its content was last changed: as whoever put it says, else when it was put.
    pub modified: Option<Timestamp>,
    /// All that was told.
    pub headers: Headers,
}

impl Head {
    /// Understands the head of an answer about a whole object.
    #[must_use]
    pub fn of(headers: Headers) -> Self {
        let mut head = Self {
            size: 0,
            etag: headers.get("etag").map(str::to_owned),
            modified: None,
            headers,
        };
        head.size = head.number("content-length").unwrap_or(0);
        head.modified = head
            .kept_time()
            .or_else(|| from_head(head.headers.get("last-modified")?));
        head
    }

    /// Understands the head of an answer that brings the rest of an object: its length is that of the
    /// whole one. `None` if it does not say what it brings.
    #[must_use]
    pub fn of_rest(headers: Headers) -> Option<(Self, Range)> {
        let range = Range::parse(headers.get("content-range")?)?;
        let mut head = Self::of(headers);
        head.size = range.whole;
        Some((head, range))
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.headers.get(name)?.parse().ok()
    }
}

/// Which bytes of an object an answer brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first one.
    pub first: u64,
    /// The last one.
    pub last: u64,
    /// How many there are in the object.
    pub whole: u64,
}

impl Range {
    /// Understands `bytes 2-4/5`.
    fn parse(text: &str) -> Option<Self> {
        let (range, whole) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let range = Self {
            first: first.parse().ok()?,
            last: last.parse().ok()?,
            whole: whole.parse().ok()?,
        };
        (range.first <= range.last && range.last < range.whole).then_some(range)
    }
}

/// An answer that is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The code of S3, such as `NoSuchKey`; empty where none is told.
    pub code: String,
    /// What the store says to it.
    pub message: String,
    /// The region in which the bucket is, where that is what is wrong.
    pub region: Option<String>,
}

impl Problem {
    /// Understands an answer that is an error: `None` if it is none.
    #[must_use]
    pub fn of(status: u16, headers: &Headers, body: &[u8]) -> Option<Self> {
        let mut problem = Self {
            status,
            code: String::new(),
            message: String::new(),
            region: headers.get("x-amz-bucket-region").map(str::to_owned),
        };
        let is_error = xml::is_rooted_in(body, "Error");
        if (200..300).contains(&status) && !is_error {
            return None;
        }
        if is_error {
            // What cannot be read to its end has told enough.
            let _ = xml::texts(body, |path, text| match path {
                ["Error", "Code"] => problem.code = text.to_owned(),
                ["Error", "Message"] => problem.message = text.to_owned(),
                ["Error", "Region"] if !text.is_empty() => problem.region = Some(text.to_owned()),
                _ => {}
            });
        }
        Some(problem)
    }

    /// Returns whether the same request may succeed a little later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self.code.as_str() {
            "SlowDown" | "InternalError" | "RequestTimeout" | "ServiceUnavailable"
            | "ThrottlingException" | "OperationAborted" | "ConditionalRequestConflict"
            // It was changed on its way.
            | "BadDigest" | "XAmzContentSHA256Mismatch" | "IncompleteBody" => true,
            _ => matches!(self.status, 408 | 409 | 429 | 500 | 502 | 503 | 504),
        }
    }

    /// Returns what it means to a client.
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self.code.as_str() {
            "NoSuchKey" => Failure::NotFound,
            "AccessDenied" | "AllAccessDisabled" | "InvalidObjectState" | "AccountProblem" => {
                Failure::Denied
            }
            "PreconditionFailed" => Failure::Exists,
            "KeyTooLongError"
            | "KeyTooLong"
            | "InvalidObjectName"
            | "XMinioInvalidObjectName"
            | "InvalidURI" => Failure::BadName,
            "EntityTooLarge" | "QuotaExceeded" | "XMinioAdminBucketQuotaExceeded" => Failure::Quota,
            "XMinioStorageFull" | "InsufficientStorage" => Failure::NoSpace,
            "NoSuchBucket"
            | "NoSuchUpload"
            | "InvalidPart"
            | "InvalidPartOrder"
            | "SignatureDoesNotMatch"
            | "InvalidAccessKeyId"
            | "ExpiredToken"
            | "InvalidToken"
            | "RequestTimeTooSkewed"
            | "AuthorizationHeaderMalformed"
            | "PermanentRedirect"
            | "TemporaryRedirect" => Failure::Io,
            _ if self.is_passing() => Failure::Busy,
            _ => match self.status {
                404 => Failure::NotFound,
                403 => Failure::Denied,
                412 => Failure::Exists,
                413 => Failure::Quota,
                507 => Failure::NoSpace,
                _ => Failure::Io,
            },
        }
    }

    /// Returns whether it says that something is wrong with the configuration or the store, which an
    /// operator should learn of.
    #[must_use]
    pub fn is_for_operators(&self) -> bool {
        matches!(self.failure(), Failure::Io | Failure::NoSpace)
            || matches!(self.code.as_str(), "AllAccessDisabled" | "AccountProblem")
    }
}
