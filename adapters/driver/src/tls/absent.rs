//! TLS of a build without the feature `tls`: there is none, and nothing can be made of it.

use std::io::{self, Read, Write};

/// Nothing: this build has no TLS.
#[derive(Debug)]
pub enum Tls {}

impl Tls {
    pub(crate) fn begin(&self, _: &[u8]) -> io::Result<(Channel, Keys)> {
        match *self {}
    }
}

pub(crate) enum Keys {}

impl Keys {
    pub(crate) fn of(self, _: &Channel) -> Self {
        self
    }

    pub(crate) fn client(&self) -> Option<&[u8]> {
        match *self {}
    }

    pub(crate) fn channel(&mut self) -> io::Result<Channel> {
        match *self {}
    }

    pub(crate) fn is_resumed(&self, _: &Channel) -> bool {
        match *self {}
    }

    pub(crate) fn is_anew(&self, _: &Channel) -> bool {
        match *self {}
    }

    pub(crate) fn approve(&self, _: &Channel) {
        match *self {}
    }

    pub(crate) fn is_same_client(&self, _: &Channel) -> bool {
        match *self {}
    }
}

pub(crate) enum Channel {}

impl Channel {
    pub(crate) fn shake(&mut self, _: impl Read + Write) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn writes(&self) -> bool {
        match *self {}
    }

    pub(crate) fn is_untouched(&self) -> bool {
        match *self {}
    }

    pub(crate) fn read(&mut self, _: impl Read + Write, _: &mut [u8]) -> io::Result<usize> {
        match *self {}
    }

    pub(crate) fn holds(&mut self) -> bool {
        match *self {}
    }

    pub(crate) fn write(&mut self, _: impl Write, _: &[u8]) -> io::Result<usize> {
        match *self {}
    }

    pub(crate) fn close(&mut self, _: impl Write) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn leave(&mut self, _: &[u8]) -> io::Result<(usize, bool)> {
        match *self {}
    }

    pub(crate) fn left(&self) -> &[u8] {
        match *self {}
    }

    pub(crate) fn is_resumed(&self) -> bool {
        match *self {}
    }

    pub(crate) fn version(&self) -> &'static str {
        match *self {}
    }
}
