//! Words for people that every part chooses alike.

use std::error::Error;

/// `1 stack`, `2 stacks`.
pub fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// An error with its causes, in one line. A cause that an error repeats in its own text is said once.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::Error;

    use super::{count, with_causes};

    #[test]
    fn one_is_singular() {
        assert_eq!([0, 1, 2].map(|n| count(n, "stack")), ["0 stacks", "1 stack", "2 stacks"]);
    }
    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Because {
        text: &'static str,
        source: Error,
    }

    #[test]
    fn every_cause_is_said_once() {
        let because = |text| Because { text, source: Error::other("no route") };
        assert_eq!(with_causes(&because("cannot ask")), "cannot ask: no route");
        assert_eq!(with_causes(&because("cannot ask: no route")), "cannot ask: no route");
    }
}
