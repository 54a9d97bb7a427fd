//! Reading the XML of answers: by local names, since stores differ in their namespaces.

use std::fmt;
use std::str;

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

/// Elements within each other; an answer has five.
const DEEPEST: usize = 16;

/// An answer that cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer of the store cannot be understood")
    }
}

impl std::error::Error for Malformed {}

/// Returns whether the outermost element has that name.
pub(super) fn is_rooted_in(xml: &[u8], name: &str) -> bool {
    let Ok(text) = str::from_utf8(xml) else {
        return false;
    };
    let mut reader = Reader::from_str(text);
    loop {
        match reader.read_event() {
            Ok(Event::Start(element) | Event::Empty(element)) => {
                return element.local_name().as_ref() == name;
            }
            Ok(Event::Eof) | Err(_) => return false,
            Ok(_) => {}
        }
    }
}

/// Visits each element when it ends: the local names of those that it lies in, with its own as the last
/// one, and the text in it.
///
/// # Errors
/// [`Malformed`] if it is no XML, ends too early, or is nested too deeply.
pub(crate) fn texts(xml: &[u8], mut visit: impl FnMut(&[&str], &str)) -> Result<(), Malformed> {
    let text = str::from_utf8(xml).map_err(|_| Malformed)?;
    let mut reader = Reader::from_str(text);
    // The names lie behind each other, and these are their ends.
    let (mut names, mut ends) = (String::new(), Vec::new());
    let mut held = String::new();
    let mut is_whole = false;
    loop {
        match reader.read_event().map_err(|_| Malformed)? {
            Event::Start(element) => {
                if ends.len() == DEEPEST {
                    return Err(Malformed);
                }
                names.push_str(element.local_name().as_ref());
                ends.push(names.len());
                held.clear();
            }
            Event::Empty(element) => {
                let name = element.local_name();
                visit_at(&names, &ends, Some(name.as_ref()), "", &mut visit);
                is_whole |= ends.is_empty();
            }
            Event::End(_) => {
                visit_at(&names, &ends, None, &held, &mut visit);
                ends.pop().ok_or(Malformed)?;
                names.truncate(ends.last().copied().unwrap_or(0));
                held.clear();
                is_whole |= ends.is_empty();
            }
            Event::Text(text) => held.push_str(&text),
            Event::CData(text) => held.push_str(&text),
            Event::GeneralRef(entity) => match entity.resolve_char_ref().map_err(|_| Malformed)? {
                Some(character) => held.push(character),
                None => held.push_str(resolve_predefined_entity(&entity).ok_or(Malformed)?),
            },
            Event::Eof => {
                return (is_whole && ends.is_empty()).then_some(()).ok_or(Malformed);
            }
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

fn visit_at(
    names: &str,
    ends: &[usize],
    last: Option<&str>,
    text: &str,
    visit: &mut impl FnMut(&[&str], &str),
) {
    let mut path = [""; DEEPEST + 1];
    let mut start = 0;
    let mut depth = 0;
    for end in ends {
        path[depth] = &names[start..*end];
        (start, depth) = (*end, depth + 1);
    }
    if let Some(last) = last {
        path[depth] = last;
        depth += 1;
    }
    visit(&path[..depth], text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(xml: &str) -> Result<Vec<(String, String)>, Malformed> {
        let mut seen = Vec::new();
        texts(xml.as_bytes(), |path, text| {
            seen.push((path.join("/"), text.to_owned()));
        })?;
        Ok(seen)
    }

    #[test]
    fn elements_are_told_by_their_local_names() {
        let xml = r#"<?xml version="1.0"?><!-- x --><s3:A xmlns:s3="u"><B>1 &amp;&#x41; <![CDATA[<2>]]></B><C/></s3:A>"#;
        let seen = all(xml).expect("it is XML");
        let expected = [("A/B", "1 &A <2>"), ("A/C", ""), ("A", "")];
        assert_eq!(
            seen,
            expected.map(|(path, text)| (path.to_owned(), text.to_owned()))
        );
    }

    #[test]
    fn what_is_cut_or_nested_too_deeply_is_malformed() {
        let whole = "<A><B>text</B><C/></A>";
        for cut in 0..whole.len() {
            assert_eq!(all(&whole[..cut]), Err(Malformed), "{}", &whole[..cut]);
        }
        let nested = "<A>".repeat(1_000_000);
        assert_eq!(all(&nested), Err(Malformed));
        assert_eq!(all("<A>&unknown;</A>"), Err(Malformed));
        assert!(is_rooted_in(b"<?xml version='1.0'?><Error><Code>", "Error"));
        assert!(!is_rooted_in(b"<Errors/>", "Error") && !is_rooted_in(b"", "Error"));
    }
}
