use chrono::TimeDelta;
use contracts::{
    Code, Reason, RunId, StackId,
    chain::{ChainKind, ChainState},
    gate::Outcome,
    run::RunState,
    step::StepState as S,
};
use uuid::Uuid;

use super::*;
use crate::{
    ChainLine,
    fixtures::{ChainFixture, change, reminders},
};

/// The chain as it is shown.
fn page(fixture: &ChainFixture) -> ChainPage {
    let chain = fixture.chain();
    let steps = chain.steps.iter().map(|step| StepPage {
        summary: step.summary(),
        needed: step.parents.len(),
        why: step.planned.why.clone(),
        parents: step.parents.iter().map(StackId::to_string).collect(),
        may_take: step.may_take(),
        since: step.since,
        gate: step.gate.map(|gate| gate.id),
        run_state: step.run.as_ref().map(|run| run.state.clone()),
        call: None,
        call_reason: None,
        keeps_stack: step.keeps_stack(),
        paused: step.course.paused.as_ref().map(crate::Said::reason),
        reminded: None,
        wait: None,
    });
    ChainPage {
        line: ChainLine {
            action: chain.course.action,
            chain: chain.id,
            kind: ChainKind::Deploy,
            state: chain.state,
            reason: chain.reason.clone(),
            change: change(),
            steps: 0,
            ended: 0,
            began_at: chain.began_at,
            ended_at: None,
            first_open: None,
        },
        correlation: Uuid::nil(),
        gate: chain.gate.id,
        graph_version: 1,
        steps_in_order: steps.collect(),
        edges: Vec::new(),
        paused: chain.course.paused.as_ref().map(crate::Said::reason),
        waves: chain.waves.lines(&chain.steps, &chain.course.rollout),
        left_out: None,
    }
}

/// What a step waits for, some minutes after it began to.
fn wait(page: &ChainPage, stack: &str, minutes: i64) -> Option<Wait> {
    let named = |step: &&StepPage| step.summary.stack.as_str() == stack;
    let step = page.steps_in_order.iter().find(named).unwrap();
    why(page, step, &reminders(), step.since + TimeDelta::minutes(minutes))
}

#[test]
fn every_step_that_has_not_ended_says_what_it_waits_for() {
    for state in S::ALL {
        // Skipped is what a parent's end makes of a step; it has ended like the others.
        if state == S::Skipped {
            continue;
        }
        let wanted = if state == S::Waiting { S::GatingPlan } else { state };
        let fixture = ChainFixture::single().running().with("a", wanted);
        let found = wait(&page(&fixture), "a", 0);
        let waits = !state.is_terminal() || state == S::Unknown;
        assert_eq!(found.is_some(), waits, "{state}");
        assert!(found.is_none_or(|wait| !wait.reason.text.is_empty() && !wait.stuck), "{state}");
    }
}

#[test]
fn what_waits_for_a_parent_says_what_the_parent_waits_for() {
    let mut fixture = ChainFixture::diamond().running();
    fixture.tell(fixture.gate_says("a", Outcome::HoldForApprovals { given: 0, needed: 1 }));
    let found = wait(&page(&fixture), "b", 0).unwrap();
    assert_eq!(found.reason.code, Code::WaitingForParents);
    assert_eq!(found.reason.text, "waits for a (policy says approval_needed)");
    assert_eq!(found.mend, None);
}

#[test]
fn an_approval_names_its_command_and_is_overdue_after_a_while() {
    let mut fixture = ChainFixture::single().running();
    fixture.tell(fixture.gate_says("a", Outcome::HoldForApprovals { given: 0, needed: 1 }));
    let page = page(&fixture);
    let early = wait(&page, "a", 59).unwrap();
    assert_eq!((early.stuck, early.reason.code), (false, Code::ApprovalNeeded));
    assert_eq!(early.mend.unwrap(), format!("stackly approve {}/a", page.line.chain));
    let late = wait(&page, "a", 61).unwrap();
    assert_eq!((late.stuck, late.reason.code), (true, Code::ApprovalOverdue));
    assert!(late.reason.text.ends_with("that is 1 h already"), "{}", late.reason.text);
}

