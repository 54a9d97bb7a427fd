//! Objects, and the requests about them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use wharf_s3::wire::{Headers, Method, Request};

use crate::{Dialect, Reply, State};

/// An object.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its bytes.
    pub bytes: Arc<Vec<u8>>,
    /// What names this version of it.
    pub etag: String,
    /// When it was put, in seconds since 1970.
    pub modified: i64,
    /// What it was given beside its bytes.
    pub headers: Headers,
}

impl Object {
    pub(crate) fn new(bytes: Vec<u8>, modified: i64) -> Self {
        Self {
            etag: format!("\"{}\"", hex(&Md5::digest(&bytes))),
            bytes: Arc::new(bytes),
            modified,
            headers: Headers::default(),
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What a store keeps with an object.
pub(crate) fn kept(headers: &Headers) -> Headers {
    let kept = headers.iter().filter(|(name, _)| {
        name.starts_with("x-amz-meta-")
            || matches!(
                *name,
                "content-type"
                    | "cache-control"
                    | "content-disposition"
                    | "x-amz-storage-class"
                    | "x-amz-server-side-encryption"
            )
    });
    kept.collect()
}

impl State {
    /// Does what is asked for; a list does not show the last changes, so many.
    pub(crate) fn serve(
        &mut self,
        dialect: &Dialect,
        request: &Request<'_>,
        body: &[u8],
        lag: usize,
    ) -> Reply {
        if request.key.len() > dialect.longest_key {
            return Reply::error(400, "KeyTooLongError");
        }
        if let Some(told) = request.headers.get("content-md5")
            && told != STANDARD.encode(Md5::digest(body))
        {
            return Reply::error(400, "BadDigest");
        }
        let asks = |name| request.query.iter().any(|(field, _)| *field == name);
        let reply = match (request.method, request.key.is_empty()) {
            (Method::Get, true) if asks("lifecycle") => {
                Reply::error(404, "NoSuchLifecycleConfiguration")
            }
            (Method::Get, true) if lag > 0 => list(&self.earlier(lag), dialect, request),
            (Method::Get, true) => list(&self.objects, dialect, request),
            (Method::Get, false) if asks("uploadId") => self.parts(dialect, request),
            (Method::Get | Method::Head, false) => self.get(request),
            (Method::Post, _) if asks("uploads") => {
                let id = self.create(&request.key, kept(&request.headers));
                let body = "<InitiateMultipartUploadResult><UploadId>";
                Reply::xml(
                    200,
                    &format!("{body}{id}</UploadId></InitiateMultipartUploadResult>"),
                )
            }
            (Method::Post, _) => self.complete(dialect, request, body),
            (Method::Delete, _) if asks("uploadId") => self.abort(request),
            (Method::Delete, _) => {
                self.set(&request.key, None);
                Reply::new(204)
            }
            (Method::Put, _) if asks("uploadId") => self.part(request, body),
            (Method::Put, _) => self.put_or_copy(dialect, request, body),
            (Method::Head, true) => Reply::new(200),
        };
        reply.with("date", http_date(self.now))
    }

    /// Returns the part of an object that a request copies, if it copies one.
    pub(crate) fn source(&self, request: &Request<'_>) -> Option<Result<Object, Reply>> {
        let named = request.headers.get("x-amz-copy-source")?;
        let named = percent_decode_str(named).decode_utf8_lossy().into_owned();
        let key = named.trim_start_matches('/').split_once('/')?.1;
        let Some(object) = self.objects.get(key) else {
            return Some(Err(Reply::error(404, "NoSuchKey")));
        };
        let condition = request.headers.get("x-amz-copy-source-if-match");
        if condition.is_some_and(|etag| etag != object.etag) {
            return Some(Err(Reply::error(412, "PreconditionFailed")));
        }
        let range = request.headers.get("x-amz-copy-source-range");
        let length = object.bytes.len();
        Some(match range.map(|text| parse(text, length)) {
            None => Ok(object.clone()),
            Some(Some(range)) => Ok(Object::new(object.bytes[range].to_vec(), self.now)),
            Some(None) => Err(Reply::error(416, "InvalidRange")),
        })
    }

    fn put_or_copy(&mut self, dialect: &Dialect, request: &Request<'_>, body: &[u8]) -> Reply {
        let source = match self.source(request) {
            Some(Err(reply)) => return reply,
            Some(Ok(object)) => Some(object),
            None => None,
        };
        let is_kept = match source {
            Some(_) => dialect.conditions_on_complete,
            None => dialect.conditions_on_put,
        };
        if is_kept && let Some(refused) = self.refuse(request) {
            return refused;
        }
        let mut object = match &source {
            Some(source) => Object::new(source.bytes.to_vec(), self.now),
            None => Object::new(body.to_vec(), self.now),
        };
        object.headers = kept(&request.headers);
        let copies = source.is_some();
        if let Some(source) = source {
            let directive = request.headers.get("x-amz-metadata-directive");
            if directive != Some("REPLACE") {
                // Class and encryption are those of the request.
                let own = object
                    .headers
                    .iter()
                    .filter(|(name, _)| name.starts_with("x-amz-s"));
                let content = source
                    .headers
                    .iter()
                    .filter(|(name, _)| !name.starts_with("x-amz-s"));
                object.headers = own.chain(content).collect();
            }
        }
        let etag = object.etag.clone();
        self.set(&request.key, Some(object));
        if copies {
            let body = format!("<CopyObjectResult><ETag>{etag}</ETag></CopyObjectResult>");
            return Reply::xml(200, &body);
        }
        Reply::new(200).with("etag", etag)
    }

    /// Refuses to make an object where its conditions are not met.
    pub(crate) fn refuse(&self, request: &Request<'_>) -> Option<Reply> {
        let there = self.objects.get(&request.key);
        let refused = match (
            request.headers.get("if-none-match"),
            request.headers.get("if-match"),
        ) {
            (Some(_), _) => there.is_some(),
            (None, Some(etag)) => there.is_none_or(|object| object.etag != etag),
            (None, None) => false,
        };
        refused.then(|| Reply::error(412, "PreconditionFailed"))
    }

    fn get(&self, request: &Request<'_>) -> Reply {
        let Some(object) = self.objects.get(&request.key) else {
            return match request.method {
                Method::Head => Reply::new(404),
                _ => Reply::error(404, "NoSuchKey"),
            };
        };
        let condition = request.headers.get("if-match");
        let is_met = condition.is_none_or(|etag| etag == object.etag);
        if !is_met && !self.ignores_conditions_on_get {
            return Reply::error(412, "PreconditionFailed");
        }
        let length = object.bytes.len();
        let range = request.headers.get("range");
        let mut reply = match range.map(|text| parse(text, length)) {
            None => Reply::new(200).with("content-length", length.to_string()),
            Some(None) => return Reply::error(416, "InvalidRange"),
            Some(Some(range)) => Reply::new(206)
                .with("content-length", range.len().to_string())
                .with(
                    "content-range",
                    format!("bytes {}-{}/{length}", range.start, range.end - 1),
                ),
        };
        if request.method == Method::Get {
            let range = range.and_then(|text| parse(text, length));
            reply.body = object.bytes[range.unwrap_or(0..length)].to_vec();
        }
        for (name, value) in object.headers.iter() {
            reply.headers.push(name, value);
        }
        reply
            .with("etag", &object.etag)
            .with("last-modified", http_date(object.modified))
    }
}

/// Lists these objects.
fn list(objects: &BTreeMap<String, Object>, dialect: &Dialect, request: &Request<'_>) -> Reply {
    let asked = |name: &str| {
        let mut fields = request.query.iter();
        fields
            .find(|(field, _)| *field == name)
            .map(|(_, value)| value.as_str())
    };
    let prefix = asked("prefix").unwrap_or("");
    let most = asked("max-keys").and_then(|text| text.parse().ok());
    let most = most.unwrap_or(usize::MAX).min(dialect.page);
    let from = asked("continuation-token")
        .or(asked("marker"))
        .unwrap_or("");
    let (mut rows, mut last_prefix) = (Vec::new(), None);
    let (mut count, mut last, mut is_cut) = (0, "", false);
    let keys = objects.range(prefix.to_owned()..);
    for (key, object) in keys.take_while(|(key, _)| key.starts_with(prefix)) {
        let delimited = asked("delimiter").and_then(|slash| key[prefix.len()..].find(slash));
        let name = delimited.map_or(&key[..], |at| &key[..=prefix.len() + at]);
        if name <= from || last_prefix == Some(name) {
            continue;
        }
        if count == most {
            is_cut = true;
            break;
        }
        let encoded = utf8_percent_encode(name, NON_ALPHANUMERIC);
        rows.push(if delimited.is_some() {
            last_prefix = Some(name);
            format!("<CommonPrefixes><Prefix>{encoded}</Prefix></CommonPrefixes>")
        } else {
            format!(
                "<Contents><Key>{encoded}</Key><LastModified>{}</LastModified>\
                 <ETag>{}</ETag><Size>{}</Size></Contents>",
                iso_date(object.modified),
                object.etag,
                object.bytes.len()
            )
        });
        (count, last) = (count + 1, name);
    }
    let encoded = utf8_percent_encode(last, NON_ALPHANUMERIC);
    let next = match (is_cut, asked("list-type")) {
        (false, _) => String::new(),
        // It is whatever a store says.
        (true, Some(_)) => format!("<NextContinuationToken>{last}</NextContinuationToken>"),
        (true, None) => format!("<NextMarker>{encoded}</NextMarker>"),
    };
    let rows = rows.concat();
    Reply::xml(
        200,
        &format!(
            "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>{is_cut}\
             </IsTruncated>{next}{rows}</ListBucketResult>"
        ),
    )
}

/// Understands `bytes=2-` and `bytes=2-4`.
fn parse(text: &str, length: usize) -> Option<Range<usize>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let first: usize = first.parse().ok()?;
    let end = match last {
        "" => length,
        last => last.parse::<usize>().ok()?.saturating_add(1).min(length),
    };
    (first < end).then_some(first..end)
}

fn iso_date(seconds: i64) -> String {
    date(seconds, "%Y-%m-%dT%H:%M:%S.000Z")
}

fn http_date(seconds: i64) -> String {
    date(seconds, "%a, %d %b %Y %H:%M:%S GMT")
}

fn date(seconds: i64, form: &str) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    time.strftime(form).to_string()
}
