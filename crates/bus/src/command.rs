//! The bodies of commands and questions, as they are written and read.

use contracts::{Message, plain, subject};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Bus, BusError, Problem};

/// A command as it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command<C> {
    /// Made by who sends it: the same command sent again is the same one.
    #[serde(default = "Uuid::new_v4", deserialize_with = "named")]
    pub id: Uuid,
    /// What is wanted.
    #[serde(flatten)]
    pub command: C,
}

fn named<'de, D: Deserializer<'de>>(id: D) -> Result<Uuid, D::Error> {
    Ok(Option::deserialize(id)?.unwrap_or_else(Uuid::new_v4))
}

impl Bus {
    /// Gives a command of somebody whom this service has verified, and waits until it is carried out.
    pub async fn command<C: Message>(
        &self,
        id: Uuid,
        command: &C,
    ) -> Result<Result<Value, Problem>, BusError> {
        let body = plain(&Command { id, command });
        match self.request(&subject::command_vouched(C::TYPE), &body).await {
            // A service of before answers only where a name is taken at its word.
            Err(BusError::NobodyAnswers { .. }) => {
                self.request(&subject::command(C::TYPE), &body).await
            }
            answered => answered,
        }
    }

    /// Gives a command of whoever sends it: under their own name, for which the server can vouch, or
    /// else where a name may be taken at its word.
    pub async fn command_by(
        &self,
        by: &str,
        kind: &str,
        body: &Value,
    ) -> Result<Result<Value, Problem>, BusError> {
        match self.request(&subject::command_by(by, kind), body).await {
            Err(error @ (BusError::NobodyAnswers { .. } | BusError::NotPermitted { .. })) => {
                match self.request(&subject::command(kind), body).await {
                    Err(BusError::NotPermitted { .. }) => Err(error),
                    answered => answered,
                }
            }
            answered => answered,
        }
    }
}

/// Reads the body of a command or a question. Who asks with nothing leaves everything open.
pub fn read<T: DeserializeOwned>(body: Value) -> Result<T, Problem> {
    parsed(body).map_err(|error| Problem::malformed(error.to_string()))
}

/// The same, telling whoever is not understood what the body has to say.
pub fn read_as<T: DeserializeOwned>(what: &str, body: Value) -> Result<T, Problem> {
    parsed(body).map_err(|error| Problem::malformed(format!("{what}: {error}")))
}

fn parsed<T: DeserializeOwned>(body: Value) -> serde_json::Result<T> {
    serde_json::from_value(if body.is_null() { json!({}) } else { body })
}

#[cfg(test)]
mod tests {
    use contracts::stack::FixDrift;

    use super::*;

    #[test]
    fn a_command_is_read_as_it_was_sent_and_has_an_id_even_if_it_was_sent_without_one() {
        let fix = FixDrift { stacks: vec!["net".into()], by: "Olga".to_owned(), note: None };
        let sent = Command { id: Uuid::from_u128(7), command: fix.clone() };
        let body = plain(&sent);
        assert_eq!(body, json!({ "id": sent.id, "stacks": ["net"], "by": "Olga" }));
        assert_eq!(read(body), Ok(sent));
        for nameless in [plain(&fix), json!({ "id": null, "stacks": ["net"], "by": "Olga" })] {
            let [one, other] = [(); 2].map(|()| read::<Command<FixDrift>>(nameless.clone()));
            let (one, other) = (one.unwrap(), other.unwrap());
            assert_eq!((&one.command, &other.command), (&fix, &fix));
            assert_ne!(one.id, other.id, "two commands");
        }
    }

    #[test]
    fn who_asks_with_nothing_leaves_all_open_and_who_is_not_understood_is_told_what_is_read() {
        #[derive(Debug, Default, PartialEq, Deserialize)]
        #[serde(default)]
        struct Page {
            limit: u32,
        }
        assert_eq!(read(Value::Null), Ok(Page::default()));
        let what = "the question has `limit`";
        assert_eq!(read_as(what, json!({ "limit": 2 })), Ok(Page { limit: 2 }));
        let refused = read_as::<Page>(what, json!({ "limit": "two" })).unwrap_err();
        assert_eq!(refused.code, "malformed");
        assert!(refused.message.starts_with("the question has `limit`: invalid type"), "{refused}");
    }
}
