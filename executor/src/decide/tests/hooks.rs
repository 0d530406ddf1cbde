use contracts::{Action, gate::Outcome, run::RunState, step::StepState as S};

use crate::fixtures::ChainFixture;

/// Whose `stackly.hcl` names a hook after each of plan, apply and destroy.
fn chain() -> ChainFixture {
    ["post_plan:cost", "post_apply:smoke", "post_apply:tell", "post_destroy:tidy", "pre_plan:ask"]
        .iter()
        .fold(ChainFixture::single(), |chain, hook| {
            chain.labelled("a", &format!("stackly:hook={hook}"))
        })
}

#[test]
fn hooks_are_called_once_a_plan_waits_and_once_it_is_applied_in_the_order_in_which_they_are_named()
{
    let mut chain = chain().running().with("a", S::Planning);
    assert_eq!(
        chain.tell(chain.reported("a", RunState::Unconfirmed, 5)),
        ["step.planned a", "hook.called cost post_plan a", "gate.requested before_apply a"]
    );
    chain.bring("a", S::Applying);
    assert_eq!(
        chain.tell(chain.reported("a", RunState::Finished, 9)),
        [
            "step.finished a finished",
            "hook.called smoke post_apply a",
            "hook.called tell post_apply a",
            "chain.finished finished",
        ]
    );
}

#[test]
fn nothing_is_called_after_what_ended_badly_or_had_no_run() {
    let called = |told: Vec<String>| told.iter().any(|line| line.starts_with("hook.called"));
    let mut failed = chain().running().with("a", S::Applying);
    assert!(!called(failed.tell(failed.reported("a", RunState::Failed, 9))));
    let mut denied = chain().running();
    assert!(!called(denied.tell(denied.gate_says("a", Outcome::Deny))));
    let mut settled = chain().following().settled(&["a"]).running();
    assert!(!called(settled.tell(settled.gate_says("a", Outcome::Pass))));
}

#[test]
fn after_a_preview_its_plan_is_known_and_after_a_destroy_nothing_is_applied() {
    let mut preview = chain().preview().running().with("a", S::Planning);
    assert_eq!(
        preview.tell(preview.reported("a", RunState::Finished, 9)),
        ["step.finished a finished", "hook.called cost post_plan a", "chain.finished finished"]
    );
    let mut destroys = chain().running().with("a", S::Applying);
    destroys.state.as_mut().unwrap().course.action = Action::Destroy;
    assert_eq!(
        destroys.tell(destroys.reported("a", RunState::Finished, 9)),
        ["step.finished a finished", "hook.called tidy post_destroy a", "chain.finished finished"]
    );
}
