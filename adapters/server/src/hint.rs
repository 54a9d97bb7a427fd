//! What a mistake in the configuration file is called, and what mends it.

/// Keys that are often looked for where they are not, each with its table.
const PLACES: [(&str, &str); 49] = [
    ("listen", "the top, before any table"),
    ("proxy-from", "the top, before any table"),
    ("greeting", "the top, before any table"),
    ("welcome", "the top, before any table"),
    ("listing", "the top, before any table"),
    ("dot-files", "the top, before any table"),
    ("utc-offset", "the top, before any table"),
    ("durability", "the top, before any table"),
    ("listed-links", "the top, before any table"),
    ("site", "the top, before any table"),
    ("accept-truncated", "the top, before any table"),
    ("accept-hang-up", "the top, before any table"),
    ("users", "the top, before any table"),
    ("homes", "the top, before any table"),
    ("ctl-socket", "the top, before any table"),
    ("allow", "the top, before any table"),
    ("deny", "the top, before any table"),
    ("ports", "[passive]"),
    ("address", "[passive]"),
    ("links", "[storage]"),
    ("umask", "[storage]"),
    ("partials", "[storage]"),
    ("keep-partials", "[storage]"),
    ("partials-size", "[storage]"),
    ("replace", "[storage]"),
    ("idle", "[limits]"),
    ("login", "[limits]"),
    ("login-tries", "[limits]"),
    ("login-delay", "[limits]"),
    ("failed-logins", "[limits]"),
    ("back-off", "[limits]"),
    ("back-off-exempt", "[limits]"),
    ("sessions-per-address", "[limits]"),
    ("sessions-per-account", "[limits]"),
    ("commands-per-second", "[limits]"),
    ("minimum-rate", "[limits]"),
    ("stall", "[limits]"),
    ("grace", "[limits]"),
    ("storage-threads", "[limits]"),
    ("certificate", "[tls]"),
    ("key", "[tls]"),
    ("implicit", "[tls]"),
    ("versions", "[tls]"),
    ("session-reuse", "[tls]"),
    ("group", "[process]"),
    ("landlock", "[process]"),
    ("reach", "[process]"),
    ("serve-root", "[anonymous] or [[user]]"),
    ("forbidden-names", "[anonymous] or [[user]]"),
];

/// The words of the parser in ours, with the cure where there is one. The mistake is `at` that
/// text.
pub(crate) fn explain(message: &str, at: &str) -> String {
    if message == "duplicate key" {
        let cure = match at {
            "user" | "listener" => format!("[[{at}]] in double brackets"),
            _ => "each one once".to_owned(),
        };
        return format!("duplicate key, expected {cure}");
    }
    if message.contains("leading zero") {
        return "a number cannot begin with 0, expected quotes around it, such as umask = \"022\""
            .to_owned();
    }
    if let Some(field) = message.strip_prefix("missing field ") {
        return format!("expected {field} in here");
    }
    if let Some(start) = message.strip_suffix("expected `user`") {
        return format!("{start}expected nothing but [[user]] in this file");
    }
    let unknown = message.strip_prefix("unknown field `");
    let key = unknown.and_then(|rest| rest.split('`').next());
    match key.and_then(|key| PLACES.iter().find(|(name, _)| *name == key)) {
        Some((_, place)) => format!("{message}; there is one of that name in {place}"),
        None => message.to_owned(),
    }
}
