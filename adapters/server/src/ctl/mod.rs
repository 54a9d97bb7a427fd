//! `ctl`: what an operator asks a running server, over a Unix socket: one line of JSON each way.

mod answer;
mod command;
mod door;
mod table;
mod words;

pub(crate) use command::run;
pub(crate) use door::Door;
