//! Functions a program may not call: their answers depend on more than the input.

use std::ops::Range;

/// What may not be called, and why.
const BANNED: [(&str, &str); 9] = [
    ("http.send", "programs do not reach the network"),
    ("net.lookup_ip_addr", "programs do not reach the network"),
    ("opa.runtime", "programs do not see the environment"),
    ("rego.parse_module", "programs do not read other programs"),
    ("time.now_ns", "the same question must get the same answer; use `input.stackly.now`"),
    ("rand.intn", "the same question must get the same answer"),
    ("uuid.rfc4122", "the same question must get the same answer"),
    ("trace", "there is nobody to read it"),
    ("io.jwt.decode_verify", "keys do not belong into policies"),
];

/// Every call of such a function: where it stands, and why it is not allowed.
pub fn find(text: &str) -> Vec<(Range<usize>, String)> {
    let mut found = Vec::new();
    let code = without_texts(text);
    for (name, why) in BANNED {
        for (at, _) in code.match_indices(name) {
            let before = code[..at].chars().next_back();
            let is_name = before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '.');
            let is_call = code[at + name.len()..].trim_start_matches(' ').starts_with('(');
            if is_call && !is_name {
                found.push((at..at + name.len(), format!("`{name}` may not be called: {why}")));
            }
        }
    }
    found.sort_by_key(|(span, _)| span.start);
    found
}

/// The program with comments and strings blanked out, byte for byte as long.
pub(crate) fn without_texts(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut inside = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let blank = |c: char| if c == '\n' { "\n".to_owned() } else { " ".repeat(c.len_utf8()) };
        match (inside, c) {
            (None, '#' | '"' | '`') => {
                inside = Some(c);
                code.push_str(&blank(c));
            }
            (None, c) => code.push(c),
            (Some('#'), '\n') => {
                inside = None;
                code.push('\n');
            }
            (Some('"'), '\\') => {
                code.push(' ');
                code.push_str(&chars.next().map(blank).unwrap_or_default());
            }
            (Some(end), c) => {
                if end == c && end != '#' {
                    inside = None;
                }
                code.push_str(&blank(c));
            }
        }
    }
    code
}
