//! What a change would add to the costs of a month, where a hook says so.

use super::*;
use crate::{
    call::{Answer, Call},
    model::{Cost, Silence},
};

pub(super) fn told(hook: &str, cost_delta: Option<f64>) -> Call {
    Call {
        hook: hook.to_owned(),
        asked_at: noon(),
        deadline: noon() + TimeDelta::seconds(30),
        on_silence: Silence::Deny,
        answer: Some(Answer {
            pass: true,
            by: "infracost".to_owned(),
            text: None,
            cost_delta: cost_delta.map(Cost::from),
            at: noon(),
        }),
    }
}

fn judged(text: &str, calls: &[Call]) -> Verdict {
    let gate = prod(Moment::BeforeApply);
    judge(&policies(text), &Case { calls, ..Case::new(&gate, noon()) })
}

#[test]
fn what_costs_more_than_is_allowed_is_denied_and_what_nobody_knows_is_not() {
    let text = "hook \"infracost\" { on_silence = \"deny\" }\n\
                policy \"thrift\" {\n limits { max_cost_delta = 99.5 }\n}\n";
    let asked = judged(text, &[]);
    assert_eq!(asked.ask.map(|ask| ask.hook).as_deref(), Some("infracost"));
    for (cost, passes) in [
        (None, true),
        (Some(-20.0), true),
        (Some(99.5), true),
        (Some(99.51), false),
        (Some(1e300), false),
    ] {
        let verdict = judged(text, &[told("infracost", cost)]);
        assert_eq!(verdict.outcome == Outcome::Pass, passes, "{cost:?}");
        assert_eq!(codes(&verdict)[0] == Code::LimitExceeded, !passes, "{cost:?}");
    }
    let denied = judged(text, &[told("infracost", Some(120.0))]);
    assert_eq!(
        denied.reasons[0].text,
        "policy thrift on net-prod: it adds 120.00 to the costs of a month, and 99.50 are allowed"
    );
    let warned = judged(
        &text.replace("99.5 }", "99.5 }\n action { on_violation = \"warn\" }"),
        &[told("infracost", Some(120.0))],
    );
    assert_eq!(warned.outcome, Outcome::Pass);
}

#[test]
fn of_several_who_say_what_it_costs_the_highest_counts() {
    let text = "hook \"one\" { on_silence = \"deny\" }\nhook \"two\" { on_silence = \"deny\" }\n\
                policy \"large\" {\n match { min_cost_delta = 50 }\n approval { min_approvers = 1 }\n}";
    let calls = |two: f64| [told("one", Some(10.0)), told("two", Some(two))];
    assert_eq!(judged(text, &calls(49.99)).outcome, Outcome::Pass);
    let held = judged(text, &calls(50.0));
    assert_eq!(held.outcome, Outcome::HoldForApprovals { given: 0, needed: 1 });
    assert_eq!(judged(text, &[told("one", None), told("two", None)]).outcome, Outcome::Pass);
}

#[test]
fn an_exception_for_what_is_cheap_does_not_hold_for_what_nobody_knows() {
    let text = "policy \"gifts\" {\n except { min_cost_delta = 0 }\n deny { reason = \"no\" }\n \
                match { moment = [\"before_apply\"] }\n}";
    assert_eq!(judged(text, &[]).outcome, Outcome::Deny);
    assert_eq!(judged(text, &[told("x", Some(1.0))]).outcome, Outcome::Pass);
}
