//! A gate as people see it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{evaluate::standings, gate::Gate, model::PolicySet};

/// A gate as people see it. What is decided asks for nothing any more, whatever the policies say
/// now.
pub(super) fn shown(gate: &Gate, set: &PolicySet) -> Value {
    let request = &gate.request;
    let standings = standings(set, &gate.case(gate.decided_at));
    let approvals: Vec<Value> = standings
        .iter()
        .filter(|_| !gate.is_over())
        .map(|standing| {
            let left = standing.left();
            let stand_ins: BTreeMap<&str, Vec<String>> = left
                .iter()
                .flatten()
                .map(|name| (*name, standing.instead_of(name)))
                .filter(|(_, of)| !of.is_empty())
                .collect();
            let [remind_at, escalate_at] = standing.urged_at;
            json!({
                "policy": standing.policy,
                "needed": standing.needed,
                "given": standing.given,
                "may_approve": left,
                "instead_of": stand_ins,
                "not": (!standing.authors.is_empty()).then(|| standing.authors.join(", ")),
                "remind_at": remind_at,
                "escalate_at": escalate_at,
                "escalate_to": standing.escalates_to,
                "expires_at": standing.expires_at,
                "deny_at": standing.overdue_at,
            })
        })
        .collect();
    let mut shown = serde_json::to_value(gate.announcement()).expect("messages are plain data");
    let more = json!({
        "kind": request.kind,
        "stacks": request.stacks,
        "change": request.change,
        "run": request.run,
        "delta": request.delta,
        "final": gate.is_over(),
        "approvals": approvals,
        "reviews": gate.reviews,
        "calls": gate.calls,
        "requested_at": gate.requested_at,
        "decided_at": gate.decided_at,
    });
    if let (Value::Object(shown), Value::Object(more)) = (&mut shown, more) {
        shown.extend(more);
    }
    shown
}
