//! The names of subjects. The prefix of an installation is added in `crates/bus`.

/// All events.
pub const EVENTS: &str = "stackly.evt.>";
/// All dead letters.
pub const DEAD_LETTERS: &str = "stackly.dlq.>";

/// `stackly.evt.<noun>.<verb>.<key>`.
pub fn event(kind: &str, key: &str) -> String {
    format!("stackly.evt.{kind}.{}", token(key))
}

/// What a consumer of one event type subscribes to.
pub fn events_of(kind: &str) -> String {
    format!("stackly.evt.{kind}.*")
}

/// `stackly.cmd.<noun>.<verb>`: a request that a service commits before it answers.
pub fn command(kind: &str) -> String {
    format!("stackly.cmd.{kind}")
}

/// `stackly.cmd.<noun>.<verb>.<key>`: one that not everybody who may give it may give for every key.
pub fn command_for(kind: &str, key: &str) -> String {
    format!("stackly.cmd.{kind}.{}", token(key))
}

/// What takes such a command for all keys.
pub fn commands_of(kind: &str) -> String {
    format!("stackly.cmd.{kind}.*")
}

/// `stackly.ask.<service>.<question>`: a request that only reads.
pub fn question(service: &str, question: &str) -> String {
    format!("stackly.ask.{service}.{question}")
}

/// `stackly.dlq.<consumer>`.
pub fn dead_letter(consumer: &str) -> String {
    format!("stackly.dlq.{consumer}")
}

/// One subject token out of any text: dots, blanks and wildcards would change the subject's shape,
/// so they become dashes. Two keys may share a token; the full key is in `ce-subject`.
pub fn token(key: &str) -> String {
    let token: String = key
        .chars()
        .take(128)
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => c,
            _ => '-',
        })
        .collect();
    if token.is_empty() { "-".to_owned() } else { token }
}

#[cfg(test)]
mod tests;
