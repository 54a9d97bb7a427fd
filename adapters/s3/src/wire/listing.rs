//! What the lists of a store say: of objects, and of the parts of an upload.

use percent_encoding::percent_decode_str;
use wharf_core::Timestamp;

use super::Start;
use super::date::from_listing;
use super::xml::{Malformed, texts};

/// One object of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object {
    /// Its key.
    pub key: String,
    /// Its length in bytes.
    pub size: u64,
    /// When it was put.
    pub modified: Option<Timestamp>,
    /// What names this version of it.
    pub etag: String,
}

/// One page of a list of objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The objects, in the order of their keys.
    pub objects: Vec<Object>,
    /// What keys have in common up to the next delimiter, in the order of the prefixes.
    pub prefixes: Vec<String>,
    /// What to ask with for the next page; `None` behind the last one.
    pub next: Option<String>,
}

impl Page {
    /// Understands the answer to [`Request::list`](super::Request::list).
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(xml: &[u8], asked: Start<'_>) -> Result<Self, Malformed> {
        let mut page = Self::default();
        let mut object = Object::default();
        let (mut is_cut, mut next, mut is_encoded) = (false, None, false);
        let mut wrong = false;
        texts(xml, |path, text| match path {
            ["ListBucketResult", "Contents", field] => match *field {
                "Key" => text.clone_into(&mut object.key),
                "Size" => match text.parse() {
                    Ok(size) => object.size = size,
                    Err(_) => wrong = true,
                },
                "LastModified" => object.modified = from_listing(text),
                "ETag" => text.clone_into(&mut object.etag),
                _ => {}
            },
            ["ListBucketResult", "Contents"] => page.objects.push(std::mem::take(&mut object)),
            ["ListBucketResult", "CommonPrefixes", "Prefix"] => page.prefixes.push(text.to_owned()),
            ["ListBucketResult", "IsTruncated"] => is_cut = text == "true",
            ["ListBucketResult", "NextContinuationToken"] => next = Some(text.to_owned()),
            ["ListBucketResult", "EncodingType"] => is_encoded = text == "url",
            _ => {}
        })?;
        if is_encoded {
            let keys = page.objects.iter_mut().map(|object| &mut object.key);
            for text in keys.chain(&mut page.prefixes) {
                *text = decode(text)?;
            }
        }
        if is_cut {
            let next = match asked {
                Start::V2(_) => next.filter(|next| !next.is_empty()),
                // `NextMarker` is the same, but not every store tells it, and some that encode all else do not
                // encode it.
                Start::V1(_) => page.last(),
            };
            page.next = Some(next.ok_or(Malformed)?);
        }
        (!wrong).then_some(page).ok_or(Malformed)
    }

    /// Returns the last key or prefix.
    fn last(&self) -> Option<String> {
        let key = self.objects.last().map(|object| &object.key);
        key.max(self.prefixes.last()).cloned()
    }
}

/// One part of an upload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Its number, from 1.
    pub number: u32,
    /// Its length in bytes.
    pub size: u64,
    /// What names its content.
    pub etag: String,
}

/// One page of a list of the parts of an upload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// The parts, in the order of their numbers.
    pub parts: Vec<Part>,
    /// The number behind which the next page begins; `None` behind the last one.
    pub next: Option<u32>,
}

impl Parts {
    /// Understands the answer to [`Request::parts`](super::Request::parts).
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(xml: &[u8]) -> Result<Self, Malformed> {
        let mut page = Self::default();
        let mut part = Part::default();
        let (mut is_cut, mut next, mut wrong) = (false, None, false);
        texts(xml, |path, text| match path {
            ["ListPartsResult", "Part", field] => match *field {
                "PartNumber" => read(text, &mut part.number, &mut wrong),
                "Size" => read(text, &mut part.size, &mut wrong),
                "ETag" => text.clone_into(&mut part.etag),
                _ => {}
            },
            ["ListPartsResult", "Part"] => page.parts.push(std::mem::take(&mut part)),
            ["ListPartsResult", "IsTruncated"] => is_cut = text == "true",
            ["ListPartsResult", "NextPartNumberMarker"] => next = text.parse().ok(),
            _ => {}
        })?;
        page.next = if is_cut {
            Some(next.ok_or(Malformed)?)
        } else {
            None
        };
        (!wrong).then_some(page).ok_or(Malformed)
    }
}

