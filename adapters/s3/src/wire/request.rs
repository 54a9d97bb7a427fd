//! [`Request`]: what is asked of a store, before it is signed and sent.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};

use super::listing::text_of;
use super::{Attributes, Checksum, Headers, Malformed, Part};
use crate::provider::{Condition, Style};

/// What a signature leaves as it is (RFC 3986, "unreserved").
const IN_QUERY: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');
const IN_PATH: AsciiSet = IN_QUERY.remove(b'/');

/// The method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Reads the head alone.
    Head,
    /// Makes or replaces.
    Put,
    /// Begins or completes an upload.
    Post,
    /// Removes.
    Delete,
}

impl Method {
    /// Returns its word in HTTP.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

/// A request to a bucket.
#[derive(Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// Its method.
    pub method: Method,
    /// The object that it is about; empty for the bucket itself.
    pub key: String,
    /// Its query, not encoded yet.
    pub query: Vec<(&'static str, String)>,
    /// Its fields, without those that sign it and say how long it is.
    pub headers: Headers,
    /// Its body.
    pub body: Cow<'a, [u8]>,
}

impl fmt::Debug for Request<'_> {
    /// Without the body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("key", &self.key)
            .field("query", &self.query)
            .field("headers", &self.headers)
            .field("body", &self.body.len())
            .finish()
    }
}

/// What must be so that an object is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarded<'a> {
    /// Nothing: what stands there is replaced.
    No,
    /// Nothing stands there, which the store is told like that.
    Absent(Condition),
    /// This version stands there.
    Is(&'a str),
}

impl Guarded<'_> {
    fn tell(self, headers: &mut Headers, in_one_piece: bool) {
        match self {
            Guarded::Absent(Condition::Header(name, value)) => headers.push(name, value),
            Guarded::Absent(Condition::PutOnly(name, value)) if in_one_piece => {
                headers.push(name, value);
            }
            Guarded::Is(etag) => headers.push("if-match", etag),
            Guarded::No | Guarded::Absent(_) => {}
        }
    }
}

/// Where a page of a list begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start<'a> {
    /// At the first name, or behind the page that told this, as ListObjectsV2 does it.
    V2(Option<&'a str>),
    /// At the first name, or behind this one, as ListObjects did it before.
    V1(Option<&'a str>),
}

/// What is copied: a version of an object in the same bucket, or some bytes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied<'a> {
    /// The bucket, which a copy names again.
    pub bucket: &'a str,
    /// The object.
    pub key: &'a str,
    /// The version.
    pub etag: Option<&'a str>,
}

impl Copied<'_> {
    fn tell(self, headers: &mut Headers) {
        let source = format!(
            "/{}/{}",
            self.bucket,
            utf8_percent_encode(self.key, &IN_PATH)
        );
        headers.push("x-amz-copy-source", source);
        if let Some(etag) = self.etag {
            headers.push("x-amz-copy-source-if-match", etag);
        }
    }
}

impl<'a> Request<'a> {
    fn new(method: Method, key: &str) -> Self {
        Self {
            method,
            key: key.to_owned(),
            query: Vec::new(),
            headers: Headers::default(),
            body: Cow::Borrowed(b""),
        }
    }

    fn ask(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push(name, value);
        self
    }

    fn carry(mut self, body: impl Into<Cow<'a, [u8]>>, checksum: Checksum) -> Self {
        self.body = body.into();
        checksum.tell(&self.body, &mut self.headers);
        self
    }

    /// Asks for a page of at most so many names that begin with a prefix (ListObjectsV2, or ListObjects): up to
    /// the next slash, or whole keys.
    #[must_use]
    pub fn list(prefix: &str, up_to_slash: bool, start: Start<'_>, most: u16) -> Self {
        let mut request = Self::new(Method::Get, "")
            .ask("prefix", prefix)
            .ask("encoding-type", "url")
            .ask("max-keys", most.to_string());
        if up_to_slash {
            request = request.ask("delimiter", "/");
        }
        match start {
            Start::V2(from) => {
                request = request.ask("list-type", "2");
                from.into_iter().fold(request, |request, from| {
                    request.ask("continuation-token", from)
                })
            }
            Start::V1(from) => from
                .into_iter()
                .fold(request, |request, from| request.ask("marker", from)),
        }
    }

    /// Asks what is known of an object (HeadObject).
    #[must_use]
    pub fn head(key: &str) -> Self {
        Self::new(Method::Head, key)
    }

    /// Asks for an object from a byte on, of that version if one is named (GetObject).
    #[must_use]
    pub fn get(key: &str, from: u64, etag: Option<&str>) -> Self {
        let mut request = Self::new(Method::Get, key);
        if from > 0 {
            request = request.with("range", format!("bytes={from}-"));
        }
        etag.into_iter()
            .fold(request, |request, etag| request.with("if-match", etag))
    }

