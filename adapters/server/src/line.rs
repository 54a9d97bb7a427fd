//! [`Lines`]: from what `tracing` is told to a line of the log, as text or as JSON.
//!
//! Text: time, level, message, then `name=value`. A value that is not a number or a plain word
//! stands in quotes, in which quotes and backslashes are escaped, so that nothing within it can be
//! taken for another field.

use std::fmt::{self, Write as _};
use std::time::SystemTime;

use serde_json::Value as Json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;
use wharf_driver::Escape;
use wharf_driver::journal::Kind;

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Time, level, message and fields.
    #[default]
    Text,
    /// A JSON object.
    Json,
}

/// A layer that hands each line to `write`.
pub(crate) struct Lines<W> {
    pub(crate) format: Format,
    pub(crate) write: W,
}

impl<W, S> Layer<S> for Lines<W>
where
    W: Fn(Kind, String) + 'static,
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        let mut in_session = false;
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.list.extend(outer.list.iter().cloned());
                in_session = true;
            }
        }
        event.record(&mut fields);
        let about = event.metadata();
        let kind = Kind::of(about.target(), in_session);
        (self.write)(kind, line(self.format, *about.level(), &fields));
    }
}

/// A line with nothing but a message, for what is said before there is a log or beside it.
pub(crate) fn message(format: Format, level: Level, message: &str) -> String {
    let fields = Fields {
        message: message.to_owned(),
        list: Vec::new(),
    };
    line(format, level, &fields)
}

