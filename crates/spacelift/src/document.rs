//! One operation out of a file of several.
//!
//! The derive embeds whole files, so that a fragment is written once; the wire gets only the
//! operation that is meant, because Spacelift parses and weighs what it is sent.

#[cfg(test)]
mod tests;

/// The operation called `name`, with the fragments it spreads.
pub(crate) fn operation(file: &str, name: &str) -> String {
    let operation = definitions(file)
        .find(|definition| {
            matches!(header(definition), Some(("query" | "mutation", found)) if found == name)
        })
        .expect("the derive has found the operation in the same text");
    with_fragments(file, operation)
}

/// `operation`, followed by the fragments of `file` that it spreads.
pub(crate) fn with_fragments(file: &str, operation: &str) -> String {
    let mut document = operation.to_owned();
    for definition in definitions(file) {
        if let Some(("fragment", name)) = header(definition)
            && operation.lines().any(|line| line.trim().strip_prefix("...") == Some(name))
        {
            document.push_str("\n\n");
            document.push_str(definition);
        }
    }
    document
}

fn definitions(file: &str) -> impl Iterator<Item = &str> {
    file.split("\n\n").map(str::trim)
}

/// What kind of definition it is, and its name.
fn header(definition: &str) -> Option<(&str, &str)> {
    let (kind, rest) = definition.split_once(' ')?;
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    Some((kind, &rest[..end]))
}
