//! The core from outside, in one program: to link it is what takes long.

mod common;

mod abort;
mod allocations;
mod answers;
mod contract;
mod conversions;
mod corpora;
mod data;
mod endings;
mod exhaustive;
mod extensions;
mod files;
mod hostile;
mod layers;
mod listing;
mod login;
mod machine;
mod meanwhile;
mod navigation;
mod notes;
mod partials;
mod properties;
mod rates;
mod sessions;
mod settling;
mod shutdown;
mod telnet;
mod timers;
mod tls;
mod transfer;
mod values;
