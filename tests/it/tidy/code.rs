//! Rust code without what only looks like it.

/// The code with comments, texts and characters blanked out; lines stay where they are.
///
/// A search in it finds what is called, and not what is talked about.
pub fn only(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut code = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = skipped(bytes, at);
        match end {
            Some(end) => {
                code.extend(bytes[at..end].iter().map(|b| if *b == b'\n' { b'\n' } else { b' ' }));
                at = end;
            }
            None => {
                code.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&code).into_owned()
}

/// Where the comment, text or character that begins here ends, if one does.
fn skipped(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        return Some(find(bytes, at, b"\n"));
    }
    if rest.starts_with(b"/*") {
        return Some(find(bytes, at + 2, b"*/") + 2);
    }
    match rest[0] {
        b'"' => Some(closed(bytes, at + 1, b'"')),
        b'r' if !continues_a_word(bytes, at) => raw(bytes, at),
        b'\'' => character(bytes, at),
        _ => None,
    }
}

fn continues_a_word(bytes: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).map(|before| bytes[before]);
    // `br"…"` is a raw text too.
    before.is_some_and(|b| (b.is_ascii_alphanumeric() && b != b'b') || b == b'_')
}

fn raw(bytes: &[u8], at: usize) -> Option<usize> {
    let hashes = bytes[at + 1..].iter().take_while(|b| **b == b'#').count();
    let quote = at + 1 + hashes;
    if bytes.get(quote) != Some(&b'"') {
        return None;
    }
    let mut end = vec![b'"'];
    end.extend(std::iter::repeat_n(b'#', hashes));
    Some((find(bytes, quote + 1, &end) + end.len()).min(bytes.len()))
}

/// A character, or nothing if it is a lifetime.
fn character(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at + 1) == Some(&b'\\') {
        return Some(closed(bytes, at + 1, b'\''));
    }
    let text = std::str::from_utf8(&bytes[at + 1..]).ok()?;
    let end = at + 1 + text.chars().next()?.len_utf8();
    (bytes.get(end) == Some(&b'\'')).then_some(end + 1)
}

/// Behind the quote that closes, minding escapes.
fn closed(bytes: &[u8], mut at: usize, quote: u8) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b if b == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn find(bytes: &[u8], from: usize, what: &[u8]) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.windows(what.len()).position(|window| window == what).map_or(bytes.len(), |at| from + at)
}

#[test]
fn comments_and_texts_are_blanked_and_code_stays_where_it_is() {
    for (source, code) in [
        ("a(); // b()", "a();"),
        ("a(\"b(\\\" c(\", d)", "a( , d)"),
        ("a(r#\"b(\" c\"#, d)", "a( , d)"),
        ("a(br\"b(\\\", d)", "a(b , d)"),
        ("a('\"', 'b', '\\'', \"\")", "a( , , , )"),
        ("fn a<'b>(c: &'b str) {}", "fn a<'b>(c: &'b str) {}"),
        ("a(); /* b()\n c() */ d()", "a(); d()"),
        ("for (a) in b {} // \"", "for (a) in b {}"),
        ("größe(\"c(\")", "größe( )"),
        ("a(\"never closed", "a("),
    ] {
        let only = only(source);
        assert_eq!(only.split_whitespace().collect::<Vec<_>>().join(" "), code, "{source}");
        assert_eq!(only.lines().count(), source.lines().count(), "{source}");
        assert!(only.len() == source.len(), "{source}");
    }
}
