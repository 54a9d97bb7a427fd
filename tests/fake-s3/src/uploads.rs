//! Uploads in parts.

use std::collections::BTreeMap;

use md5::{Digest as _, Md5};
use wharf_s3::wire::{Headers, Request};

use crate::objects::{Object, hex};
use crate::{Dialect, Reply, State};

/// An upload in parts.
pub(crate) struct Upload {
    pub(crate) key: String,
    headers: Headers,
    parts: BTreeMap<u32, Object>,
}

impl State {
    pub(crate) fn create(&mut self, key: &str, headers: Headers) -> String {
        self.next += 1;
        let id = format!("upload-{}", self.next);
        let upload = Upload {
            key: key.to_owned(),
            headers,
            parts: BTreeMap::new(),
        };
        self.uploads.insert(id.clone(), upload);
        id
    }

    fn upload(&mut self, request: &Request<'_>) -> Option<&mut Upload> {
        let id = id_of(request)?;
        let upload = self.uploads.get_mut(id)?;
        (upload.key == request.key).then_some(upload)
    }

    pub(crate) fn part(&mut self, request: &Request<'_>, body: &[u8]) -> Reply {
        let mut numbers = request.query.iter();
        let number = numbers.find(|(name, _)| *name == "partNumber");
        let number: u32 = number.and_then(|(_, text)| text.parse().ok()).unwrap_or(0);
        if !(1..=10_000).contains(&number) {
            return Reply::error(400, "InvalidArgument");
        }
        let source = self.source(request);
        let now = self.now;
        let Some(upload) = self.upload(request) else {
            return Reply::error(404, "NoSuchUpload");
        };
        let (part, copies) = match source {
            Some(Err(reply)) => return reply,
            Some(Ok(part)) => (part, true),
            None => (Object::new(body.to_vec(), now), false),
        };
        let etag = part.etag.clone();
        upload.parts.insert(number, part);
        if copies {
            let body = format!("<CopyPartResult><ETag>{etag}</ETag></CopyPartResult>");
            return Reply::xml(200, &body);
        }
        Reply::new(200).with("etag", etag)
    }

    pub(crate) fn parts(&mut self, dialect: &Dialect, request: &Request<'_>) -> Reply {
        let mut fields = request.query.iter();
        let behind = fields.find(|(name, _)| *name == "part-number-marker");
        let behind: u32 = behind.and_then(|(_, text)| text.parse().ok()).unwrap_or(0);
        let page = dialect.page;
        let Some(upload) = self.upload(request) else {
            return Reply::error(404, "NoSuchUpload");
        };
        let mut rows = String::new();
        let mut last = behind;
        let later = upload.parts.range(behind + 1..);
        let is_cut = later.clone().count() > page;
        for (number, part) in later.take(page) {
            rows.push_str(&format!(
                "<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag><Size>{}</Size></Part>",
                part.etag,
                part.bytes.len()
            ));
            last = *number;
        }
        Reply::xml(
            200,
            &format!(
                "<ListPartsResult><IsTruncated>{is_cut}</IsTruncated>\
                 <NextPartNumberMarker>{last}</NextPartNumberMarker>{rows}</ListPartsResult>"
            ),
        )
    }

    pub(crate) fn abort(&mut self, request: &Request<'_>) -> Reply {
        if self.upload(request).is_none() {
            return Reply::error(404, "NoSuchUpload");
        }
        if let Some(id) = id_of(request) {
            self.uploads.remove(id);
        }
        Reply::new(204)
    }

    pub(crate) fn complete(
        &mut self,
        dialect: &Dialect,
        request: &Request<'_>,
        body: &[u8],
    ) -> Reply {
        let id = id_of(request).unwrap_or_default().to_owned();
        let again = self.completed.get(&id).cloned();
        if let (true, Some(etag)) = (dialect.completes_twice, again) {
            return completed(&etag);
        }
        let now = self.now;
        let Some(upload) = self.upload(request) else {
            return Reply::error(404, "NoSuchUpload");
        };
        let text = String::from_utf8_lossy(body);
        let named: Vec<(u32, String)> = text
            .split("<PartNumber>")
            .skip(1)
            .filter_map(|rest| {
                let (number, rest) = rest.split_once("</PartNumber><ETag>")?;
                let (etag, _) = rest.split_once("</ETag>")?;
                Some((number.parse().ok()?, etag.replace("&quot;", "\"")))
            })
            .collect();
        if named.is_empty() {
            return Reply::error(400, "MalformedXML");
        }
        if !named.is_sorted_by(|(first, _), (second, _)| first < second) {
            return Reply::error(400, "InvalidPartOrder");
        }
        let (mut bytes, mut all, mut sizes) = (Vec::new(), Md5::new(), Vec::new());
        for (number, etag) in &named {
            let Some(part) = upload.parts.get(number).filter(|part| part.etag == *etag) else {
                return Reply::error(400, "InvalidPart");
            };
            all.update(Md5::digest(&*part.bytes));
            sizes.push(part.bytes.len() as u64);
            bytes.extend_from_slice(&part.bytes);
        }
        let (last, others) = sizes.split_last().unwrap_or((&0, &[]));
        if others.iter().any(|size| *size < dialect.least_part) {
            return Reply::error(400, "EntityTooSmall");
        }
        let is_unequal = others.iter().any(|size| *size != others[0] || last > size);
        if dialect.equal_parts && is_unequal {
            return Reply::error(400, "InvalidPart");
        }
        let headers = upload.headers.clone();
        if dialect.conditions_on_complete
            && let Some(refused) = self.refuse(request)
        {
            return refused;
        }
        let etag = format!("\"{}-{}\"", hex(&all.finalize()), named.len());
        let object = Object {
            etag: etag.clone(),
            headers,
            ..Object::new(bytes, now)
        };
        self.set(&request.key, Some(object));
        self.uploads.remove(&id);
        self.completed.insert(id, etag.clone());
        completed(&etag)
    }
}

fn completed(etag: &str) -> Reply {
    let body = format!("<CompleteMultipartUploadResult><ETag>{etag}</ETag>");
    Reply::xml(200, &format!("{body}</CompleteMultipartUploadResult>"))
}

fn id_of<'r>(request: &'r Request<'_>) -> Option<&'r str> {
    let mut fields = request.query.iter();
    let id = fields.find(|(name, _)| *name == "uploadId");
    id.map(|(_, id)| id.as_str())
}
