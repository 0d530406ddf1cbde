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

/// `stackly.by.<person>.<noun>.<verb>`: a command that gives the name of whoever sends it. The server
/// can let each person use their own name alone.
pub fn command_by(person: &str, kind: &str) -> String {
    format!("stackly.by.{}.{kind}", spelled(person))
}

/// What takes such a command of everybody.
pub fn commands_by_all(kind: &str) -> String {
    format!("stackly.by.*.{kind}")
}

/// `stackly.vouched.<noun>.<verb>`: a command from a service that has verified whose it is.
pub fn command_vouched(kind: &str) -> String {
    format!("stackly.vouched.{kind}")
}

/// Whose name the subject of a command holds; none if it is no such subject. It may begin with the
/// prefix of an installation.
pub fn person_of(subject: &str) -> Option<String> {
    let mut parts = subject.rsplit('.');
    let person = parts.nth(2)?;
    if parts.next() != Some("by") {
        return None;
    }
    read(person).filter(|name| !name.is_empty())
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

/// One subject token that holds the whole name, so that no two names share one: a byte that would
/// change the subject's shape is spelled `%2E`.
fn spelled(name: &str) -> String {
    let spell = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    let token: String = name.trim().bytes().map(spell).collect();
    if token.is_empty() { "%".to_owned() } else { token }
}

/// The name that [`spelled`] made the token of.
fn read(token: &str) -> Option<String> {
    let (first, rest) = match token.split_once('%') {
        Some((first, rest)) => (first, rest.split('%')),
        None => return Some(token.to_owned()),
    };
    let mut name = first.as_bytes().to_vec();
    for part in rest {
        let (byte, plain) = part.split_at_checked(2)?;
        let is_spelled = byte.bytes().all(|digit| digit.is_ascii_hexdigit());
        name.push(u8::from_str_radix(byte, 16).ok().filter(|_| is_spelled)?);
        name.extend(plain.bytes());
    }
    String::from_utf8(name).ok()
}

#[cfg(test)]
mod tests;
