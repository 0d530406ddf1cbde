//! Times that labels of stacks say. A label whose time cannot be read is not heeded, and
//! `stackly doctor` says so.

use contracts::label;
use std::time::Duration;

/// How long a label wants its stack to soak: the time, or what is written in its place; nothing if it
/// is another label.
pub fn soak_of(label: &str) -> Option<Result<Duration, &str>> {
    time(label, label::SOAK)
}

/// How long a run of its stack may take before people are told, likewise.
pub fn timeout_of(label: &str) -> Option<Result<Duration, &str>> {
    time(label, label::TIMEOUT)
}

fn time<'a>(label: &'a str, name: &str) -> Option<Result<Duration, &'a str>> {
    let text = label.strip_prefix(name)?.trim();
    Some(humantime_serde::re::humantime::parse_duration(text).map_err(|_| text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_says_a_time_or_what_stands_in_its_place() {
        assert_eq!(soak_of("stackly:soak= 90s "), Some(Ok(Duration::from_secs(90))));
        assert_eq!(timeout_of("stackly:timeout=1h 30m"), Some(Ok(Duration::from_secs(5_400))));
        assert_eq!(timeout_of("stackly:timeout=soon"), Some(Err("soon")));
        assert_eq!(soak_of("stackly:check=90s"), None);
        assert_eq!(timeout_of("stackly:soak=90s"), None);
    }
}
