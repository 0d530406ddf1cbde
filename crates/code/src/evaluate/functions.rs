//! The functions that names and paths are put together with.

use serde_json::{Map, Value};

use super::{TEXT_MAX, UNKNOWN, is_unknown, spelt};

/// What a call gives; nothing if it is not worked out. Nothing gives more than a text of
/// [`TEXT_MAX`] besides what it was given.
pub(super) fn call(name: &str, arguments: &[Value]) -> Option<Value> {
    let text = |at: usize| arguments.get(at).map(spelt);
    Some(match (name, arguments) {
        ("lower", [_]) => Value::String(text(0)?.to_lowercase()),
        ("upper", [_]) => Value::String(text(0)?.to_uppercase()),
        ("trimspace", [_]) => Value::String(text(0)?.trim().to_owned()),
        ("trimsuffix", [_, _]) => {
            let (text, end) = (text(0)?, text(1)?);
            Value::String(text.strip_suffix(&end).unwrap_or(&text).to_owned())
        }
        ("trimprefix", [_, _]) => {
            let (text, begin) = (text(0)?, text(1)?);
            Value::String(text.strip_prefix(&begin).unwrap_or(&text).to_owned())
        }
        ("replace", [_, _, _]) => replaced(&text(0)?, &text(1)?, &text(2)?)?,
        ("format", [_, rest @ ..]) => Value::String(formatted(&text(0)?, rest)),
        ("join", [_, Value::Array(items)]) => {
            let (by, items) = (text(0)?, items.iter().map(spelt).collect::<Vec<String>>());
            let between = by.len().checked_mul(items.len())?;
            (between <= TEXT_MAX).then(|| Value::String(items.join(&by)))?
        }
        ("split", [_, _]) if !text(1)?.contains(UNKNOWN) => {
            let (by, text) = (text(0)?, text(1)?);
            let parts = text.split(by.as_str()).map(|part| Value::String(part.to_owned()));
            Value::Array(parts.collect())
        }
        ("basename", [_]) => {
            let text = text(0)?;
            Value::String(text.trim_end_matches('/').rsplit('/').next()?.to_owned())
        }
        ("dirname", [_]) => {
            let text = text(0)?;
            let folder = text.trim_end_matches('/').rsplit_once('/');
            Value::String(folder.map_or(".", |(folder, _)| folder).to_owned())
        }
        (
            "abspath" | "pathexpand" | "tostring" | "toset" | "tolist" | "tomap" | "nonsensitive"
            | "sensitive" | "distinct",
            [one],
        ) => one.clone(),
        ("concat", lists) => Value::Array(
            lists.iter().map(|list| list.as_array().cloned()).collect::<Option<Vec<_>>>()?.concat(),
        ),
        ("merge", maps) => {
            let mut merged = Map::new();
            for map in maps {
                merged.extend(map.as_object()?.clone());
            }
            Value::Object(merged)
        }
        ("keys", [Value::Object(map)]) => {
            Value::Array(map.keys().cloned().map(Value::String).collect())
        }
        ("values", [Value::Object(map)]) => Value::Array(map.values().cloned().collect()),
        ("lookup", [Value::Object(map), key, rest @ ..]) => {
            map.get(&spelt(key)).or_else(|| rest.first()).cloned()?
        }
        ("element", [Value::Array(list), Value::Number(index)]) if !list.is_empty() => {
            list[usize::try_from(index.as_u64()?).ok()? % list.len()].clone()
        }
        ("coalesce" | "try" | "coalescelist", [first, ..]) if !is_unknown(first) => first.clone(),
        _ => return None,
    })
}

fn replaced(text: &str, from: &str, to: &str) -> Option<Value> {
    let is_pattern = from.len() > 1 && from.starts_with('/') && from.ends_with('/');
    if is_pattern || from.is_empty() {
        return None;
    }
    let put_in = text.matches(from).count().checked_mul(to.len())?;
    (put_in <= TEXT_MAX).then(|| Value::String(text.replace(from, to)))
}

/// `%s`, `%d` and `%v`; any other verb leaves a gap.
fn formatted(pattern: &str, arguments: &[Value]) -> String {
    let mut text = String::new();
    let mut arguments = arguments.iter();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        match rest.next() {
            Some('%') => text.push('%'),
            Some('s' | 'd' | 'v') => {
                text.push_str(&arguments.next().map_or_else(|| UNKNOWN.to_string(), spelt))
            }
            other => {
                text.push(UNKNOWN);
                // Width and the like stand between `%` and the letter.
                let mut verb = other;
                while verb.is_some_and(|c| !c.is_ascii_alphabetic()) {
                    verb = rest.next();
                }
                arguments.next();
            }
        }
    }
    text
}
