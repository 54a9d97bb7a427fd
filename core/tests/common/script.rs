//! Traces: how they are played, and what is shown when one is not as it should be.

use std::time::Duration;

use bstr::ByteSlice;
use wharf_script::{number, unescape};

use super::peer::{Peer, shown, split};

/// Plays a trace and fails where the session does anything else.
pub(crate) fn play(peer: &mut Peer, trace: &str) {
    for (index, line) in trace.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Err(problem) = step(peer, line) {
            let here = trace.lines().take(index + 1).collect::<Vec<_>>().join("\n");
            panic!("\n{}\n    ^ {problem}\n{}", brief(&here), rest(peer));
        }
    }
    if let Err(problem) = settled(peer) {
        panic!("\n{}\n    ^ {problem}\n{}", brief(trace), rest(peer));
    }
}

fn step(peer: &mut Peer, line: &str) -> Result<(), String> {
    let Some((mark, text)) = line.split_once(':') else {
        return Err("a line of a trace has a mark and a colon".into());
    };
    let text = text.strip_prefix(' ').unwrap_or(text);
    if !matches!(mark, "S" | "A" | "L" | "W" | "D") {
        settled(peer)?;
    }
    match mark {
        "C" => peer.send(&[&unescape(text)[..], b"\r\n"].concat()),
        "C~" => peer.send(&unescape(text)),
        "T" => peer.wait(duration(text.trim_start_matches('+'))),
        "D" => peer.push(text),
        "E" => event(peer, text),
        "S" => return reply(peer, text),
        "L" => return expect("line", &unescape(text), take_line(&mut peer.data)),
        "A" => {
            let got = peer.poll();
            return expect("action", text.as_bytes(), got.map(String::into_bytes));
        }
        "W" => {
            let wants = peer.session.wants_input();
            return expect(
                "answer",
                text.as_bytes(),
                Some(if wants {
                    b"yes".to_vec()
                } else {
                    b"no".to_vec()
                }),
            );
        }
        _ => return Err(format!("no such mark: {mark}")),
    }
    peer.exchange();
    Ok(())
}

fn event(peer: &mut Peer, text: &str) {
    let now = peer.now;
    match split(text) {
        ("queued", _) => peer.session.queued(now),
        ("progress", total) => peer.session.progress(now, number(total)),
        ("eof", "") => peer.session.receive_eof(now),
        ("lost", "") => peer.session.lost(now),
        ("shutdown", grace) => peer.session.shutdown(now, duration(grace)),
        ("dismiss", _) => peer.session.dismiss(now),
        _ => peer.answer(text),
    }
}

/// `S:`: a code stands for a whole reply, anything else for one line.
fn reply(peer: &mut Peer, text: &str) -> Result<(), String> {
    if text.len() != 3 {
        return expect("reply", &unescape(text), take_line(&mut peer.replies));
    }
    let whole = take_reply(&mut peer.replies);
    let code = whole.as_ref().map(|reply| reply[..3].to_vec());
    if code.as_deref() == Some(text.as_bytes()) {
        return Ok(());
    }
    expect("reply", text.as_bytes(), whole)
}

fn expect(what: &str, wanted: &[u8], got: Option<Vec<u8>>) -> Result<(), String> {
    match got {
        Some(got) if got == wanted => Ok(()),
        Some(got) => Err(format!("but this {what} came: {}", got.escape_ascii())),
        None => Err(format!("but no {what} came")),
    }
}

/// Everything that was emitted has been asked for.
fn settled(peer: &mut Peer) -> Result<(), String> {
    if let Some(action) = peer.poll() {
        return Err(format!("an action more: {action}"));
    }
    if !peer.replies.is_empty() {
        return Err("a reply more".into());
    }
    if !peer.data.is_empty() {
        return Err("a line of a listing more".into());
    }
    Ok(())
}

/// What else there is, to see at a glance where the conversation went.
fn rest(peer: &mut Peer) -> String {
    let actions: String = std::iter::from_fn(|| peer.poll())
        .map(|action| format!("    {action}\n"))
        .collect();
    brief(&format!(
        "replies:\n{}listed:\n{}actions:\n{actions}out: {:?}\n{:?}",
        shown(&peer.replies),
        shown(&peer.data),
        peer.request,
        peer.session,
    ))
}

/// Lines that are not longer than a reader wants.
fn brief(text: &str) -> String {
    let lines = text.lines().map(|line| line.chars().take(200).collect());
    lines.collect::<Vec<String>>().join("\n")
}

/// A reply of one line or more, if it is whole, as RFC 959 section 4.2 ends it.
pub(crate) fn take_reply(replies: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut length = 0;
    for line in replies.split_inclusive(|&byte| byte == b'\n') {
        length += line.len();
        let last = line.get(3) == Some(&b' ') && line.starts_with(&replies[..3]);
        if last && line.ends_with(b"\r\n") {
            let mut whole: Vec<u8> = replies.drain(..length).collect();
            whole.truncate(length - 2);
            return Some(whole);
        }
    }
    None
}

/// A line without its end.
fn take_line(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let end = bytes.find(b"\r\n")?;
    let mut line: Vec<u8> = bytes.drain(..end + 2).collect();
    line.truncate(end);
    Some(line)
}

/// `5s` or `20ms`.
fn duration(text: &str) -> Duration {
    match text.strip_suffix("ms") {
        Some(millis) => Duration::from_millis(number(millis)),
        None => Duration::from_secs(number(text.strip_suffix('s').unwrap_or("no unit"))),
    }
}
