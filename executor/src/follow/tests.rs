use contracts::{
    Code, Reason,
    chain::ChainKind,
    run::{Delta, RunReported, RunState as R},
    step::StepState as S,
};

use super::{Follow, follow};
use crate::{
    fixtures::{ChainFixture, at, report, seen},
    input::Seen,
    step::Step,
};

/// A step of its own, with its run at the state that belongs to it.
fn step(state: S) -> Step {
    ChainFixture::single().running().with("a", state).step("a").clone()
}

/// What a webhook means, in a word.
fn told(state: S, report: RunReported) -> &'static str {
    said(&follow(&mut step(state), &Seen::from(report), ChainKind::Deploy, at(1)))
}

fn said(follow: &Follow) -> &'static str {
    match follow {
        Follow::OldNews => "old",
        Follow::Noted => "noted",
        Follow::Goes(_) => "goes",
        Follow::PlansAgain(_) => "plans again",
        Follow::Planned(_) => "planned",
        Follow::Applies(_) => "applies",
        Follow::Ends(state, _) => state.as_str(),
    }
}

fn other(name: &str) -> R {
    R::Other(name.to_owned())
}

/// For every state a step with a run can be in, and every state its run may be reported in.
#[test]
fn every_report_in_every_state_has_a_meaning() {
    let states = [S::Planning, S::GatingApply, S::Confirming, S::Applying, S::Discarding];
    let table = [
        (R::Queued, ["goes", "noted", "goes", "goes", "noted"]),
        (R::Ready, ["goes", "noted", "goes", "goes", "noted"]),
        (R::Preparing, ["goes", "noted", "goes", "goes", "noted"]),
        (R::Initializing, ["goes", "noted", "goes", "goes", "noted"]),
        (R::Planning, ["goes", "plans again", "plans again", "goes", "plans again"]),
        (R::ReplanRequested, ["goes", "plans again", "plans again", "goes", "plans again"]),
        (R::PreparingReplan, ["goes", "plans again", "plans again", "goes", "plans again"]),
        (R::Unconfirmed, ["planned", "planned", "planned", "goes", "planned"]),
        (R::Confirmed, ["applies", "applies", "applies", "goes", "applies"]),
        (R::PreparingApply, ["applies", "applies", "applies", "goes", "applies"]),
        (R::Applying, ["applies", "applies", "applies", "goes", "applies"]),
        (R::Finished, ["finished"; 5]),
        (R::Failed, ["failed"; 5]),
        (R::Discarded, ["failed", "failed", "failed", "failed", "denied"]),
        (R::Canceled, ["failed"; 5]),
        (R::Stopped, ["failed"; 5]),
        (R::Skipped, ["skipped"; 5]),
        (other("PONDERING"), ["goes", "noted", "goes", "goes", "noted"]),
    ];
    for (run, meanings) in table {
        for (state, meaning) in states.into_iter().zip(meanings) {
            let report = RunReported {
                delta: Some(Delta { added: 2, changed: 0, deleted: 0 }),
                ..report("a", run.clone(), 20)
            };
            assert_eq!(told(state, report), meaning, "{run} while {state}");
        }
    }
}

#[test]
fn what_is_older_than_what_is_known_is_no_news_and_changes_nothing() {
    for state in [S::Planning, S::GatingApply, S::Confirming, S::Applying, S::Discarding] {
        let before = step(state);
        let known = before.run.as_ref().unwrap().version;
        for version in [known - 1, known] {
            let mut step = before.clone();
            let late = Seen::from(report("a", R::Planning, version));
            let followed = follow(&mut step, &late, ChainKind::Deploy, at(99));
            assert_eq!((followed, &step), (Follow::OldNews, &before), "{state}");
        }
    }
}

#[test]
fn a_step_that_has_ended_hears_nothing() {
    for state in [S::Finished, S::Failed] {
        let before = step(state);
        let mut step = before.clone();
        let late = seen(report("a", R::Failed, 50));
        assert_eq!(follow(&mut step, &late, ChainKind::Deploy, at(99)), Follow::OldNews);
        assert_eq!(step, before);
    }
}

#[test]
fn a_state_this_build_does_not_know_ends_the_step_only_if_spacelift_says_it_has_ended() {
    let report = report("a", other("IMPLODED"), 20);
    assert_eq!(told(S::Applying, report.clone()), "goes");

    // The webhook came first; asked about the same state, Spacelift says it is the last.
    let mut step = step(S::Applying);
    follow(&mut step, &Seen::from(report.clone()), ChainKind::Deploy, at(1));
    let asked = Seen { finished: true, asked: true, applied: Some(true), report };
    let Follow::Ends(S::Failed, reason) = follow(&mut step, &asked, ChainKind::Deploy, at(2))
    else {
        panic!("it has ended");
    };
    assert_eq!(reason.text, "run run-a ended as IMPLODED, which this build does not know");
}

