//! An embedder that does what it is asked, as late as it can: only when the session takes nothing
//! more. So what it does cannot depend on how bytes were cut.

use super::Peer;

/// The answer that lets a conversation go on. Names that end in `d` are directories, those that
/// end in `f` are files, nothing else exists.
pub(crate) fn obliging(request: &str) -> &'static str {
    let mut words = request.split(' ');
    let verb = words.next().unwrap_or_default();
    match verb {
        "stat" if request.ends_with('d') || request == "stat /" => "dir",
        "stat" if request.ends_with('f') => "file 5",
        "stat" => "NotFound",
        "listen" => "127.0.0.1:51210",
        "open" if request.contains(" unique") => "chosen /upload.1",
        "open" if request.contains(" read@") => "opened 5",
        "open" => "opened",
        "send" | "receive" | "list" => "moved 5 clean",
        "identify" => "password",
        "text-size" => "7",
        "available" => "7000000",
        _ => "ok",
    }
}

/// What may come of a request, the good first; `fails` stands for each failure.
pub(crate) fn outcomes(request: &str) -> &'static [&'static str] {
    match request.split(' ').next().unwrap_or_default() {
        "identify" => &[
            "password",
            "password",
            "ok",
            "denied",
            "unprotected",
            "too-many",
            "unavailable",
        ],
        "login" => &[
            "ok",
            "ok",
            "ok",
            "denied",
            "unprotected",
            "too-many",
            "unavailable",
        ],
        "stat" if request.ends_with('d') => &["dir", "dir", "file 5", "fails"],
        "stat" => &["file 5", "fails", "dir", "link", "partial 4096", "sealed"],
        "listen" => &["127.0.0.1:51210", "127.0.0.1:51210", "[::1]:51210", "fails"],
        "open" if request.contains("read@") => &["opened 5", "opened", "opened 2", "fails"],
        "open" if request.contains("unique") => &["chosen /u.1", "fails"],
        "open" => &["opened", "opened", "fails"],
        "accept" | "dial" => &["ok", "ok", "Refused", "NoResources", "Cancelled"],
        "send" | "receive" | "list" => &[
            "moved 5 clean",
            "moved 2 clean",
            "moved 3 cancelled",
            "moved 3 reset",
            "moved 3 truncated",
            "moved 3 fails",
        ],
        "close-data" => &["ok"],
        "start-tls" | "stop-tls" => &["ok", "ok", "Handshake", "Closed"],
        "secure" => &["ok", "ok", "Handshake", "NotResumed", "Cancelled"],
        "text-size" | "available" => &["7", "7000000", "fails", "decline"],
        _ => &["ok", "fails"],
    }
}

/// Sends the bytes in pieces, lets the session write in pieces, obliges it, and says which
/// actions it asked for.
pub(crate) fn converse(
    peer: &mut Peer,
    bytes: &[u8],
    mut cut: impl FnMut() -> usize,
) -> Vec<String> {
    let mut actions = Vec::new();
    let mut rest = bytes;
    loop {
        while !rest.is_empty() && peer.session.wants_input() {
            let piece = &rest[..cut().clamp(1, rest.len())];
            let taken = peer.session.receive(peer.now, piece);
            rest = &rest[taken..];
            peer.take_notes();
        }
        peer.take_notes();
        let waiting = peer.session.transmit();
        if !waiting.is_empty() {
            let count = cut().clamp(1, waiting.len());
            peer.replies.extend_from_slice(&waiting[..count]);
            peer.session.transmitted(peer.now, count);
        } else if let Some(action) = peer.poll() {
            actions.push(action);
        } else if let Some(request) = &peer.request {
            let words = super::peer::describe(request, &peer.session);
            peer.answer(obliging(&words));
        } else if let Some(deadline) = peer.session.deadline().filter(|_| waits(peer)) {
            // A refused login waits for its time.
            peer.now = deadline;
            peer.session.tick(deadline);
        } else {
            break;
        }
    }
    actions
}

/// Whether the session takes no input and asks for nothing.
fn waits(peer: &Peer) -> bool {
    peer.session.transmit().is_empty() && !peer.session.wants_input()
}