#[test]
fn what_takes_its_usual_time_is_nothing_to_mend() {
    let running = ChainFixture::single().running();
    let at_work = page(&running.with("a", S::Planning));
    assert_eq!(wait(&at_work, "a", 1).unwrap().mend, None);
    let asking = page(&ChainFixture::single().running().with("a", S::GatingPlan));
    assert_eq!(wait(&asking, "a", 0).unwrap().mend, None);
    let silent = wait(&asking, "a", 60).unwrap();
    assert_eq!(silent.reason.code, Code::GateSilent);
    assert!(silent.mend.unwrap().contains("stackly status"));
}

#[test]
fn a_run_is_too_long_at_work_when_its_stack_says_so() {
    let at_work = |label: &str| {
        let fixture = ChainFixture::single().labelled("a", label).running().with("a", S::Applying);
        page(&fixture)
    };
    let wait = |label: &str, minutes| wait(&at_work(label), "a", minutes).unwrap();
    let late = wait("stackly:timeout=45m", 46);
    assert!(late.stuck && late.reason.code == Code::RunOverdue, "{late:?}");
    assert!(!wait("stackly:timeout=45m", 44).stuck);
    // What names no time is not heeded.
    assert!(!wait("stackly:timeout=soon", 46).stuck);
}

#[test]
fn a_run_without_a_worker_is_found_before_one_that_is_queued() {
    let mut fixture = ChainFixture::single().running().with("a", S::Planning);
    assert!(!wait(&page(&fixture), "a", 14).unwrap().stuck);
    assert_eq!(wait(&page(&fixture), "a", 16).unwrap().reason.code, Code::QueuedOverdue);
    fixture.tell(fixture.reported("a", RunState::Ready, 2));
    let found = wait(&page(&fixture), "a", 6).unwrap();
    assert_eq!((found.stuck, found.reason.code), (true, Code::NoWorker));
    assert!(found.mend.unwrap().contains("stackly cancel"));
}

#[test]
fn a_paused_chain_says_how_it_goes_on() {
    let mut fixture = ChainFixture::diamond().running().with("a", S::Applying);
    fixture.tell(fixture.order(contracts::order::OrderKind::Pause, None, false));
    fixture.tell(fixture.reported("a", RunState::Finished, 9));
    assert_eq!(fixture.chain().state, ChainState::Paused);
    let page = page(&fixture);
    let found = wait(&page, "b", 999).unwrap();
    assert_eq!((found.stuck, found.reason.code), (false, Code::ChainPaused));
    assert_eq!(found.mend.unwrap(), format!("stackly resume {}", page.line.chain));
}

#[test]
fn what_is_to_be_tried_again_can_be_tried_now_but_not_while_everything_is_being_planned() {
    let mut page = page(&ChainFixture::single().running().with("a", S::Retrying));
    let now = format!("stackly retry {}/a", page.line.chain);
    let found = wait(&page, "a", 1).unwrap();
    assert!(found.reason.text.ends_with(&format!("or now by `{now}`")), "{}", found.reason);
    assert_eq!(found.mend.unwrap(), now);
    page.line.state = ChainState::Planning;
    assert_eq!(wait(&page, "a", 1).unwrap().mend, None);
}

#[test]
fn what_is_to_be_tried_again_says_that_the_chain_is_paused() {
    let mut fixture = ChainFixture::single().running().with("a", S::Retrying);
    fixture.tell(fixture.order(contracts::order::OrderKind::Pause, None, false));
    let page = page(&fixture);
    let found = wait(&page, "a", 999).unwrap();
    assert_eq!((found.stuck, found.reason.code), (false, Code::ChainPaused));
    assert!(found.reason.text.contains("the chain is paused by jane"), "{}", found.reason);
    assert_eq!(found.mend.unwrap(), format!("stackly resume {}", page.line.chain));
}

