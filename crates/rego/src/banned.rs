//! Functions a program may not call: their answers depend on more than the input.
//!
//! A call is found in the text, so that it is refused with its place; what is written so that it is
//! not found there has no such function either, see [`crate::meter`].

use std::ops::Range;

use crate::tokens::calls;

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

/// Why a function may not be called, if it may not.
pub(crate) fn why(name: &str) -> Option<&'static str> {
    BANNED.iter().find(|(banned, _)| *banned == name).map(|(_, why)| *why)
}

/// Every call of such a function: where it stands, and why it is not allowed.
pub fn find(text: &str) -> Vec<(Range<usize>, String)> {
    let refused = |name: &str, why: &str| format!("`{name}` may not be called: {why}");
    calls(text)
        .into_iter()
        .filter_map(|call| Some((call.span, refused(&call.name, why(&call.name)?))))
        .collect()
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
