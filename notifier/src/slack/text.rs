//! Text for Slack and for GitHub: escaped, clipped, linked.

use chrono::TimeDelta;

/// At most `chars` characters; the last one says that something is missing.
pub(crate) fn clip(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        None => text.to_owned(),
        Some(_) => {
            let kept: String = text.chars().take(chars.saturating_sub(1)).collect();
            format!("{}…", kept.trim_end())
        }
    }
}

/// Slack's three control characters, and line breaks, which would let a title pose as a line of
/// ours.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A link, or only its text if the address could break out of the markup.
pub(crate) fn link(url: Option<&str>, text: &str) -> String {
    let safe = |url: &&str| {
        let known = url.starts_with("https://") || url.starts_with("http://");
        let breaks = |c: char| matches!(c, '<' | '>' | '|') || c.is_whitespace();
        known && url.len() <= 500 && !url.contains(breaks)
    };
    match url.filter(safe) {
        Some(url) => format!("<{}|{}>", escape(url), escape(text)),
        None => escape(text),
    }
}

/// A duration for people, two units at most.
pub(crate) fn took(duration: TimeDelta) -> String {
    let seconds = duration.num_seconds().max(0);
    match (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, s) => format!("{m} min {s} s"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, h, ..) => format!("{d} d {h} h"),
    }
}