#[test]
fn no_gate_is_asked_about_a_plan_whose_size_a_webhook_left_out() {
    let blind = RunReported { delta: None, ..report("a", R::Unconfirmed, 5) };
    let mut step = step(S::Planning);
    let followed = follow(&mut step, &Seen::from(blind.clone()), ChainKind::Deploy, at(1));
    assert_eq!(said(&followed), "goes");
    assert_eq!(step.heard_at, None, "Spacelift is to be asked at once");
    assert_eq!(
        told(S::GatingApply, RunReported { state_version: 8, ..blind.clone() }),
        "plans again"
    );

    // The same state, with what it plans.
    let mut filled = step.clone();
    let whole = Seen::from(report("a", R::Unconfirmed, 5));
    let followed = follow(&mut filled, &whole, ChainKind::Deploy, at(2));
    assert_eq!(said(&followed), "planned");

    // Asked, Spacelift does not know either: a tool without counts.
    let followed = follow(&mut step, &seen(blind), ChainKind::Deploy, at(2));
    let Follow::Planned(reason) = followed else { panic!("{followed:?}") };
    assert_eq!(reason.text, "the plan is not known; the policies are asked about the apply");
}

#[test]
fn a_preview_never_waits_to_be_confirmed_and_ends_with_its_plan() {
    let mut step =
        ChainFixture::single().preview().running().with("a", S::Planning).step("a").clone();
    let mut hear = |state, version| {
        follow(&mut step, &Seen::from(report("a", state, version)), ChainKind::Preview, at(1))
    };
    assert_eq!(said(&hear(R::Unconfirmed, 4)), "goes");
    let Follow::Goes(review) = hear(R::PendingReview, 5) else { panic!("it goes on") };
    assert_eq!(
        review.text,
        "run run-a is PENDING_REVIEW in Spacelift: it waits for a review there"
    );
    let planned = Reason::new(Code::RunFinished, "run run-a planned");
    assert_eq!(hear(R::Finished, 6), Follow::Ends(S::Finished, planned));
}

#[test]
fn how_a_run_ended_is_said_with_spacelifts_own_words() {
    let none = Delta::default();
    let ends = |state: S, report: RunReported| match follow(
        &mut step(state),
        &Seen::from(report),
        ChainKind::Deploy,
        at(1),
    ) {
        Follow::Ends(_, reason) => reason.to_string(),
        followed => panic!("{followed:?}"),
    };
    let empty = RunReported { delta: Some(none), ..report("a", R::Finished, 9) };
    assert_eq!(ends(S::Planning, empty), "no_changes: run run-a found nothing to change");
    assert_eq!(ends(S::Planning, report("a", R::Finished, 9)), "run_finished: run run-a applied");
    let blind = RunReported { delta: None, ..report("a", R::Finished, 9) };
    assert_eq!(ends(S::Planning, blind), "run_finished: run run-a finished");
    let noted = |state| RunReported { note: Some("by carol".into()), ..report("a", state, 9) };
    assert_eq!(
        ends(S::GatingApply, noted(R::Discarded)),
        "run_discarded: run run-a was discarded in Spacelift (by carol)"
    );
    assert_eq!(
        ends(S::Planning, noted(R::Stopped)),
        "run_canceled: run run-a was STOPPED in Spacelift (by carol)"
    );
    assert_eq!(ends(S::Applying, noted(R::Failed)), "run_failed: run run-a failed (by carol)");
    assert_eq!(
        ends(S::Discarding, report("a", R::Discarded, 9)),
        "policy_denied: policy says policy_denied",
        "what we discarded was denied for the gate's reason"
    );
}

#[test]
fn news_keeps_what_it_does_not_mention_and_clears_what_was_missed() {
    let mut step = step(S::GatingApply);
    step.misses = 2;
    let run = step.run.as_mut().unwrap();
    run.url = Some("https://spacelift/run-a".to_owned());
    let delta = run.delta;
    let silent = RunReported { delta: None, ..report("a", R::Confirmed, 6) };
    follow(&mut step, &Seen::from(silent), ChainKind::Deploy, at(44));

    let run = step.run.unwrap();
    assert_eq!((run.delta, run.url.as_deref()), (delta, Some("https://spacelift/run-a")));
    assert_eq!((run.version, run.state), (6, R::Confirmed));
    assert_eq!((step.heard_at, step.misses), (Some(at(44)), 0));
}

#[test]
fn where_it_is_not_plain_the_reason_says_what_the_run_waits_for() {
    let described = |state| super::described(&report("a", state, 1)).text;
    assert_eq!(
        described(R::Queued),
        "run run-a is QUEUED in Spacelift: another run, a lock, a dependency or an approval holds \
         it back there"
    );
    assert_eq!(described(R::Ready), "run run-a is READY in Spacelift: it waits for a worker");
    assert_eq!(described(R::Applying), "run run-a is APPLYING in Spacelift");
}
