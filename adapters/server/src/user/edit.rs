//! The texts of files of accounts.

use toml_edit::{DocumentMut, Item, Value};
use wharf_core::Rights;

/// Returns the text of a file with one account.
pub(super) fn account(name: &str, hash: &str, home: Option<&str>, rights: Rights) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let (name, hash) = (quoted(name), quoted(hash));
    let home = home.map_or(String::new(), |home| format!("home = {}\n", quoted(home)));
    let rights = rights.to_string();
    let rights: Vec<String> = rights
        .split(", ")
        .filter(|right| !right.is_empty())
        .map(|right| format!("\"{right}\""))
        .collect();
    format!(
        "[[user]]\nname = {name}\npassword = {hash}\n{home}rights = [{}]\n",
        rights.join(", ")
    )
}

/// Returns a file without the account that has this place in it; `None` if there is none.
pub(super) fn without(text: &str, at: usize) -> Option<String> {
    let mut document: DocumentMut = text.parse().ok()?;
    match document.get_mut("user")? {
        Item::ArrayOfTables(tables) if at < tables.len() => drop(tables.remove(at)),
        Item::Value(Value::Array(values)) if at < values.len() => drop(values.remove(at)),
        _ => return None,
    }
    Some(document.to_string())
}
