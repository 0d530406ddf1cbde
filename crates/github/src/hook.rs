//! What a webhook should tell of.

/// What ingest listens to. Without the first nothing begins.
pub const EVENTS: [&str; 6] =
    ["push", "pull_request", "pull_request_review", "merge_group", "issue_comment", "release"];

/// The events that a webhook of these does not tell of; `*` is all there are.
pub fn missing_events(of_hook: &[String]) -> Vec<&'static str> {
    let tells = |event: &&str| of_hook.iter().any(|one| one == event || one == "*");
    EVENTS.into_iter().filter(|event| !tells(event)).collect()
}

#[cfg(test)]
mod tests {
    use super::{EVENTS, missing_events};

    #[test]
    fn what_a_webhook_tells_of_is_not_missing() {
        let missing = |events: &[&str]| {
            let events: Vec<_> = events.iter().map(|event| (*event).to_owned()).collect();
            missing_events(&events)
        };
        assert_eq!(missing(&["*"]), [""; 0]);
        assert_eq!(missing(&EVENTS), [""; 0]);
        assert_eq!(missing(&["issues"]), EVENTS);
        assert_eq!(missing(&EVENTS[1..]), ["push"]);
    }
}