fn read<T: std::str::FromStr>(text: &str, into: &mut T, wrong: &mut bool) {
    match text.parse() {
        Ok(number) => *into = number,
        Err(_) => *wrong = true,
    }
}

/// Returns the text of one element: the first of that name that lies directly in the outermost one.
pub(super) fn text_of(xml: &[u8], name: &str) -> Result<Option<String>, Malformed> {
    let mut found = None;
    texts(xml, |path, text| match path {
        [_, field] if *field == name && found.is_none() => found = Some(text.to_owned()),
        _ => {}
    })?;
    Ok(found)
}

/// Undoes the encoding of keys in lists, in which a space may be a plus sign.
fn decode(text: &str) -> Result<String, Malformed> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced)
        .decode_utf8()
        .map_err(|_| Malformed)?;
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_understood_in_every_dialect() {
        let body = "<Name>b</Name><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>\
            <NextContinuationToken>a+/=</NextContinuationToken>\
            <Contents><Key>u/a+b%2Bc%0A</Key><LastModified>2026-11-29T18:43:02.000Z</LastModified>\
            <ETag>&quot;x&quot;</ETag><Size>7</Size><Owner><ID>me</ID></Owner></Contents>\
            <CommonPrefixes><Prefix>u/d%20e/</Prefix></CommonPrefixes>";
        for root in [
            "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">",
            "<ListBucketResult xmlns=\"https://cos.example/\">",
            "<ListBucketResult>",
        ] {
            let xml = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>{root}{body}</ListBucketResult>"
            );
            let page = Page::parse(xml.as_bytes(), Start::V2(None)).expect("it is a page");
            assert_eq!(page.objects.len(), 1);
            assert_eq!(page.objects[0].key, "u/a b+c\n");
            assert_eq!(page.objects[0].etag, "\"x\"");
            assert_eq!(page.objects[0].size, 7);
            assert!(page.objects[0].modified.is_some());
            assert_eq!(page.prefixes, ["u/d e/"]);
            assert_eq!(page.next.as_deref(), Some("a+/="));
        }
    }

    #[test]
    fn a_cut_page_without_a_way_on_is_malformed() {
        let xml = b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>";
        assert_eq!(Page::parse(xml, Start::V2(None)), Err(Malformed));
        assert_eq!(Page::parse(xml, Start::V1(None)), Err(Malformed));
        let xml = b"<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>k</Key></Contents></ListBucketResult>";
        assert_eq!(Page::parse(xml, Start::V2(None)), Err(Malformed));
        let page = Page::parse(xml, Start::V1(None)).expect("the last key leads on");
        assert_eq!(page.next.as_deref(), Some("k"));
        let xml =
            b"<ListBucketResult><IsTruncated>true</IsTruncated><EncodingType>url</EncodingType>\
            <NextMarker>a+%25/</NextMarker><Contents><Key>a</Key></Contents>\
            <CommonPrefixes><Prefix>a%2B%2525/</Prefix></CommonPrefixes></ListBucketResult>";
        let page = Page::parse(xml, Start::V1(None)).expect("the last prefix leads on");
        assert_eq!(page.next.as_deref(), Some("a+%25/"));
        let xml = b"<ListPartsResult><IsTruncated>true</IsTruncated></ListPartsResult>";
        assert_eq!(Parts::parse(xml), Err(Malformed));
    }

    #[test]
    fn parts_are_understood() {
        let xml = b"<ListPartsResult><Part><PartNumber>1</PartNumber><Size>5</Size><ETag>\"e\"</ETag></Part>\
            <IsTruncated>true</IsTruncated><NextPartNumberMarker>1</NextPartNumberMarker></ListPartsResult>";
        let page = Parts::parse(xml).expect("it is a page");
        let part = Part {
            number: 1,
            size: 5,
            etag: "\"e\"".into(),
        };
        assert_eq!((page.parts, page.next), (vec![part], Some(1)));
    }
}
