//! Conversations over plain sockets, by topic.

mod abort;
pub(crate) mod data;
mod endings;
mod files;
mod listing;
mod ports;
mod proxy;
mod session;
mod tls;
pub(crate) mod transfer;
mod upload;

use crate::Case;

pub(crate) fn cases() -> Vec<Case> {
    [
        session::CASES,
        transfer::CASES,
        abort::CASES,
        upload::CASES,
        endings::CASES,
        data::CASES,
        ports::CASES,
        proxy::CASES,
        listing::CASES,
        files::CASES,
        tls::control::CASES,
        tls::data::CASES,
        tls::resumption::CASES,
        tls::policy::CASES,
    ]
    .concat()
}
