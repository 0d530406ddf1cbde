//! The calls in a program, as far as they can be told without parsing it: a name, and what opens a
//! bracket after it, however both are spaced.

use std::ops::Range;

/// A name, and what is read of it: `input.run["state"]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// Where it stands.
    pub span: Range<usize>,
    /// The name, and what is read, one after the other, up to what is no name.
    pub parts: Vec<String>,
    /// It goes on from something else: `.entity.name` in `input.run.changes[_].entity.name`.
    pub goes_on: bool,
    /// Where the bracket opens that calls it.
    open: Option<usize>,
}

/// A call: where the name of the function stands, what it is, and where its bracket opens.
pub(crate) struct Call {
    pub(crate) span: Range<usize>,
    pub(crate) name: String,
    open: usize,
}

#[derive(Debug, PartialEq)]
enum Token<'a> {
    Name(&'a str),
    Text(&'a str),
    Sign(char),
}

/// Every name, with what is read of it, in the order of the program.
pub fn paths(text: &str) -> Vec<Path> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    let mut next = 0;
    while let Some((span, token)) = tokens.get(next) {
        next += 1;
        let Token::Name(first) = token else { continue };
        let goes_on = next > 1 && tokens[next - 2].1 == Token::Sign('.');
        let (mut parts, mut end) = (vec![(*first).to_owned()], span.end);
        while let Some((part, width)) = part(&tokens[next..]) {
            parts.push(part.to_owned());
            next += width;
            end = tokens[next - 1].0.end;
        }
        let open = match tokens.get(next) {
            Some((open, Token::Sign('('))) => Some(open.start),
            _ => None,
        };
        found.push(Path { span: span.start..end, parts, goes_on, open });
    }
    found
}

/// Every call, in the order of the program.
pub(crate) fn calls(text: &str) -> Vec<Call> {
    let call = |path: Path| {
        if path.goes_on {
            return None;
        }
        let (span, name) = (path.span, path.parts.join("."));
        path.open.map(|open| Call { span, name, open })
    };
    paths(text).into_iter().filter_map(call).collect()
}

/// `.name` or `["name"]`, and how many tokens that is.
fn part<'a>(tokens: &[(Range<usize>, Token<'a>)]) -> Option<(&'a str, usize)> {
    match tokens {
        [(_, Token::Sign('.')), (_, Token::Name(name)), ..] => Some((name, 2)),
        [(_, Token::Sign('[')), (_, Token::Text(name)), (_, Token::Sign(']')), ..] => {
            Some((name, 3))
        }
        _ => None,
    }
}

/// The program with each `print(…)` said as `true`, byte for byte as long. What is printed nobody
/// reads, and a value that holds itself many times over would fill the memory when it is written out.
pub(crate) fn without_prints(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let tokens = tokens(text);
    for call in calls(text).into_iter().filter(|call| call.name == "print") {
        let mut depth = 0_usize;
        let inside = tokens.iter().skip_while(|(span, _)| span.start < call.open);
        let mut end = None;
        for (span, token) in inside {
            match token {
                Token::Sign('(') => depth += 1,
                Token::Sign(')') => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                end = Some(span.end);
                break;
            }
        }
        // A bracket that never closes is the parser's to complain about.
        let Some(end) = end else { break };
        for byte in &mut bytes[call.span.start..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        bytes[call.span.start..call.span.start + 4].copy_from_slice(b"true");
    }
    // Whole characters were blanked, so nothing is left that is none.
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

fn tokens(text: &str) -> Vec<(Range<usize>, Token<'_>)> {
    let mut found = Vec::new();
    let mut chars = text.char_indices().peekable();
    let is_of_name = |c: char| c.is_alphanumeric() || c == '_';
    while let Some((begin, c)) = chars.next() {
        match c {
            '#' => while chars.next_if(|(_, c)| *c != '\n').is_some() {},
            '"' | '`' => {
                let mut end = text.len();
                while let Some((at, inside)) = chars.next() {
                    if inside == '\\' && c == '"' {
                        chars.next();
                    } else if inside == c {
                        end = at;
                        break;
                    }
                }
                found.push((begin..(end + 1).min(text.len()), Token::Text(&text[begin + 1..end])));
            }
            c if c.is_whitespace() => {}
            c if is_of_name(c) => {
                let mut end = begin + c.len_utf8();
                while let Some((at, c)) = chars.next_if(|(_, c)| is_of_name(*c)) {
                    end = at + c.len_utf8();
                }
                found.push((begin..end, Token::Name(&text[begin..end])));
            }
            c => found.push((begin..begin + c.len_utf8(), Token::Sign(c))),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        calls(text).into_iter().map(|call| call.name).collect()
    }

    #[test]
    fn calls_are_found_however_they_are_spaced_and_spelt() {
        for call in [
            "time.now_ns()",
            "time.now_ns\n()",
            "time.now_ns\t()",
            "time . # what\n now_ns ()",
            "time[\"now_ns\"]()",
            "time[`now_ns`] ()",
        ] {
            let text = format!("package p\nx := {call} + 1\n");
            let [found] = calls(&text).try_into().unwrap_or_else(|_| panic!("{call}"));
            assert_eq!(found.name, "time.now_ns", "{call}");
            assert!(text[found.span].starts_with("time"), "{call}");
        }
        assert_eq!(names("x := f(g(1), \"h(1)\") # i(1)\ny := a.b[c](2)"), ["f", "g"]);
        assert!(names("x := \"unfinished").is_empty());
        assert!(names("x := y[_].f(1)").is_empty());
    }

    #[test]
    fn what_is_printed_is_blanked_and_everything_else_stays_where_it_is() {
        let text = "deny[x] { print(\"é (\", f(y)); x := 1\n print(a,\n b) }\nsprint(x) { true }";
        let blank = without_prints(text);
        assert_eq!(blank.len(), text.len());
        let words: Vec<&str> = blank.split_whitespace().collect();
        let wanted = "deny[x] { true ; x := 1 true } sprint(x) { true }";
        assert_eq!(words, wanted.split_whitespace().collect::<Vec<_>>());
        assert_eq!(blank.lines().count(), text.lines().count());
        assert_eq!(without_prints("x { print(1"), "x { print(1");
    }
}