#[test]
fn a_chain_that_is_paused_before_it_runs_says_what_its_gate_waits_for_too() {
    let mut fixture = ChainFixture::single().gating();
    let gate = fixture.chain().gate.id;
    let hold = Outcome::HoldForApprovals { given: 0, needed: 1 };
    fixture.tell(fixture.decided(gate, 1, hold));
    let pause = contracts::order::OrderKind::Pause;
    fixture.tell(fixture.order(pause, None, false));
    let page = page(&fixture);
    let (chain, found) = (page.line.chain, wait(&page, "a", 1).unwrap());
    assert_eq!(found.reason.code, Code::ApprovalNeeded);
    assert_eq!(found.mend.unwrap(), format!("stackly approve {chain}; and stackly resume {chain}"));
    fixture.tell(fixture.order(contracts::order::OrderKind::Resume, None, false));
    assert_eq!(fixture.chain().reason.code, Code::ApprovalNeeded, "it waits for that still");
}

#[test]
fn a_call_that_a_person_has_to_make_possible_says_how() {
    let fixture = ChainFixture::single().running().with("a", S::Triggering);
    let mut page = page(&fixture);
    let locked = Reason::new(Code::StackLocked, "stack a is locked by bob");
    page.steps_in_order[0].call_reason = Some(locked);
    let found = wait(&page, "a", 11).unwrap();
    assert_eq!((found.stuck, found.reason.code), (true, Code::StackLocked));
    assert!(found.mend.unwrap().starts_with("unlock stack a"));
    let run = RunId("run-a".to_owned());
    let two = Reason::new(Code::OutcomeUnknown, format!("{run} and another"));
    page.steps_in_order[0].call_reason = Some(two);
    assert!(wait(&page, "a", 0).unwrap().mend.unwrap().contains("discard"));
}

#[test]
fn a_plan_that_cannot_be_read_is_not_the_policies_silence() {
    let fixture = ChainFixture::single().running().with("a", S::GatingApply);
    let mut page = page(&fixture);
    page.steps_in_order[0].summary.reason.code = Code::WaitingForGate;
    let refused = Reason::new(Code::SpaceliftUnauthorized, "spacelift does not accept our api key");
    page.steps_in_order[0].call_reason = Some(refused);
    let found = wait(&page, "a", 3).unwrap();
    assert_eq!((found.stuck, found.reason.code), (false, Code::SpaceliftUnauthorized));
    assert!(found.mend.unwrap().contains("an API key that Spacelift accepts"));
    let found = wait(&page, "a", 11).unwrap();
    assert_eq!((found.stuck, found.reason.code), (true, Code::SpaceliftUnauthorized));
}

#[test]
fn a_step_of_unknown_outcome_says_what_is_to_be_done_until_somebody_looked() {
    let mut fixture = ChainFixture::single().running().with("a", S::Unknown);
    let shown = page(&fixture);
    let here = format!("{}/a", shown.line.chain);
    let found = wait(&shown, "a", 61).unwrap();
    assert_eq!((found.stuck, found.reason.code), (true, Code::OutcomeUnknown));
    let mend = found.mend.unwrap();
    assert!(mend.contains(&format!("stackly retry {here} --force")), "{mend}");
    fixture.tell(fixture.order(contracts::order::OrderKind::Cancel, Some("a"), false));
    assert_eq!(wait(&page(&fixture), "a", 61), None);

    let hold = crate::Hold::Unknown;
    let mut other = ChainFixture::single().running().held_by("a", 2, hold);
    other.tell(other.gate_says("a", Outcome::Pass));
    assert_eq!(other.step("a").state, S::Queued);
    let found = wait(&page(&other), "a", 61).unwrap();
    assert_eq!((found.stuck, found.reason.code), (true, Code::OutcomeUnknown));
    assert!(found.reason.text.contains("/a --force"), "{}", found.reason);
}

