//! Why a command or a question was not answered as hoped.

use serde::{Deserialize, Serialize};

/// What whoever asked can do about a problem: what exit statuses and those of HTTP follow from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// What was asked cannot be read, or means several things: ask otherwise.
    Malformed,
    /// What was named is not there.
    NotFound,
    /// Whoever asks may not.
    Refused,
    /// It does not fit how things stand.
    Conflict,
    /// Something that is needed cannot be reached now: ask again.
    Unavailable,
    /// The service failed.
    Internal,
}

/// Why a command or a question was not answered as hoped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {message}")]
#[serde(from = "Told")]
pub struct Problem {
    /// What can be done about it.
    pub kind: ProblemKind,
    /// A code for machines.
    pub code: String,
    /// A sentence for people: what, where, what to do.
    pub message: String,
}

/// A problem as a service tells it: one of before tells no kind, and one to come may tell another.
#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    kind: Option<String>,
    code: String,
    message: String,
}

impl Problem {
    /// A problem with its sentence.
    pub fn new(kind: ProblemKind, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, code: code.into(), message: message.into() }
    }

    /// What was asked cannot be read.
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(ProblemKind::Malformed, "malformed", message)
    }

    /// What was named is not there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ProblemKind::NotFound, "not_found", message)
    }

    /// Something that is needed cannot be reached now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ProblemKind::Unavailable, "unavailable", message)
    }
}

impl From<Told> for Problem {
    fn from(Told { kind, code, message }: Told) -> Self {
        let kind = match kind.as_deref().unwrap_or(&code) {
            "malformed" => ProblemKind::Malformed,
            "not_found" => ProblemKind::NotFound,
            "refused" => ProblemKind::Refused,
            "unavailable" => ProblemKind::Unavailable,
            "internal" => ProblemKind::Internal,
            // Most codes that say nothing of their kind are of this one.
            _ => ProblemKind::Conflict,
        };
        Self { kind, code, message }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_problem_comes_over_the_wire_as_it_was_and_without_its_kind_from_a_service_of_before() {
        use ProblemKind::{Conflict, Internal, Malformed, NotFound, Refused, Unavailable};
        for kind in [Malformed, NotFound, Refused, Conflict, Unavailable, Internal] {
            let problem = Problem::new(kind, "circuit_open", "it rests");
            let told = serde_json::to_value(&problem).unwrap();
            assert_eq!(serde_json::from_value::<Problem>(told).unwrap(), problem);
        }
        for (code, kind) in
            [("not_found", NotFound), ("unavailable", Unavailable), ("gate_decided", Conflict)]
        {
            let told = json!({ "code": code, "message": "so" });
            assert_eq!(serde_json::from_value::<Problem>(told).unwrap().kind, kind, "{code}");
        }
        let told = json!({ "kind": "of_tomorrow", "code": "new", "message": "so" });
        assert_eq!(serde_json::from_value::<Problem>(told).unwrap().kind, Conflict);
    }
}
