//! A gate as people see it.

use std::time::Duration;

use serde_json::Value;

use crate::{
    evaluate::{Standing, standings},
    gate::Gate,
    model::PolicySet,
    page::{Approvals, GatePage},
};

/// A gate as people see it. What is decided asks for nothing any more, whatever the policies say
/// now.
pub(super) fn shown(gate: &Gate, set: &PolicySet) -> GatePage {
    let request = gate.request.clone();
    let case = gate.case(gate.decided_at);
    let standings = standings(set, &case);
    let approvals = standings.iter().filter(|_| !gate.is_over()).map(approvals).collect();
    GatePage {
        decided: gate.announcement(),
        kind: request.kind,
        stacks: request.stacks,
        change: request.change,
        run: request.run,
        delta: request.delta,
        is_final: gate.is_over(),
        approvals,
        reviews: gate.reviews.clone(),
        calls: gate.calls.clone(),
        requested_at: gate.requested_at,
        decided_at: gate.decided_at,
    }
}

fn approvals(standing: &Standing<'_>) -> Approvals {
    let owned = |names: &[&str]| names.iter().copied().map(str::to_owned).collect();
    let left = standing.left();
    let instead_of = left
        .iter()
        .flatten()
        .map(|name| ((*name).to_owned(), standing.instead_of(name)))
        .filter(|(_, of)| !of.is_empty())
        .collect();
    let [remind_at, escalate_at] = standing.urged_at;
    Approvals {
        policy: standing.policy.to_owned(),
        needed: standing.needed,
        given: owned(&standing.given),
        may_approve: left.as_deref().map(owned),
        instead_of,
        not: (!standing.authors.is_empty()).then(|| standing.authors.join(", ")),
        remind_at,
        escalate_at,
        escalate_to: standing.escalates_to.to_vec(),
        expires_at: standing.expires_at,
        deny_at: standing.overdue_at,
    }
}

/// The same with each duration as people write it. As serde has them, they are part of the digests
/// of all sets there ever were.
pub(super) fn with_durations(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(with_durations).collect(),
        Value::Object(fields) => {
            let number = |name: &str| fields.get(name).and_then(Value::as_u64);
            match (number("secs"), number("nanos"), fields.len()) {
                (Some(seconds), Some(_), 2) => {
                    humantime::format_duration(Duration::from_secs(seconds)).to_string().into()
                }
                _ => fields.into_iter().map(|(name, it)| (name, with_durations(it))).collect(),
            }
        }
        plain => plain,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixtures::policies;

    #[test]
    fn durations_are_shown_as_they_are_written_and_the_digest_is_of_what_it_was() {
        let set = policies(
            "policy \"people\" {\n approval {\n min_approvers = 2\n expires = \"1h 30m\"\n }\n}\n\
             break_glass \"night\" {\n allowed_users = [\"ann\"]\n expires = \"2h\"\n}",
        );
        let shown = with_durations(json!({ "policies": set.policies, "glass": set.break_glass }));
        assert_eq!(shown["policies"][0]["rules"][0]["approval"]["expires"], "1h 30m", "{shown:#}");
        assert_eq!(shown["policies"][0]["rules"][0]["approval"]["min_approvers"], 2);
        assert_eq!(shown["glass"][0]["expires"], "2h");
        let digested = json!(set.policies[0].rules[0])["approval"]["expires"].clone();
        assert_eq!(digested, json!({ "secs": 5400, "nanos": 0 }), "or every digest would change");
    }
}
