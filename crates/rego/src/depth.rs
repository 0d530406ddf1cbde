//! How deep brackets lie in each other, before anybody parses them.
//!
//! The parser tries each bracket as a comprehension first and then as what it is, so whatever lies in
//! it is parsed twice or three times, and that again at every level: fifty brackets that open are
//! enough to keep it busy for ever.

use crate::{Unreadable, banned::without_texts};

/// How deep they may lie. What people write has five or six.
const DEPTH_MAX: usize = 12;

/// Refuses a program whose brackets lie too deep in each other.
pub(crate) fn check(text: &str) -> Result<(), Unreadable> {
    let mut depth = 0_usize;
    for (number, line) in without_texts(text).lines().enumerate() {
        for (column, c) in line.chars().enumerate() {
            match c {
                '[' | '{' | '(' => depth += 1,
                ']' | '}' | ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > DEPTH_MAX {
                let what = format!(
                    "brackets lie more than {DEPTH_MAX} deep in each other; give what lies in them \
                     a name of its own"
                );
                return Err(Unreadable { what, at: Some((number + 1, column + 1)) });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(open: &str, depth: usize, close: &str) -> String {
        let (open, close) = (open.repeat(depth), close.repeat(depth));
        format!("package p\n\ndeny = x {{\n  x := {open}1{close}\n}}\n")
    }

    #[test]
    fn brackets_that_lie_too_deep_are_refused_with_their_place() {
        assert_eq!(check(&nested("[", 11, "]")), Ok(()));
        let refused = check(&nested("[", 12, "]")).unwrap_err();
        assert_eq!(refused.at, Some((4, 19)), "{}", refused.what);
        assert!(check(&nested("{", 50, "")).is_err());
        assert!(check(&nested("f(", 50, "")).is_err());
    }

    #[test]
    fn brackets_in_texts_and_comments_are_none() {
        let many = "[".repeat(40);
        for text in [
            format!("x := \"{many}\\\"{many}\""),
            format!("x := `{many}\n{many}`"),
            format!("# {many}\nx := 1"),
        ] {
            assert_eq!(check(&text), Ok(()), "{text}");
        }
    }

    /// The limit is there because the parser would not end.
    #[test]
    fn what_is_allowed_is_parsed() {
        for (open, close) in [("[", "]"), ("{", "}"), ("(", ")")] {
            let read = crate::Host::read("p.rego", &nested(open, 11, close), None);
            assert!(read.is_ok(), "{open}: {:?}", read.err());
        }
    }
}
