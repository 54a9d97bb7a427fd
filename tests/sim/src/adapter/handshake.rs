//! What clients do where a handshake is due, and what the server makes of it.

use std::net::TcpStream;
use std::time::Duration;

use super::data::{Data, End};
use super::{What, World};
use crate::case::Fault;
use crate::protection::Turn;

/// A limit may be told of so much later.
const MOMENT: Duration = Duration::from_secs(1);

/// What a client says in clear behind AUTH.
const BEHIND_AUTH: &[u8] = b"USER mallory\r\nPASS x\r\nDELE /pub/a\r\n";

impl World<'_> {
    /// Bytes have come over the control connection.
    pub(super) fn on_bytes(&mut self, at: usize, raw: &[u8]) {
        let seat = &mut self.seats[at];
        if seat.gone {
            return;
        }
        let shook = seat.wire.shakes();
        let heard = seat.wire.hear(raw);
        if shook && heard.is_ok() && !seat.wire.shakes() {
            assert!(!seat.tainted, "O10: TLS begins behind clear bytes");
            self.outcome.protected += 1;
        }
        let word = seat.wire.say(b"");
        self.transmit(at, &word);
        match heard {
            Ok(said) if said.is_empty() => {}
            Ok(said) => {
                self.say(at, "S", &said);
                self.on_replies(at, &said);
            }
            Err(error) => {
                let clear = !self.seats[at].tainted;
                assert!(!clear, "O10: what came is not under TLS: {error}");
                self.leave(at);
            }
        }
    }

    /// A reply has said that the control connection becomes another one.
    pub(super) fn turn(&mut self, at: usize) {
        let seat = &mut self.seats[at];
        match seat.client.shield.turn.take() {
            Some(Turn::Tls) => self.shake(at),
            Some(Turn::Clear) => {
                let notifies = seat.random.below(4) > 0;
                let word = seat.wire.leave(notifies);
                self.transmit(at, &word);
            }
            None => {}
        }
    }

    /// The client begins a handshake on its control connection, or does what it should not.
    pub(super) fn shake(&mut self, at: usize) {
        let Some((bytes, end)) = self.misbehave(at) else {
            let seat = &mut self.seats[at];
            seat.wire.begin(&seat.dialect);
            let hello = seat.wire.say(b"");
            return self.transmit(at, &hello);
        };
        self.transmit(at, &bytes);
        let limit = self.service.settings().protocol.limits.handshake + MOMENT;
        let until = self.outside.now() + limit.as_micros() as u64;
        self.plans.plan(until, at, What::Expire);
        match end {
            End::Cut => self.leave(at),
            End::Stall | End::Answer => self.seats[at].gone = true,
        }
    }

    /// The client's end of a data connection under TLS.
    pub(super) fn protect(
        &mut self,
        at: usize,
        stream: TcpStream,
        upload: Option<Vec<u8>>,
    ) -> Data {
        match self.misbehave(at) {
            Some((_, End::Answer)) if upload.is_some() => {
                Data::wrong(stream, upload.unwrap_or_default(), End::Cut)
            }
            Some((bytes, end)) => Data::wrong(stream, bytes, end),
            None => {
                let uploads = upload.is_some();
                let seat = &mut self.seats[at];
                let mut data = Data::protected(stream, upload, &seat.dialect);
                // No trouble: it is clear what must come of it.
                data.notifies = !uploads || !seat.random.chance(self.case.rate(Fault::NoNotify));
                data.hurries = data.notifies && seat.random.below(4) == 0;
                data.must_resume = self.must_resume;
                data
            }
        }
    }

    /// What the client says behind AUTH and does not wait with, if it is such a client.
    pub(super) fn say_behind_auth(&mut self, at: usize, bytes: &mut Vec<u8>) {
        let seat = &self.seats[at];
        let turns = seat.client.turns() == Some("AUTH TLS") && !seat.wire.is_tls();
        if turns && !bytes.is_empty() && self.strikes(at, Fault::ClearBehindAuth) {
            bytes.extend_from_slice(BEHIND_AUTH);
            let seat = &mut self.seats[at];
            (seat.tainted, seat.client.babbles) = (true, true);
        }
    }

    /// What goes over the wire in the same breath as a CCC that the server will take: a client in a
    /// hurry goes on in clear without waiting for the reply.
    pub(super) fn hurry_out(&mut self, at: usize) -> Vec<u8> {
        let now = self.outside.now();
        let seat = &mut self.seats[at];
        let leaves = seat.client.turns() == Some("CCC") && seat.client.shield.may_leave();
        if !leaves || !seat.wire.is_tls() || seat.random.below(4) > 0 {
            return Vec::new();
        }
        let mut raw = seat.wire.leave(true);
        raw.extend_from_slice(seat.client.say_more(now));
        raw
    }

    /// What a client sends instead of a handshake, if it is to do so.
    fn misbehave(&mut self, at: usize) -> Option<(Vec<u8>, End)> {
        let end = if self.strikes(at, Fault::NoHandshake) {
            End::Answer
        } else if self.strikes(at, Fault::HandshakeCut) {
            End::Cut
        } else if self.strikes(at, Fault::HandshakeStall) {
            End::Stall
        } else {
            return None;
        };
        let seat = &mut self.seats[at];
        let random = &mut seat.random;
        let bytes = if end == End::Answer {
            match random.below(4) {
                0 => b"USER mallory\r\n".to_vec(),
                1 => b"\x16\x03\x01\xff\xff\x01".to_vec(),
                2 => [&b"\x16\x03\x01\x00\x28"[..], &[b'x'; 40]].concat(),
                _ => (0..random.between(1, 60))
                    .map(|_| random.number() as u8)
                    .collect(),
            }
        } else {
            let mut hello = Vec::new();
            // There is always room in memory.
            let _ = seat.dialect.begin().write_tls(&mut hello);
            hello.truncate(random.below(hello.len() as u64 + 1) as usize);
            hello
        };
        Some((bytes, end))
    }

    /// The client breaks its control connection, behind what it has sent.
    fn leave(&mut self, at: usize) {
        let seat = &mut self.seats[at];
        seat.gone = true;
        let arrival = seat.arrival[0].max(self.outside.now()) + 1;
        self.plans.plan(arrival, at, What::Break);
    }
}
