//! What is said of stacks that people should see: code that is gone, history that was rewritten, locks.
//! What is merely registered or updated goes to webhooks alone.

use chrono::{DateTime, Utc};
use contracts::{
    Code, Reason, StackId,
    catalogue::AccountAlerted,
    gate::GateReminded,
    order::{StackLocked, StackUnlocked},
    stack::{CodePlace, HistoryRewritten, StackLoosened},
};
use uuid::Uuid;

/// How many stacks a message names.
const NAMED: usize = 10;

/// The story of a stack's code; of a stack without code, what the account says of it.
pub(crate) fn key<'a>(stack: &StackId, code: impl Into<Option<&'a CodePlace>>) -> Uuid {
    let name = match code.into() {
        Some(code) => format!("code/{stack}/{}/{}", code.path, code.commit),
        None => format!("account/{stack}"),
    };
    Uuid::new_v5(&contracts::id::NAMESPACE, name.as_bytes())
}

/// The story of a rewritten history.
pub(crate) fn rewritten_key(event: &HistoryRewritten) -> Uuid {
    let name = format!("rewritten/{}/{}", event.change.repository, event.change.commit);
    Uuid::new_v5(&contracts::id::NAMESPACE, name.as_bytes())
}

/// A stack whose code is gone, as an alert.
pub(crate) fn loosened(event: &StackLoosened) -> AccountAlerted {
    let CodePlace { repository, path, .. } = &event.code;
    AccountAlerted {
        account: repository.clone(),
        severity: "WARNING".to_owned(),
        title: format!("Stack {} has no code any more", event.stack),
        text: format!("{path} of {repository}: {}", event.reason.text),
    }
}

/// The story of a reminder: each policy of a gate has one of each kind.
pub(crate) fn reminded_key(event: &GateReminded) -> Uuid {
    let of = event.policy.as_ref().map(|policy| format!("/{policy}")).unwrap_or_default();
    let name = format!("reminder/{}/{}{of}", event.gate, event.reason.code);
    Uuid::new_v5(&contracts::id::NAMESPACE, name.as_bytes())
}

/// A gate that waits for people for long, as an alert: a message of its own, because nobody is woken
/// by one that is changed in place.
pub(crate) fn reminded(event: &GateReminded) -> AccountAlerted {
    let what = event.stack.as_ref().map_or_else(|| "a chain".to_owned(), |stack| stack.to_string());
    let title = match event.reason.code {
        Code::ApprovalEscalated => {
            format!("{what} still waits for approval: others may approve now")
        }
        _ => format!("{what} waits for approval"),
    };
    AccountAlerted {
        account: event.repository.clone(),
        severity: "WARNING".to_owned(),
        title,
        text: event.reason.text.clone(),
    }
}

/// The story of a lock that was taken, or is off.
pub(crate) fn lock_key(stack: &StackId, what: &str, at: DateTime<Utc>) -> Uuid {
    let name = format!("{what}/{stack}/{}", at.timestamp_micros());
    Uuid::new_v5(&contracts::id::NAMESPACE, name.as_bytes())
}

/// A stack that somebody has locked, as an alert.
pub(crate) fn locked(event: &StackLocked) -> AccountAlerted {
    of_lock(&event.stack, "is locked", &event.reason)
}

/// A stack that is unlocked, as an alert; or whose lock gave way to that of somebody else.
pub(crate) fn unlocked(event: &StackUnlocked) -> AccountAlerted {
    let what = match event.reason.code {
        Code::StackLocked => "is locked by somebody else now",
        _ => "is unlocked",
    };
    of_lock(&event.stack, what, &event.reason)
}

fn of_lock(stack: &StackId, what: &str, reason: &Reason) -> AccountAlerted {
    AccountAlerted {
        account: String::new(),
        severity: "INFO".to_owned(),
        title: format!("Stack {stack} {what}"),
        text: reason.text.clone(),
    }
}

/// A rewritten history, as an alert.
pub(crate) fn rewritten(event: &HistoryRewritten) -> AccountAlerted {
    let named: Vec<&str> = event.stacks.iter().take(NAMED).map(StackId::as_str).collect();
    let more = match event.stacks.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let stacks = match named.is_empty() {
        true => "no stack".to_owned(),
        false => format!("{}{more}", named.join(", ")),
    };
    AccountAlerted {
        account: event.change.repository.clone(),
        severity: "WARNING".to_owned(),
        title: format!("The history of {} was rewritten", event.change.branch),
        text: format!("{}. Concerned: {stacks}", event.reason.text),
    }
}

#[cfg(test)]
mod tests {
    use contracts::{
        Code, CommitSha, Reason, change::Change, order::StackUnlocked, stack::HistoryRewritten,
    };

    use super::{lock_key, rewritten, unlocked};
    use crate::{notice::Alert, sample::at, slack};

    #[test]
    fn each_time_a_lock_is_taken_or_off_it_is_told_by_the_name_of_the_stack() {
        let stack = "net-prod".into();
        assert_ne!(lock_key(&stack, "locked", at(0)), lock_key(&stack, "locked", at(1)));
        let reason = Reason::new(Code::Allowed, "unlocked by bob; jane had locked it");
        let alert =
            unlocked(&StackUnlocked { stack, by: Some("bob".to_owned()), reason, at: at(1) });
        let told = slack::alert(&Alert::new(&alert, at(1)));
        assert_eq!(told.text, ":information_source: Stack net-prod is unlocked");
        assert!(told.blocks.to_string().contains("unlocked by bob; jane had locked it"));
    }

    #[test]
    fn a_rewritten_history_names_the_first_few_stacks_and_counts_the_rest() {
        let change = Change {
            repository: "acme/infra".to_owned(),
            branch: "main".to_owned(),
            commit: CommitSha::from("c0ffee"),
            previous: None,
            author: "ada".to_owned(),
            authors: Vec::new(),
            title: String::new(),
            url: None,
            pull_request: None,
        };
        let stacks = (0..12).map(|n| format!("s{n}").into()).collect();
        let reason = Reason::new(Code::HistoryRewritten, "the old head is gone");
        let alert = rewritten(&HistoryRewritten { change, stacks, reason });
        assert_eq!(alert.title, "The history of main was rewritten");
        let named = "the old head is gone. Concerned: s0, s1, s2, s3, s4, s5, s6, s7, s8, s9";
        assert_eq!(alert.text, format!("{named} and 2 more"));
    }
}
