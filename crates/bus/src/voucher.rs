//! Who vouches for the name in a command: nats-server, by a subject that it lets only this person
//! use; a service that verified it; or nobody.

use contracts::{person, subject};
use serde_json::Value;

use crate::{Problem, ProblemKind};

/// The field of every command that says who gives it.
const BY: &str = "by";
/// What only a service can know that has verified it: the groups that an issuer of identities says they
/// belong to, and when they said so, by which counts what they might do then.
const VERIFIED: [&str; 2] = ["groups", "said_at"];

/// Who vouches for the name in a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Voucher {
    /// Nobody: whoever sends it is taken at their word, if anybody is.
    Nobody,
    /// The server, for the name that the subject holds.
    Server,
    /// The service that sends it: the server lets nobody else use this subject.
    Service,
}

impl Voucher {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Nobody, Self::Server, Self::Service];

    /// The subject, or the pattern of subjects, of a command that this one vouches for.
    pub(crate) fn subject(self, kind: &str) -> String {
        match self {
            Self::Nobody => subject::command(kind),
            Self::Server => subject::commands_by_all(kind),
            Self::Service => subject::command_vouched(kind),
        }
    }

    /// The command as far as it may be believed, or why it counts for nothing.
    pub(crate) fn heard(
        self,
        (kind, asked): (&str, &str),
        vouched_only: bool,
        mut body: Value,
    ) -> Result<Value, Problem> {
        let by = body[BY].as_str().unwrap_or_default().to_owned();
        let own = || subject::command_by(&person::plain(&by), kind);
        match self {
            Self::Service => Ok(body),
            Self::Nobody if !vouched_only => Ok(body),
            Self::Nobody => {
                let text = format!(
                    "nobody vouches here for the name `{by}`, and no name is taken at its word \
                     (bus.vouched_names_only); give the command as the NATS user who may send {}, \
                     or where you are known: in Slack, at the pull request, with an ID token",
                    own()
                );
                Err(Problem::new(ProblemKind::Refused, "name_not_vouched", text))
            }
            Self::Server => {
                let person = subject::person_of(asked);
                if person.as_deref().map(person::plain) != Some(person::plain(&by)) {
                    let text = format!(
                        "{asked} is not the subject of `{by}`, whose name the command gives; that \
                         is {}",
                        own()
                    );
                    return Err(Problem::new(ProblemKind::Refused, "name_of_another", text));
                }
                if let Some(body) = body.as_object_mut() {
                    body.retain(|field, _| !VERIFIED.contains(&field.as_str()));
                }
                Ok(body)
            }
        }
    }
}

#[cfg(test)]
mod tests;