    /// Asks for some bytes of a version of an object (GetObject). The range is not empty.
    #[must_use]
    pub fn get_range(key: &str, range: std::ops::Range<u64>, etag: &str) -> Self {
        Self::new(Method::Get, key)
            .with("range", bytes(&range))
            .with("if-match", etag)
    }

    /// Puts an object in one piece (PutObject).
    #[must_use]
    pub fn put(
        key: &str,
        body: &'a [u8],
        attributes: &Attributes,
        checksum: Checksum,
        guarded: Guarded<'_>,
    ) -> Self {
        let mut request = Self::new(Method::Put, key).carry(body, checksum);
        attributes.tell(&mut request.headers);
        guarded.tell(&mut request.headers, true);
        request
    }

    /// Copies an object of at most 5 GiB, with what the store keeps with it (CopyObject). Class, access and
    /// encryption are those of the attributes; with `replace` so are the fields of the content.
    #[must_use]
    pub fn copy(
        key: &str,
        from: Copied<'_>,
        attributes: &Attributes,
        replace: bool,
        guarded: Guarded<'_>,
    ) -> Self {
        let mut request = Self::new(Method::Put, key);
        from.tell(&mut request.headers);
        attributes.tell_kind(&mut request.headers);
        if replace {
            request = request.with("x-amz-metadata-directive", "REPLACE");
            attributes.tell_content(&mut request.headers);
        }
        guarded.tell(&mut request.headers, false);
        request
    }

    /// Removes an object (DeleteObject). What is not there is as good as removed.
    #[must_use]
    pub fn delete(key: &str) -> Self {
        Self::new(Method::Delete, key)
    }

    /// Begins an upload in parts (CreateMultipartUpload).
    #[must_use]
    pub fn create(key: &str, attributes: &Attributes, checksum: Checksum) -> Self {
        let mut request = Self::new(Method::Post, key).ask("uploads", "");
        attributes.tell(&mut request.headers);
        if checksum == Checksum::Sha256 {
            request = request.with("x-amz-checksum-algorithm", "SHA256");
        }
        request
    }

    /// Understands the answer to [`Request::create`]: the name of the upload.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn created(xml: &[u8]) -> Result<String, Malformed> {
        text_of(xml, "UploadId")?
            .filter(|id| !id.is_empty())
            .ok_or(Malformed)
    }

    /// Sends a part of an upload (UploadPart). The field `etag` of its answer names it.
    #[must_use]
    pub fn part(key: &str, id: &str, number: u32, body: &'a [u8], checksum: Checksum) -> Self {
        Self::new(Method::Put, key)
            .ask("partNumber", number.to_string())
            .ask("uploadId", id)
            .carry(body, checksum)
    }

    /// Copies some bytes of an object as a part of an upload (UploadPartCopy).
    #[must_use]
    pub fn copy_part(
        key: &str,
        id: &str,
        number: u32,
        from: Copied<'_>,
        range: &std::ops::Range<u64>,
    ) -> Self {
        let mut request = Self::new(Method::Put, key)
            .ask("partNumber", number.to_string())
            .ask("uploadId", id)
            .with("x-amz-copy-source-range", bytes(range));
        from.tell(&mut request.headers);
        request
    }

    /// Understands the answer to [`Request::copy`], [`Request::copy_part`] and [`Request::complete`]: what names
    /// what was made.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn made(xml: &[u8]) -> Result<String, Malformed> {
        text_of(xml, "ETag")?.ok_or(Malformed)
    }

    /// Makes an object of the parts of an upload (CompleteMultipartUpload).
    #[must_use]
    pub fn complete(key: &str, id: &str, parts: &[Part], guarded: Guarded<'_>) -> Self {
        let mut body = String::from("<CompleteMultipartUpload>");
        for Part { number, etag, .. } in parts {
            let etag = quick_xml::escape::escape(etag.as_str());
            // Writing to a string cannot fail.
            let _ = write!(
                body,
                "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
            );
        }
        body.push_str("</CompleteMultipartUpload>");
        let mut request = Self::new(Method::Post, key)
            .ask("uploadId", id)
            .with("content-type", "application/xml");
        request.body = Cow::Owned(body.into_bytes());
        guarded.tell(&mut request.headers, false);
        request
    }

    /// Gives an upload up (AbortMultipartUpload).
    #[must_use]
    pub fn abort(key: &str, id: &str) -> Self {
        Self::new(Method::Delete, key).ask("uploadId", id)
    }

    /// Asks which parts of an upload the store has, behind that number (ListParts).
    #[must_use]
    pub fn parts(key: &str, id: &str, behind: Option<u32>) -> Self {
        let request = Self::new(Method::Get, key).ask("uploadId", id);
        behind.into_iter().fold(request, |request, number| {
            request.ask("part-number-marker", number.to_string())
        })
    }

    /// Asks what the bucket does with uploads and objects in time (GetBucketLifecycleConfiguration).
    #[must_use]
    pub fn lifecycle() -> Self {
        Self::new(Method::Get, "").ask("lifecycle", "")
    }

    /// Returns whether an answer of success may still have an error in its body.
    #[must_use]
    pub fn may_fail_late(&self) -> bool {
        let completes =
            self.method == Method::Post && !self.query.iter().any(|(name, _)| *name == "uploads");
        completes || self.headers.get("x-amz-copy-source").is_some()
    }

    /// Returns the host that the request goes to, where the store is at `authority`, and its path and query.
    #[must_use]
    pub fn target(&self, authority: &str, bucket: &str, style: Style) -> (String, String) {
        let key = utf8_percent_encode(&self.key, &IN_PATH);
        let (host, mut target) = match style {
            Style::Virtual => (format!("{bucket}.{authority}"), format!("/{key}")),
            Style::Path if self.key.is_empty() => (authority.to_owned(), format!("/{bucket}")),
            Style::Path => (authority.to_owned(), format!("/{bucket}/{key}")),
        };
        for (at, (name, value)) in self.query.iter().enumerate() {
            target.push(if at == 0 { '?' } else { '&' });
            target.push_str(name);
            target.push('=');
            target.extend(in_query(value));
        }
        (host, target)
    }
}

