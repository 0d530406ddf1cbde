use serde_json::json;

use super::*;

#[test]
fn moments_are_written_as_they_are_shown() {
    for (moment, text) in [
        (Moment::BeforeChain, "before_chain"),
        (Moment::BeforePlan, "before_plan"),
        (Moment::BeforeApply, "before_apply"),
    ] {
        assert_eq!(serde_json::to_value(moment).unwrap(), json!(text));
        assert_eq!((moment.as_str(), moment.to_string().as_str()), (text, text));
    }
}

#[test]
fn each_outcome_lies_flat_in_the_decision() {
    let until = DateTime::from_timestamp(1_728_568_800, 0).unwrap();
    let outcomes = [
        (Outcome::Pass, json!({"outcome": "pass"}), true),
        (Outcome::Deny, json!({"outcome": "deny"}), true),
        (
            Outcome::HoldUntil { until },
            json!({"outcome": "hold_until", "until": "2024-10-10T14:00:00Z"}),
            false,
        ),
        (
            Outcome::HoldForApprovals { given: 1, needed: 2 },
            json!({"outcome": "hold_for_approvals", "given": 1, "needed": 2}),
            false,
        ),
    ];
    let sample = (crate::registry::event("gate.decided").unwrap().sample)().body;
    for (outcome, written, is_final) in outcomes {
        assert_eq!(serde_json::to_value(&outcome).unwrap(), written);
        assert_eq!(outcome.is_final(), is_final);
        let mut body = sample.clone();
        for field in ["outcome", "given", "needed"] {
            body.as_object_mut().unwrap().remove(field);
        }
        body.as_object_mut().unwrap().extend(written.as_object().unwrap().clone());
        let decided = GateDecided::upgrade(1, body.clone()).unwrap();
        assert_eq!(decided.outcome, outcome);
        assert_eq!(serde_json::to_value(decided).unwrap(), body);
        let schema = (crate::registry::event("gate.decided").unwrap().schema)().to_value();
        assert!(jsonschema::is_valid(&schema, &body), "{body}");
    }
}

#[test]
fn an_outcome_of_ours_that_nobody_defined_cannot_be_read() {
    assert!(serde_json::from_value::<Outcome>(json!({"outcome": "maybe"})).is_err());
    assert!(serde_json::from_value::<Outcome>(json!({"outcome": "hold_until"})).is_err());
}
