//! The Rego of a policy: really read, and really asked.

use std::fmt;

use regorus::{Engine, Value};

use crate::run::Refusal;

/// A policy's Rego, read.
#[derive(Clone)]
pub(crate) struct Program(Engine);

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Program")
    }
}

/// What the push policies of a stack say together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) track: bool,
    pub(crate) propose: bool,
    pub(crate) ignore: bool,
    pub(crate) ignore_track: bool,
    pub(crate) notrigger: bool,
}

impl Program {
    /// Reads Rego of either version; what cannot be read is refused as Spacelift refuses it.
    pub(crate) fn read(text: &str) -> Result<Self, Refusal> {
        let load = |is_old: bool| {
            let mut engine = Engine::new();
            engine.set_rego_v0(is_old);
            let package = engine.add_policy("policy.rego".to_owned(), text.to_owned());
            package.map(|package| (engine, package))
        };
        let (engine, package) = load(true)
            .or_else(|old| load(false).map_err(|_| old))
            .map_err(|error| Refusal::new(format!("could not compile policy: {error}")))?;
        if package != "data.spacelift" {
            return Err(Refusal::new(format!("package is {package}, want data.spacelift")));
        }
        Ok(Self(engine))
    }

    /// Everything the policy says about an input; nothing if it cannot be evaluated.
    fn say(&self, input: &serde_json::Value) -> Value {
        let mut engine = self.0.clone();
        engine.set_input(Value::from(input.clone()));
        match engine.eval_query("data.spacelift".to_owned(), false) {
            Ok(found) => found
                .result
                .into_iter()
                .flat_map(|result| result.expressions)
                .map(|expression| expression.value)
                .next()
                .unwrap_or(Value::Undefined),
            Err(error) => {
                tracing::warn!(%error, "a policy could not be evaluated");
                Value::Undefined
            }
        }
    }

    /// The webhooks to which a notification policy sends what the input is about.
    pub(crate) fn endpoints(&self, input: &serde_json::Value) -> Vec<String> {
        let said = self.say(input);
        let Value::Set(letters) = &said["webhook"] else { return Vec::new() };
        let endpoint = |letter: &Value| match &letter["endpoint_id"] {
            Value::String(id) => Some(id.to_string()),
            _ => None,
        };
        letters.iter().filter_map(endpoint).collect()
    }

    /// What a push policy says, added to what others said.
    pub(crate) fn decide(&self, input: &serde_json::Value, before: Decision) -> Decision {
        let said = self.say(input);
        let holds = |rule: &str| said[rule] == Value::Bool(true);
        Decision {
            track: before.track || holds("track"),
            propose: before.propose || holds("propose"),
            ignore: before.ignore || holds("ignore"),
            ignore_track: before.ignore_track || holds("ignore_track"),
            notrigger: before.notrigger || holds("notrigger"),
        }
    }
}

impl Decision {
    /// Any `ignore` wins; what nothing is said about is ignored.
    pub(crate) fn tracks(self) -> bool {
        self.track && !self.ignore && !self.ignore_track
    }

    /// A run that can be applied; `notrigger` moves the head and starts none.
    pub(crate) fn starts_tracked(self) -> bool {
        self.tracks() && !self.notrigger
    }

    /// A run that only plans.
    pub(crate) fn starts_proposed(self) -> bool {
        self.propose && !self.ignore && !self.tracks()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decide(text: &str, branch: &str) -> Decision {
        let input = json!({ "push": { "branch": branch }, "stack": { "branch": "main" } });
        Program::read(text).unwrap().decide(&input, Decision::default())
    }

    #[test]
    fn notrigger_moves_the_head_and_starts_nothing() {
        let text = "package spacelift\ntrack { input.push.branch == input.stack.branch }\n\
                    propose { not track }\nnotrigger { true }";
        let tracked = decide(text, "main");
        assert!(tracked.tracks() && !tracked.starts_tracked() && !tracked.starts_proposed());
        let other = decide(text, "feature");
        assert!(!other.tracks() && other.starts_proposed());
    }

    #[test]
    fn an_ignore_wins_and_silence_is_one() {
        let ignored = decide("package spacelift\ntrack { true }\nignore { true }", "main");
        assert!(!ignored.tracks());
        assert!(!decide("package spacelift\ntrack { false }", "main").tracks());
    }

    #[test]
    fn what_is_no_rego_or_of_another_package_is_refused() {
        assert!(Program::read("package spacelift\ntrack { ").is_err());
        assert!(Program::read("package other\ntrack { true }").is_err());
        assert!(Program::read("package spacelift\ntrack if { true }").is_ok());
    }
}
