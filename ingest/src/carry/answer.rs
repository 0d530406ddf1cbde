//! What people are told at the pull request where they spoke.

use bus::{Answers, ProblemKind};
use contracts::{Code, Outgoing, Reason, change::ChangeAnswered};
use serde_json::Value;
use uuid::Uuid;

use super::Outcome;
use crate::{order::Word, record, store::orders::Open};

/// That an order was followed.
const DONE: [&str; 6] = ["approved", "rejected", "retried", "resumed", "canceled", "taken_back"];
/// What whoever reviewed a pull request at its host need not be told: nothing of it concerned us.
const OF_NO_CONCERN: [&str; 6] =
    ["kept", "nothing_open", "nothing_said", "said_since", "approval_not_asked", "gate_decided"];

/// Whether something came of it.
fn is_done(outcome: &Outcome) -> bool {
    DONE.contains(&outcome.code.as_str())
}

/// What somebody is told of a gate that took their word.
pub(super) fn reviewed(word: Word, by: &str, shown: &Value) -> Outcome {
    let did = match word {
        Word::Approve => "approved",
        Word::Reject => "rejected",
        Word::Withdraw => "taken_back",
    };
    let gate = shown["gate"].as_str().unwrap_or("the gate");
    let outcome = match shown["outcome"].as_str() {
        Some("pass") => "it goes on",
        Some("deny") => "it ends here",
        Some("hold_for_approvals") => "more approvals are needed",
        Some("hold_until") => "it waits for its time",
        _ => "it is noted",
    };
    let said = did.replace('_', " ");
    Outcome::new(did, format!("{said} {gate} as {by}: {outcome}"))
}

/// What came of several reviews that were one word.
pub(super) fn together(mut outcomes: Vec<Outcome>) -> Outcome {
    if outcomes.iter().any(is_done) {
        outcomes.retain(|outcome| !OF_NO_CONCERN.contains(&outcome.code.as_str()));
    }
    let first = outcomes.iter().find(|one| is_done(one)).or_else(|| outcomes.first());
    let code = first.map_or("nothing_open", |one| one.code.as_str()).to_owned();
    let problem = first.map_or(Some(ProblemKind::NotFound), |one| one.problem);
    let mut said: Vec<String> = outcomes.into_iter().map(|one| one.message).collect();
    said.dedup();
    Outcome { code, message: said.join("; "), problem }
}

/// The event that tells of it; none where nobody spoke at a pull request, or need be told.
pub(super) fn at_pull_request(open: &Open, outcome: &Outcome) -> Option<Answers> {
    let order = &open.order;
    let (repository, pull_request) = order.pull_request.clone()?;
    let is_of_no_concern = OF_NO_CONCERN.contains(&outcome.code.as_str());
    if order.is_review && is_of_no_concern {
        return None;
    }
    let code = if is_done(outcome) { Code::CommandTaken } else { Code::CommandRefused };
    let answered = ChangeAnswered {
        repository,
        pull_request,
        command: order.act.command()?,
        by: order.by.clone(),
        event: open.id.to_string(),
        chain: None,
        reason: Reason::new(code, outcome.message.clone()),
    };
    let id = Uuid::new_v5(&open.id, b"answered");
    Some(record::events(id, vec![Outgoing::new(&answered)], open.ordered_at, None))
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use contracts::GateId;

    use super::*;
    use crate::order::{Act, Order, Target, Word};

    fn open(is_review: bool) -> Open {
        let order = Order {
            act: Act::Review(Word::Approve),
            target: Target::Gate(GateId(Uuid::nil())),
            by: "grace".to_owned(),
            groups: Vec::new(),
            note: None,
            answer_to: None,
            pull_request: Some(("acme/infra".to_owned(), 7)),
            said_in: Some("acme/infra".to_owned()),
            spoken_at: None,
            is_review,
        };
        Open::new(Uuid::from_u128(1), order, Utc::now())
    }

    fn outcome(code: &str, message: &str) -> Outcome {
        Outcome::new(code, message)
    }

    #[test]
    fn who_spoke_at_a_pull_request_is_told_there_also_why_it_did_not_count() {
        let told = at_pull_request(&open(false), &outcome("self_approval", "it is your change"));
        let told = &told.unwrap()[0];
        assert_eq!(
            (told.kind.as_str(), told.body["reason"]["code"].as_str()),
            ("change.answered", Some("command_refused"))
        );
        assert_eq!(told.body["reason"]["text"], "it is your change");
        let taken = at_pull_request(&open(true), &outcome("approved", "done")).unwrap();
        assert_eq!(taken[0].body["reason"]["code"], "command_taken");
    }

    #[test]
    fn a_review_that_concerns_nothing_of_ours_is_not_answered_and_a_comment_is() {
        let nothing = outcome("nothing_open", "nothing waits");
        assert!(at_pull_request(&open(true), &nothing).is_none());
        assert!(at_pull_request(&open(false), &nothing).is_some());
    }

    #[test]
    fn of_several_gates_what_counted_is_told_first() {
        let all = vec![
            outcome("gate_decided", "one is decided"),
            outcome("approved", "approved two"),
            outcome("not_an_approver", "three is not yours"),
        ];
        let told = together(all);
        assert_eq!(
            (told.code.as_str(), told.message.as_str()),
            ("approved", "approved two; three is not yours")
        );
    }
}
