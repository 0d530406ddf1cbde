//! Numbers of more digits than anybody needs.
//!
//! Each is computed, read and written in one step, between two looks at the clock, and that takes
//! time in the square of its digits: `1e1000000000` in a program, or in a text that it reads, keeps
//! the reader busy for ever.

use regorus::Value;

use crate::{Unreadable, banned::without_texts};

/// How long a number may be, in bits.
pub(crate) const BITS_MAX: u64 = 1 << 16;
/// How many digits may be written one after the other: fewer than make so many bits.
const DIGITS_MAX: usize = 10_000;
/// How many digits the exponent of one may have: fewer zeros than that many digits.
const EXPONENT_MAX: usize = 4;

/// Refuses a program in which such a number is written.
pub(crate) fn check(text: &str) -> Result<(), Unreadable> {
    for (number, line) in without_texts(text).lines().enumerate() {
        if let Some(column) = find(line) {
            let what =
                "a number has more digits than anybody needs; write a shorter one".to_owned();
            return Err(Unreadable { what, at: Some((number + 1, column + 1)) });
        }
    }
    Ok(())
}

/// Whether such a number is written in a text that a function reads. Some of them pass over `_`.
pub(crate) fn is_written(text: &str) -> bool {
    find(&text.replace('_', "")).is_some()
}

/// Where one begins, or its exponent.
fn find(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let is_exponent = match bytes[..at] {
            [.., before, b'e' | b'E'] | [.., before, b'e' | b'E', b'+'] => {
                before.is_ascii_digit() || before == b'.'
            }
            _ => false,
        };
        if digits > if is_exponent { EXPONENT_MAX } else { DIGITS_MAX } {
            return Some(at);
        }
        at += digits.max(1);
    }
    None
}

/// How many bytes a number takes beside others; all there are, if it is longer than it may be.
pub(crate) fn weight(value: &Value) -> u64 {
    let bits = bits(value);
    if bits > BITS_MAX { u64::MAX } else { bits / 8 }
}

/// How many bits a number has that is not of one word.
pub(crate) fn bits(value: &Value) -> u64 {
    let Value::Number(number) = value else { return 0 };
    if number.as_i64().is_some() || number.as_u64().is_some() || number.as_f64().is_some() {
        return 0;
    }
    number.as_big().map_or(0, |number| number.bits())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_are_found_where_they_are_written() {
        let long = "7".repeat(DIGITS_MAX + 1);
        for text in ["1e20000", "x := 1.5E+1000000000", "a\n[2e10000, 1]", &long] {
            assert!(is_written(text), "{text}");
            assert!(check(text).is_err(), "{text}");
        }
        for text in ["1e9999", "1e-99999", "x := 15 + 99999", "beef0123456", &long[1..], ""] {
            assert!(!is_written(text), "{text}");
        }
        for text in ["1.e1000000000Ki", "1e1_000_000_000Ki", "1_e_+1_00000", ".e10000"] {
            assert!(is_written(text), "{text}");
        }
        assert_eq!(check("x1_e99999 := 1"), Ok(()));
        let refused = check("package p\nx := 1e1000000000\n").unwrap_err();
        assert_eq!(refused.at, Some((2, 8)), "{}", refused.what);
        assert_eq!(check("x := \"1e1000000000\" # 1e1000000000"), Ok(()));
    }
}
