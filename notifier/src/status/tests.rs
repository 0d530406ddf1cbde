use contracts::{
    Code, CommitSha,
    chain::{ChainKind, ChainPlanned, ChainState},
    gate::Outcome,
    step::StepState,
};

use super::{State, Status, chain as render, notice as render_notice};
use crate::{
    digest::Digest,
    notice::Notice,
    sample::{
        at, chain, change, decided, finished, ignored, planned, reason, refused, started, summary,
    },
};

fn planned_digest() -> Digest {
    let mut digest = Digest::new(chain());
    digest.planned(&planned(&["net-prod", "app-prod"]));
    digest
}

fn says(digest: &Digest) -> (State, String) {
    let status = render(digest).unwrap();
    assert!(status.description.chars().count() <= 140);
    (status.state, status.description)
}

#[test]
fn a_chain_is_pending_until_it_ends() {
    let mut digest = planned_digest();
    assert_eq!(says(&digest), (State::Pending, "Planned 2 stacks; asking the policies".into()));
    digest.started(&started(2));
    assert_eq!(says(&digest), (State::Running, "Running 2 stacks".into()));
    let hold = Outcome::HoldForApprovals { given: 1, needed: 2 };
    digest.gate(&decided(1, Some("app-prod"), 1, hold));
    let waiting = "Waiting for approval of app prod (1 of 2)";
    assert_eq!(says(&digest), (State::Pending, waiting.into()));
    digest.gate(&decided(1, Some("app-prod"), 2, Outcome::HoldUntil { until: at(60) }));
    let held = "Held until 2026-09-21T14:14:20Z: app prod";
    assert_eq!(says(&digest), (State::Pending, held.into()));
    digest.gate(&decided(1, Some("app-prod"), 3, Outcome::Pass));
    let net = summary("net-prod", StepState::Finished, Code::RunFinished, "done");
    let app = summary("app-prod", StepState::Finished, Code::RunFinished, "done");
    digest.finished(&finished(ChainState::Finished, vec![net, app]), at(200));
    assert_eq!(says(&digest), (State::Success, "2 stacks finished in 3 min 20 s".into()));
}

#[test]
fn steps_that_merely_go_on_set_no_new_status() {
    let mut digest = planned_digest();
    digest.started(&started(2));
    let before = render(&digest).unwrap().fingerprint();
    digest.step(&summary("net-prod", StepState::Planning, Code::RunInFlight, "plans"), at(1));
    digest.step(&summary("net-prod", StepState::Finished, Code::RunFinished, "done"), at(2));
    assert_eq!(render(&digest).unwrap().fingerprint(), before);
}

#[test]
fn a_failed_chain_names_the_step_and_links_its_run() {
    let mut digest = planned_digest();
    let net = summary("net-prod", StepState::Failed, Code::RunFailed, "no quota");
    let app = summary("app-prod", StepState::Skipped, Code::ParentFailed, "net-prod failed");
    digest.finished(&finished(ChainState::Failed, vec![net, app]), at(200));
    let status = render(&digest).unwrap();
    assert_eq!(status.state, State::Failure);
    assert_eq!(status.description, "1 of 2 failed, 1 not run: net prod: no quota");
    let url = "https://acme.app.spacelift.io/stack/net-prod/run/1";
    assert_eq!(status.target_url.as_deref(), Some(url));
}

#[test]
fn a_denied_chain_is_a_failure() {
    let mut digest = planned_digest();
    digest.finished(&finished(ChainState::Denied, vec![]), at(200));
    assert_eq!(says(&digest), (State::Failure, "Denied: app-prod failed".into()));
}

#[test]
fn a_preview_for_a_branch_that_is_no_more_the_target_leaves_nothing_red_behind() {
    let ended = |kind, code| {
        let mut digest = Digest::new(chain());
        digest.planned(&ChainPlanned { kind, ..planned(&["net-prod"]) });
        let mut event = finished(ChainState::Canceled, vec![]);
        event.reason = reason(code, "pull request 7 goes to release now");
        digest.finished(&event, at(200));
        says(&digest)
    };
    let gone = (State::Success, "Not needed: pull request 7 goes to release now".to_owned());
    assert_eq!(ended(ChainKind::Preview, Code::Retargeted), gone);
    let canceled = (State::Failure, "Cancelled: pull request 7 goes to release now".to_owned());
    assert_eq!(ended(ChainKind::Preview, Code::ChainCanceled), canceled);
    assert_eq!(ended(ChainKind::Preview, Code::Superseded), canceled, "another may have the name");
}

#[test]
fn a_long_reason_is_cut_to_what_github_takes() {
    let mut digest = planned_digest();
    let step = summary("net-prod", StepState::Failed, Code::RunFailed, &"x\n".repeat(200));
    digest.finished(&finished(ChainState::Failed, vec![step]), at(200));
    let (_, description) = says(&digest);
    assert!(description.ends_with("x…"), "{description}");
    assert!(description.chars().count() >= 139);
    assert!(!description.contains('\n'));
}

#[test]
fn a_change_without_a_chain_says_why_at_its_commit() {
    let mut notice = Notice::new(&change(), None);
    assert_eq!(render_notice(&notice, false), None);
    notice.ignored(&ignored(Code::NothingTouched, "no stack uses these files"));
    let status = render_notice(&notice, false).unwrap();
    assert_eq!(status.state, State::Success);
    assert_eq!(status.description, "Nothing to do: no stack uses these files");
    assert_eq!(render_notice(&notice, true), None, "its chain has a status of its own");
    notice.refused(&refused("a circle"));
    let status = render_notice(&notice, true).unwrap();
    assert_eq!(
        (status.state, status.description.as_str()),
        (State::Error, "Cannot be planned: a circle")
    );
}

#[test]
fn some_reasons_are_not_worth_a_status() {
    let silent = [Code::RefDeleted, Code::TagPushed, Code::AlreadyPlanned, Code::RepositoryUnknown];
    for code in silent {
        let mut notice = Notice::new(&change(), None);
        notice.ignored(&ignored(code, "why"));
        assert_eq!(render_notice(&notice, false), None, "{code}");
        notice.ignored(&ignored(Code::BranchNotTracked, "no stack tracks x"));
        assert!(render_notice(&notice, false).is_some(), "{code}");
    }
}

#[test]
fn nothing_from_a_push_can_choose_another_path() {
    let status = |repository: &str, commit: &str| {
        let mut change = change();
        change.repository = repository.to_owned();
        change.commit = CommitSha(commit.to_owned());
        Status::new(&change, State::Success, "x", None).path()
    };
    let sha = "0123456789abcdef0123456789abcdef01234567";
    assert_eq!(status("acme/infra.x", sha), Some(format!("repos/acme/infra.x/statuses/{sha}")));
    for repository in ["acme", "acme/", "/infra", "acme/..", "../x", "a/b/c", "a/b?c", "a/b%2fc"] {
        assert_eq!(status(repository, sha), None, "{repository}");
    }
    for commit in ["", "main", "0123", &sha.replace('0', "/"), &format!("{sha}0")] {
        assert_eq!(status("acme/infra", commit), None, "{commit}");
    }
}