/// Returns a text as it stands in a query or a form.
pub(crate) fn in_query(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, &IN_QUERY)
}

fn bytes(range: &std::ops::Range<u64>) -> String {
    format!("bytes={}-{}", range.start, range.end.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_the_last_part_of_its_target_as_it_is() {
        let target = |key: &str, style| Request::head(key).target("store:8333", "b", style);
        for (key, path) in [
            ("a/../b", "/b/a/../b"),
            ("x//y", "/b/x//y"),
            ("/lead", "/b//lead"),
            ("\u{fc}+ %&?#'.txt", "/b/%C3%BC%2B%20%25%26%3F%23%27.txt"),
            ("nl\nx\u{1}", "/b/nl%0Ax%01"),
            ("~t*(!)", "/b/~t%2A%28%21%29"),
            ("%2e%2e/q", "/b/%252e%252e/q"),
            ("c:/x ", "/b/c%3A/x%20"),
        ] {
            assert_eq!(
                target(key, Style::Path),
                ("store:8333".into(), path.into()),
                "{key}"
            );
        }
        assert_eq!(
            target("k", Style::Virtual),
            ("b.store:8333".into(), "/k".into())
        );
        assert_eq!(target("", Style::Path).1, "/b");
        let listed = Request::list("u/ ", true, Start::V2(Some("t+/=")), 2);
        assert_eq!(
            listed.target("s", "b", Style::Path).1,
            "/b?prefix=u%2F%20&encoding-type=url&max-keys=2&delimiter=%2F&list-type=2\
             &continuation-token=t%2B%2F%3D"
        );
    }

    #[test]
    fn what_must_not_be_replaced_is_told_as_the_store_understands_it() {
        let put = |condition| {
            let guarded = Guarded::Absent(condition);
            let attributes = Attributes::default();
            let put = Request::put("k", b"x", &attributes, Checksum::None, guarded);
            let completed = Request::complete("k", "id", &[], guarded);
            let told = |request: Request<'_>| {
                let names = request.headers.iter().map(|(name, _)| name.to_owned());
                names
                    .filter(|name| name != "content-type")
                    .collect::<Vec<_>>()
            };
            (told(put), told(completed))
        };
        let header = vec!["if-none-match".to_owned()];
        assert_eq!(
            put(Condition::Header("if-none-match", "*")),
            (header.clone(), header.clone())
        );
        assert_eq!(
            put(Condition::PutOnly("if-none-match", "*")),
            (header, vec![])
        );
        assert_eq!(put(Condition::None), (vec![], vec![]));
    }

    #[test]
    fn bodies_carry_their_checksum() {
        let part = |checksum| Request::part("k", "id", 1, b"hello", checksum).headers;
        assert_eq!(
            part(Checksum::Md5).get("content-md5"),
            Some("XUFAKrxLKna5cZ2REBfFkg==")
        );
        assert_eq!(
            part(Checksum::Sha256).get("x-amz-checksum-sha256"),
            Some("LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=")
        );
        assert_eq!(part(Checksum::None), Headers::default());
    }
}
