use super::*;
use crate::fixtures::ChainFixture;

fn on(labels: &[&str]) -> Vec<Condition> {
    let labels: Vec<Text> = labels.iter().map(|&label| label.into()).collect();
    let chain = ChainFixture::of(&[("dns", &[]), ("net", &[])]).gating();
    let conditions = Conditions::of(&labels);
    chain.chain().steps.iter().map(|parent| conditions.on(parent)).collect()
}

#[test]
fn a_label_says_of_one_parent_or_of_all_how_it_must_end() {
    use Condition::{End, Failure, Success};
    assert_eq!(on(&["team:x"]), [Success, Success]);
    assert_eq!(on(&["stackly:on=failure"]), [Failure, Failure]);
    assert_eq!(on(&["stackly:on=always:net"]), [Success, End]);
    assert_eq!(on(&["stackly:on=failure", "stackly:on=success:dns"]), [Success, Failure]);
}

#[test]
fn what_cannot_be_read_is_known() {
    let labels: Vec<Text> = ["stackly:on=success", "stackly:on=failur:dns"].map(Text::from).into();
    assert_eq!(Conditions::of(&labels).unread, Some("stackly:on=failur:dns"));
    assert_eq!(Conditions::of(&labels[..1]).unread, None);
    assert!(!is_unread_condition("stackly:only=branch:main") && is_unread_condition("stackly:on="));
}

#[test]
fn a_failure_is_what_failed_or_may_have_and_not_what_never_ran() {
    let met = |condition: Condition| {
        let states = StepState::ALL.into_iter().filter(move |state| condition.is_met_by(*state));
        states.map(StepState::as_str).collect::<Vec<_>>()
    };
    assert_eq!(met(Condition::Success), ["finished"]);
    assert_eq!(met(Condition::Failure), ["failed", "unknown"]);
    assert_eq!(
        met(Condition::End),
        ["finished", "failed", "denied", "skipped", "canceled", "unknown"]
    );
}
