//! Faults in plain words, without the values: any of them may be a secret in the wrong place.

use toml::{Table, Value, de::Error};

/// An error of the reader as one line: the key, and what is wanted there.
pub(super) fn plain(error: &Error, table: Option<&str>) -> String {
    let keys: Vec<_> = table.map(str::to_owned).into_iter().chain(path(error)).collect();
    let what = wanted(error.message());
    match keys.is_empty() {
        true => what,
        false => format!("{}: {what}", keys.join(".")),
    }
}

/// The reader's words without the value it found.
fn wanted(message: &str) -> String {
    if ["invalid type: ", "invalid value: ", "invalid length "]
        .iter()
        .any(|p| message.starts_with(p))
    {
        let expected = message.rsplit_once(", expected ").map(|(_, expected)| expected);
        return format!("expected {}", expected.unwrap_or("something else"));
    }
    if message.starts_with("unknown variant ") {
        let expected = message.split_once(", expected ").map(|(_, expected)| expected);
        return format!("expected {}", expected.unwrap_or("something else"));
    }
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Where the reader was: it says so in a line of its own.
fn path(error: &Error) -> Vec<String> {
    let text = error.to_string();
    let keys =
        text.lines().filter_map(|line| line.strip_prefix("in `")?.strip_suffix('`')).next_back();
    keys.map(|keys| keys.split('.').map(str::to_owned).collect()).unwrap_or_default()
}

/// Puts the default where the reader stumbled, or takes away what it does not know; gives whether
/// there was anything to mend.
pub(super) fn mend(table: &mut Table, defaults: &Table, error: &Error) -> bool {
    let mut keys = path(error);
    let unknown = error.message().strip_prefix("unknown field `");
    if let Some(field) = unknown.and_then(|rest| rest.split('`').next()) {
        keys.push(field.to_owned());
        return remove(table, &keys).is_some();
    }
    let default = find(defaults, &keys);
    match default {
        Some(default) if find(table, &keys) != Some(default) => put(table, &keys, default.clone()),
        Some(_) => false,
        None => remove(table, &keys).is_some(),
    }
}

fn find<'t>(table: &'t Table, keys: &[String]) -> Option<&'t Value> {
    let (last, path) = keys.split_last()?;
    let table = path.iter().try_fold(table, |table, key| table.get(key)?.as_table())?;
    table.get(last)
}

fn parent<'t>(table: &'t mut Table, path: &[String]) -> Option<&'t mut Table> {
    path.iter().try_fold(table, |table, key| table.get_mut(key)?.as_table_mut())
}

fn put(table: &mut Table, keys: &[String], value: Value) -> bool {
    let Some((last, path)) = keys.split_last() else { return false };
    let Some(table) = parent(table, path) else { return false };
    table.insert(last.clone(), value);
    true
}

fn remove(table: &mut Table, keys: &[String]) -> Option<Value> {
    let (last, path) = keys.split_last()?;
    parent(table, path)?.remove(last)
}