/// The line that tells how many lines were lost, by what they were about.
pub(crate) fn lost(format: Format, counts: &[(&'static str, u64)]) -> String {
    let counts = counts
        .iter()
        .map(|(name, count)| (*name, Value::Integer((*count).into())));
    let fields = Fields {
        message: "log lines were lost: they are not read as fast as written".to_owned(),
        list: counts.collect(),
    };
    line(format, Level::WARN, &fields)
}

fn line(format: Format, level: Level, fields: &Fields) -> String {
    let time = humantime::format_rfc3339_micros(SystemTime::now());
    let mut line = String::with_capacity(256);
    match format {
        Format::Text => {
            // To write into a string cannot fail.
            let _ = write!(line, "{time} {level:>5} ");
            push_message(&mut line, &fields.message);
            for (name, value) in &fields.list {
                let _ = write!(line, " {name}={value}");
            }
        }
        Format::Json => {
            let message = ("message", Json::from(fields.message.as_str()));
            let list = fields
                .list
                .iter()
                .map(|(name, value)| (*name, value.json()));
            let _ = write!(
                line,
                "{{\"timestamp\":\"{time}\",\"level\":\"{level}\",\"fields\":{{"
            );
            for (at, (name, value)) in std::iter::once(message).chain(list).enumerate() {
                let comma = if at == 0 { "" } else { "," };
                let _ = write!(line, "{comma}{}:{value}", Json::from(name));
            }
            line.push_str("}}");
        }
    }
    line.push('\n');
    line
}

/// A message is our own words, but may tell what an error said.
fn push_message(line: &mut String, message: &str) {
    if message.contains(char::is_control) || message.len() > Escape::MOST {
        let _ = write!(line, "{}", Escape(message.as_bytes()));
    } else {
        line.push_str(message);
    }
}

/// What is told, in order; of two fields with one name the later counts.
#[derive(Clone, Debug, Default)]
struct Fields {
    message: String,
    list: Vec<(&'static str, Value)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Integer(i128),
    Float(f64),
    Bool(bool),
    Text(String),
    /// Text in quotes, as [`Escape`]'s `Debug` form writes it.
    Quoted(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => number.fmt(f),
            Self::Float(number) => write!(f, "{number:.6}"),
            Self::Bool(truth) => truth.fmt(f),
            Self::Text(text) if is_plain(text) => f.write_str(text),
            Self::Text(text) => write!(f, "{:?}", Escape(text.as_bytes())),
            Self::Quoted(text) => f.write_str(text),
        }
    }
}

impl Value {
    /// The value of that text, which may be quoted already.
    fn of(text: String) -> Self {
        if is_quoted(&text) && text.len() <= Escape::LONGEST {
            Self::Quoted(text)
        } else {
            Self::Text(text)
        }
    }

    fn json(&self) -> Json {
        match self {
            Self::Integer(number) => i64::try_from(*number)
                .map(Json::from)
                .or_else(|_| u64::try_from(*number).map(Json::from))
                .unwrap_or_else(|_| number.to_string().into()),
            // Microseconds are all that the clock tells.
            Self::Float(number) => Json::from((number * 1e6).round() / 1e6),
            Self::Bool(truth) => Json::from(*truth),
            Self::Text(text) if text.len() > Escape::MOST => {
                Json::from(Escape(text.as_bytes()).to_string())
            }
            Self::Text(text) => Json::from(text.as_str()),
            Self::Quoted(text) => Json::from(unquoted(text)),
        }
    }
}

impl Fields {
    fn set(&mut self, field: &Field, value: Value) {
        let name = field.name();
        self.list.retain(|(other, _)| *other != name);
        // What is recorded as empty is no more.
        if value != Value::Text(String::new()) {
            self.list.push((name, value));
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else {
            self.set(field, Value::of(text));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.set(field, Value::Text(value.to_owned()));
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, Value::Float(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, Value::Integer(value.into()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, Value::Integer(value.into()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, Value::Bool(value));
    }
}

/// Whether a text needs no quotes: nothing in it can divide or end a field.
fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'=');
    (1..=Escape::MOST).contains(&text.len()) && text.bytes().all(plain)
}

/// Whether a text stands in quotes that nothing within it ends.
fn is_quoted(text: &str) -> bool {
    let Some(inner) = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
    else {
        return false;
    };
    let mut escaped = false;
    for byte in inner.bytes() {
        escaped = match byte {
            b'\\' => !escaped,
            b'"' if !escaped => return false,
            byte if byte.is_ascii_control() => return false,
            _ => false,
        };
    }
    !escaped
}

/// The text within quotes, whose own quotes need no escape there.
fn unquoted(text: &str) -> String {
    let mut inner = text.get(1..text.len() - 1).unwrap_or_default().chars();
    let mut plain = String::with_capacity(text.len());
    while let Some(c) = inner.next() {
        match (c, inner.clone().next()) {
            ('\\', Some('"')) => {}
            ('\\', Some(next)) => {
                plain.push(c);
                plain.push(next);
                inner.next();
            }
            (c, _) => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_pretend_to_be_another_field() {
        for (value, shown) in [
            ("alice", "alice"),
            ("127.0.0.1:21", "127.0.0.1:21"),
            ("", r#""""#),
            ("a b", r#""a b""#),
            ("x=1", r#""x=1""#),
            (r#"a" peer=6.6.6.6:1 b="#, r#""a\" peer=6.6.6.6:1 b=""#),
            (r#"" a" b""#, r#""\" a\" b\"""#),
            (r#""a\""#, r#""\"a\\\"""#),
            ("a\nb", r#""a\nb""#),
            (r"a\", r#""a\\""#),
        ] {
            assert_eq!(Value::of(value.to_owned()).to_string(), shown);
        }
    }

    #[test]
    fn what_is_quoted_already_stays_so_and_is_plain_in_json() {
        for bytes in [&b"a \"b\" \\c\\"[..], b"\xff\x1b[2J", b"", b"\\\""] {
            let quoted = format!("{:?}", Escape(bytes));
            let value = Value::of(quoted.clone());
            assert_eq!(value.to_string(), quoted);
            let plain = Escape(bytes).to_string();
            assert_eq!(value.json(), Json::from(plain));
        }
    }

    #[test]
    fn a_field_is_bounded_whatever_it_is_of() {
        let path = [b"/a\xff\n\"=".repeat(1_000), b"/the end".to_vec()].concat();
        let quoted = format!("{:?}", Escape(&path));
        let long = "=".repeat(100_000);
        for (text, end) in [
            (quoted, "/the end"),
            (long.clone(), "="),
            (format!("{long:?}"), r#"=\""#),
            ("x".repeat(100_000), "x"),
        ] {
            let value = Value::of(text);
            let shown = value.to_string();
            assert!(is_quoted(&shown), "{shown}");
            assert!(shown.len() <= Escape::LONGEST, "{}", shown.len());
            assert!(shown.contains("bytes)") && shown.ends_with(&format!("{end}\"")));
            assert!(value.json().to_string().len() <= 2 * Escape::LONGEST);
        }
    }

    #[test]
    fn numbers_are_numbers() {
        assert_eq!(Value::Float(9.6e-5).to_string(), "0.000096");
        assert_eq!(Value::Float(9.6e-5).json().to_string(), "0.000096");
        assert_eq!(
            Value::Float(1.794_668_000_000_000_2).json().to_string(),
            "1.794668"
        );
        assert_eq!(Value::Integer(-5).to_string(), "-5");
        assert_eq!(
            Value::Integer(i128::from(u64::MAX)).json(),
            Json::from(u64::MAX)
        );
    }

    #[test]
    fn a_message_is_one_line() {
        let line = message(Format::Text, Level::ERROR, "a\nb");
        assert!(line.ends_with("ERROR a\\nb\n"), "{line}");
        let line = message(Format::Json, Level::ERROR, "a\nb \"c\"");
        assert!(
            line.ends_with("{\"message\":\"a\\nb \\\"c\\\"\"}}\n"),
            "{line}"
        );
    }
}
