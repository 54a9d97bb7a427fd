//! The log's macros. Without the feature `tracing` nothing is written.

#[cfg(feature = "tracing")]
pub(crate) use tracing::{debug, error, info, warn};

/// Takes the fields of an event as `tracing` writes them, and does nothing with them.
#[cfg(not(feature = "tracing"))]
macro_rules! quiet {
    ($text:literal) => {{ let _ = format_args!($text); }};
    ($name:ident = % $value:expr, $($rest:tt)+) => { $crate::log::quiet!(@ $value, $($rest)+) };
    ($name:ident = ? $value:expr, $($rest:tt)+) => { $crate::log::quiet!(@ $value, $($rest)+) };
    ($name:ident = $value:expr, $($rest:tt)+) => { $crate::log::quiet!(@ $value, $($rest)+) };
    (% $name:ident, $($rest:tt)+) => { $crate::log::quiet!(@ $name, $($rest)+) };
    (? $name:ident, $($rest:tt)+) => { $crate::log::quiet!(@ $name, $($rest)+) };
    ($name:ident, $($rest:tt)+) => { $crate::log::quiet!(@ $name, $($rest)+) };
    (@ $value:expr, $($rest:tt)+) => {{ let _ = &$value; $crate::log::quiet!($($rest)+); }};
}
#[cfg(not(feature = "tracing"))]
pub(crate) use {quiet, quiet as debug, quiet as error, quiet as info, quiet as warn};
