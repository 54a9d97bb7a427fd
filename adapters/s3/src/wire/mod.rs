//! The S3 interface as pure functions: requests as they are sent, and what their answers mean.

mod answer;
mod attributes;
mod checksum;
mod date;
mod headers;
mod listing;
mod request;
mod xml;

pub use answer::{Head, Problem, Range};
pub use attributes::{Attributes, Encryption};
pub use checksum::Checksum;
pub use headers::Headers;
pub use listing::{Object, Page, Part, Parts};
pub use request::{Copied, Guarded, Method, Request, Start};
pub use xml::Malformed;

pub(crate) use checksum::{hex, hex_sha256};
pub(crate) use date::{from_head, from_rclone};
#[cfg(feature = "https")]
pub(crate) use request::in_query;
#[cfg(feature = "https")]
pub(crate) use xml::texts;
