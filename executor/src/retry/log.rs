//! The end of a log, read: why the run failed, and the line that says so.

use super::{Class, SIGNS};

/// So many lines from an error on belong to it.
const LINES_MAX: usize = 30;
/// So much of a line is quoted, in characters.
const QUOTED_MAX: usize = 160;
/// So much of what is before the sign that decides stays if a line is cut.
const BEFORE_MAX: usize = 60;
/// A word of so many letters and digits may be a secret; no message has one.
const WORD_MAX: usize = 32;

/// Why a run failed, as its log says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind of failure it is.
    pub class: Class,
    /// The line that says so: shortened, and without what may be secret.
    pub line: String,
}

impl Finding {
    /// What the end of a log of Terraform, `OpenTofu` or what wraps them says. If several things went
    /// wrong, one that does not pass by itself decides: another attempt would fail by it again.
    pub fn of(log: &str) -> Option<Self> {
        let lines: Vec<String> = log.lines().filter_map(plain).collect();
        let heads = lines.iter().enumerate().filter(|(_, line)| is_head(line)).map(|(at, _)| at);
        let heads: Vec<usize> = heads.collect();
        let ends = heads.iter().skip(1).copied().chain([lines.len()]);
        let errors: Vec<Option<Self>> = heads
            .iter()
            .zip(ends)
            .map(|(&from, to)| Self::in_error(&lines[from..to.min(from + LINES_MAX)]))
            .collect();
        let lasts = |error: &&Option<Self>| error.as_ref().is_none_or(|it| !it.class.may_pass());
        errors.iter().find(lasts).or_else(|| errors.first()).cloned().flatten()
    }

    /// What one error says. The word `policy` is in many that no policy of Spacelift's is to blame
    /// for.
    fn in_error(lines: &[String]) -> Option<Self> {
        SIGNS.iter().filter(|(class, _)| *class != Class::Policy).find_map(|(class, signs)| {
            lines.iter().find_map(|line| {
                let lower = line.to_ascii_lowercase();
                let at = signs.iter().filter_map(|sign| lower.find(sign)).min()?;
                Some(Self { class: *class, line: quoted(line, at) })
            })
        })
    }
}

/// Where an error begins.
fn is_head(line: &str) -> bool {
    line.contains("Error: ")
}

/// A line without colours and frame; none for what shows code or values, which may be called
/// anything.
fn plain(line: &str) -> Option<String> {
    let mut text = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            // A colour: from here to a letter.
            '\u{1b}' => {
                characters.find(char::is_ascii_alphabetic);
            }
            _ if character.is_control() => text.push(' '),
            _ => text.push(character),
        }
    }
    let is_frame = |character: char| "│╷╵├─| ".contains(character);
    let is_value = text.contains('├') || text.matches('│').count() > 1;
    let text = text.trim_matches(is_frame);
    let is_source = text.split_once(": ").is_some_and(|(number, _)| number.parse::<u32>().is_ok());
    let is_place = text.starts_with("with ") && text.ends_with(',')
        || text.starts_with("on ") && text.contains(" line ");
    (!is_value && !is_source && !is_place).then(|| text.to_owned())
}

/// What is shown of a line: what is around the sign, without addresses' credentials and parameters,
/// and without long words.
fn quoted(line: &str, sign_at: usize) -> String {
    let before = line[..sign_at].chars().count();
    let skipped = match line.chars().count() > QUOTED_MAX && before > BEFORE_MAX {
        true => before - BEFORE_MAX,
        false => 0,
    };
    let shown: String = line.chars().skip(skipped).take(QUOTED_MAX).collect();
    let is_cut = skipped + shown.chars().count() < line.chars().count();
    let (start, end) = (if skipped > 0 { "…" } else { "" }, if is_cut { "…" } else { "" });
    let words: Vec<String> = shown.split(' ').map(harmless).collect();
    format!("`{start}{}{end}`", words.join(" ").replace('`', "'"))
}

fn harmless(word: &str) -> String {
    let word = match word.split_once("://") {
        Some((scheme, rest)) => {
            let rest = rest.split(['?', '#']).next().unwrap_or_default();
            let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
            format!("{scheme}://{host}")
        }
        None => word.to_owned(),
    };
    let parts = word.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && !"+=_-".contains(c));
    let part = |part: &str| match part.chars().filter(char::is_ascii_alphanumeric).count() {
        count if count >= WORD_MAX => "…".to_owned(),
        _ => part.to_owned(),
    };
    parts.map(part).collect()
}

#[cfg(test)]
mod tests;
