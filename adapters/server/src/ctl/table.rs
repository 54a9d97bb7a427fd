//! What an answer looks like to an operator.

use wharf_driver::Escape;

use super::words::{Answer, Ban, Session, Status, Transfer};
use crate::columns::align;

/// The length of the bar of a transfer.
const BAR: usize = 20;

const TITLES: [&str; 7] = [
    "SESSION",
    "USER",
    "FROM",
    "TLS",
    "CONNECTED",
    "IDLE",
    "TRANSFER",
];

/// Returns what is printed.
///
/// # Errors
/// What the server says is wrong.
pub(super) fn print(answer: &Answer) -> Result<String, String> {
    Ok(match answer {
        Answer::Sessions(sessions) => who(sessions),
        Answer::Ended(ended) => match &ended[..] {
            [] => "no session is like that\n".into(),
            [one] => format!("session {one} was told to end\n"),
            many => format!("{} sessions were told to end\n", many.len()),
        },
        Answer::Bans(bans) => match &bans[..] {
            [] => "no network is banned\n".into(),
            bans => bans.iter().map(ban).collect(),
        },
        Answer::Status(status) => told(status),
        Answer::Error(what) => return Err(what.clone()),
    })
}

fn ban(ban: &Ban) -> String {
    let network = ban.network;
    match ban.seconds {
        Some(seconds) => format!("{network}  for {}\n", time(seconds)),
        None => format!("{network}  until the server ends\n"),
    }
}

fn told(status: &Status) -> String {
    let state = if status.is_stopping {
        "stopping"
    } else {
        "serving"
    };
    format!(
        "wharf {}, process {}: {state} for {}, {} of {} sessions\n",
        status.version,
        status.pid,
        time(status.seconds),
        status.sessions,
        status.most_sessions
    )
}

fn who(sessions: &[Session]) -> String {
    let mut rows = vec![TITLES.map(str::to_owned)];
    rows.extend(sessions.iter().map(|session| {
        [
            session.session.to_string(),
            session.user.as_deref().map_or("-".into(), shown),
            session.peer.to_string(),
            if session.tls { "yes" } else { "no" }.into(),
            time(session.seconds),
            time(session.idle_seconds),
            session.transfer.as_ref().map_or("-".into(), transfer),
        ]
    }));
    align(&rows)
}

/// Returns the line of a transfer: with a bar where it is known how long it is.
fn transfer(transfer: &Transfer) -> String {
    let Transfer {
        command,
        path,
        bytes,
        length,
        seconds,
        ..
    } = transfer;
    let rate = size(*bytes as f64 / seconds.max(0.001));
    let (path, moved) = (shown(path), size(*bytes as f64));
    match length {
        Some(length) if *length > 0 => {
            let part = (*bytes as f64 / *length as f64).min(1.0);
            let full = (part * BAR as f64) as usize;
            let bar = format!("{}{}", "#".repeat(full), ".".repeat(BAR - full));
            let (percent, all) = (part * 100.0, size(*length as f64));
            format!("{command} {path} [{bar}] {percent:.0} %, {moved} of {all}, {rate}/s")
        }
        _ => format!("{command} {path} {moved}, {rate}/s"),
    }
}

/// What a client chose cannot move the cursor, nor pretend to be another row.
fn shown(text: &str) -> String {
    Escape(text.as_bytes()).to_string()
}

fn size(bytes: f64) -> String {
    let mut left = bytes;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if left < 1024.0 {
            return match unit {
                "B" => format!("{left:.0} B"),
                unit => format!("{left:.1} {unit}"),
            };
        }
        left /= 1024.0;
    }
    format!("{left:.1} TiB")
}

fn time(seconds: f64) -> String {
    let all = seconds as u64;
    let (days, hours, minutes, seconds) = (all / 86_400, all / 3_600 % 24, all / 60 % 60, all % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{seconds:02}s"),
        (0, _, _) => format!("{hours}h{minutes:02}m"),
        _ => format!("{days}d{hours:02}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_row_for_each_session() {
        let idle = Session {
            session: 7,
            peer: ([192, 0, 2, 1], 40_000).into(),
            user: None,
            tls: false,
            seconds: 3.9,
            idle_seconds: 0.2,
            transfer: None,
        };
        let busy = Session {
            session: 12,
            user: Some("an\x1b[Jna".into()),
            tls: true,
            seconds: 3_725.0,
            transfer: Some(Transfer {
                command: "RETR".into(),
                path: "/a\nb".into(),
                offset: 0,
                bytes: 512 << 20,
                length: Some(1 << 30),
                seconds: 2.0,
            }),
            ..idle.clone()
        };
        let text = print(&Answer::Sessions(vec![idle, busy]));
        let text = text.unwrap_or_default();
        assert_eq!(
            text,
            "SESSION  USER        FROM             TLS  CONNECTED  IDLE  TRANSFER\n\
             7        -           192.0.2.1:40000  no   3s         0s    -\n\
             12       an\\x1b[Jna  192.0.2.1:40000  yes  1h02m      0s    RETR /a\\nb \
             [##########..........] 50 %, 512.0 MiB of 1.0 GiB, 256.0 MiB/s\n"
        );
    }

    #[test]
    fn sizes_and_times_are_short() {
        let sizes = [0.0, 1023.0, 1024.0, 1.5 * 1024.0 * 1024.0, 2e15].map(size);
        assert_eq!(sizes, ["0 B", "1023 B", "1.0 KiB", "1.5 MiB", "1819.0 TiB"]);
        let times = [0.9, 59.0, 60.0, 3_600.0, 90_000.0].map(time);
        assert_eq!(times, ["0s", "59s", "1m00s", "1h00m", "1d01h"]);
    }
}