#[test]
fn a_silent_policy_service_is_found() {
    let fixture = ChainFixture::single().gating();
    let found = wait(&page(&fixture), "a", 3).unwrap();
    assert_eq!((found.stuck, found.reason.code), (true, Code::GateSilent));
}

#[test]
fn who_waits_for_a_wave_is_told_for_which_of_its_steps() {
    let fixture = ChainFixture::of(&[("a", &[]), ("b", &[]), ("c", &[])])
        .labelled("a", "stackly:wave=1")
        .labelled("b", "stackly:wave=1")
        .labelled("c", "stackly:wave=2")
        .running()
        .with("a", S::Finished);
    let page = page(&fixture);
    let told = wait(&page, "c", 1).unwrap();
    assert_eq!(told.reason.code, Code::WaitingForWave);
    assert_eq!(
        told.reason.text,
        "waits until wave 1 is through: b (the policies are asked about the plan)"
    );
    let lines: Vec<String> = page.waves.iter().map(ToString::to_string).collect();
    assert_eq!(lines, ["wave 1: 1 of 2 ended", "wave 2: 0 of 1 ended"]);
}

#[test]
fn a_paused_step_says_what_it_waits_for_and_how_it_goes_on() {
    let pause = contracts::order::OrderKind::Pause;
    let mut fixture = ChainFixture::diamond().running().with("a", S::Applying);
    fixture.tell(fixture.order(pause, Some("b"), false));
    let found = wait(&page(&fixture), "b", 1).unwrap();
    assert_eq!(found.reason.code, Code::WaitingForParents);
    assert!(found.reason.text.contains("but it is paused by jane"), "{}", found.reason);

    fixture.tell(fixture.reported("a", RunState::Finished, 9));
    let page = page(&fixture);
    let found = wait(&page, "b", 999).unwrap();
    assert_eq!((found.stuck, found.reason.code), (false, Code::StepPaused));
    assert_eq!(found.mend.unwrap(), format!("stackly resume {}/b", page.line.chain));
}

#[test]
fn what_waits_for_too_long_is_looked_for_as_soon_as_it_does() {
    let known = Late::all(&reminders());
    let plain = page(&ChainFixture::single().gating());
    let runs = [None, Some(RunState::Queued), Some(RunState::Ready), Some(RunState::Applying)];
    for (chain, state, run) in [ChainState::Gating, ChainState::Running]
        .into_iter()
        .flat_map(|chain| S::ALL.into_iter().map(move |state| (chain, state)))
        .flat_map(|(chain, state)| runs.iter().map(move |run| (chain, state, run)))
    {
        for &code in Code::ALL {
            let mut page = plain.clone();
            (page.line.state, page.line.reason.code) = (chain, code);
            let step = &mut page.steps_in_order[0];
            (step.summary.state, step.summary.reason.code) = (state, code);
            (step.run_state, step.keeps_stack) = (run.clone(), state == S::Unknown);
            let found = |waited: TimeDelta| {
                let step = &page.steps_in_order[0];
                let wait = why(&page, step, &reminders(), step.since + waited);
                wait.filter(|wait| wait.stuck)
            };
            let Some(stuck) = found(TimeDelta::days(1_000)) else { continue };
            let fits = |late: &&Late| {
                late.state == state
                    && late.reason.is_none_or(|reason| reason == code)
                    && late.run.as_ref().is_none_or(|of| Some(of) == run.as_ref())
                    && late.told.is_none_or(|told| told == stuck.reason.code)
            };
            let patience = known.iter().filter(fits).map(|late| late.patience).min();
            let what = format!("{chain} {state} {code} {run:?}: {}", stuck.reason.code);
            let patience = TimeDelta::from_std(patience.expect(&what)).unwrap();
            assert!(found(patience - TimeDelta::seconds(1)).is_none(), "{what}");
            assert!(found(patience).is_some(), "{what}");
        }
    }
}
