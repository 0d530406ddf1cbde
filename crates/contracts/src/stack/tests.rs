use serde_json::json;

use super::{CodePlace, StackUpdated};
use crate::{Code, Message, Outgoing, Reason, UpgradeError};

/// `stack.updated` as builds read it that knew of changes of code alone.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Older {
    stack: crate::StackId,
    code: CodePlace,
    reason: Reason,
}

impl Message for Older {
    const TYPE: &'static str = StackUpdated::TYPE;
    const MEANING: &'static str = "What code says of a stack has changed.";

    fn key(&self) -> String {
        self.stack.to_string()
    }
}

fn code() -> CodePlace {
    CodePlace {
        repository: "acme/infra".to_owned(),
        branch: "main".to_owned(),
        path: "net".to_owned(),
        name: "net".to_owned(),
        commit: "c0ffee".into(),
    }
}

#[test]
fn who_knows_of_code_alone_waits_for_a_newer_build_to_take_what_the_account_says() {
    let reason = Reason::new(Code::AccountChanged, "its labels have changed");
    let changes = Vec::new();
    let told = StackUpdated { stack: "net".into(), code: None, changes, reason };
    let Outgoing { version, body, .. } = Outgoing::new(&told);
    // Given back until somebody reads it, ...
    let answer = Older::upgrade(version, body.clone()).unwrap_err();
    assert!(matches!(answer, UpgradeError::Newer { version: 2, .. }), "{answer}");
    // ... where it would be a dead letter at once, were it said to be of the older shape.
    let answer = Older::upgrade(1, body).unwrap_err();
    assert!(matches!(answer, UpgradeError::Unreadable { .. }), "{answer}");
}

#[test]
fn what_an_older_build_says_of_code_is_read_as_it_was_meant() {
    let reason = Reason::new(Code::CodeChanged, "its labels have changed");
    let older = Older { stack: "net".into(), code: code(), reason: reason.clone() };
    let Outgoing { version, body, .. } = Outgoing::new(&older);
    assert_eq!((version, &body["changes"]), (1, &json!(null)));
    let read = StackUpdated::upgrade(version, body).unwrap();
    let changes = Vec::new();
    assert_eq!(read, StackUpdated { stack: "net".into(), code: Some(code()), changes, reason });
}
