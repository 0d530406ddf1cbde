//! Policies at the head of a branch, with a real repository.

use contracts::{
    CommitSha,
    change::{Change, ChangePushed, Paths},
    policies::{PoliciesRefused, PoliciesReplaced},
};
use futures::Stream;
use receivers::Work;

use super::*;

const FILE: &str = "policies/a.hcl";

/// A repository of policies, a mirror's folder, and the service that reads it.
async fn tracking(policies: &str) -> (Work, TempDir, Running, String) {
    let (work, mirrors) = (Work::new(), tempfile::tempdir().unwrap());
    let first = work.commit(&[(FILE, policies)]);
    let mut git = crate::fixtures::git(&work.path().display().to_string(), mirrors.path());
    git.repository = "acme/policies".to_owned();
    // What the folder says counts for nothing.
    let running = Running::start_with("not even HCL", git).await;
    (work, mirrors, running, first)
}

fn pushed(branch: &str, commit: &str) -> ChangePushed {
    let change = Change {
        repository: "acme/policies".to_owned(),
        branch: branch.to_owned(),
        commit: CommitSha::from(commit),
        previous: None,
        author: "mallory".to_owned(),
        authors: Vec::new(),
        title: String::new(),
        url: None,
        pull_request: None,
    };
    ChangePushed { change, paths: Paths::Unknown, deleted: false, tag: false, forced: false }
}

impl Running {
    async fn push(&self, branch: &str, commit: &str) {
        self.publish(&pushed(branch, commit), Uuid::new_v4()).await;
    }

    /// The answer about the policies, once it is as described.
    async fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        let mut last = Value::Null;
        let asked = async {
            while last.is_null() || !holds(&last) {
                ticks.tick().await;
                last = self.ask("policies", json!(null)).await.unwrap_or_default();
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(30), asked).await;
        assert!(in_time.is_ok(), "not in time: {what}; last seen: {last:#}");
        last
    }
}

pub(super) async fn told<M: Message>(events: &mut (impl Stream<Item = Envelope> + Unpin)) -> M {
    let event = tokio::time::timeout(Duration::from_secs(20), events.next()).await;
    let event = event.expect("it is told").expect("the bus is there");
    assert_eq!(event.kind, M::TYPE);
    M::upgrade(event.version, event.body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_cannot_change_the_policies_that_govern_it_and_its_merge_does() {
    let (work, _mirrors, mut running, first) = tracking(APPROVAL).await;
    let mut decisions = running.decisions().await;
    let mut events = running.bus.tail("stackly.evt.policies.>").await.unwrap();
    running.bus.flush().await.unwrap();

    work.git(&["checkout", "--quiet", "-b", "lenient"]);
    let lenient = work.commit(&[(FILE, "# nobody is asked\n")]);
    work.git(&["update-ref", "refs/pull/7/head", &lenient]);
    // A forged push that names the tracked branch has it fetched, and no more.
    let before = running.ask("policies", json!(null)).await.unwrap()["fetched_at"].clone();
    running.push("lenient", &lenient).await;
    running.push("main", &lenient).await;
    let seen = running.until("it was fetched", |said| said["fetched_at"] != before).await;
    assert_eq!(seen["source"]["commit"], json!(first));
    running.request(&prod(Moment::BeforeApply)).await;
    let held = next(&mut decisions).await;
    assert_eq!(held.outcome, Outcome::HoldForApprovals { given: 0, needed: 2 });
    assert_eq!(held.policy_commit, Some(CommitSha::from(first.as_str())));

    work.git(&["update-ref", "refs/heads/main", &lenient]);
    running.push("main", &lenient).await;
    let passed = next(&mut decisions).await;
    assert_eq!((passed.outcome, passed.revision), (Outcome::Pass, 2));
    assert_eq!(passed.policy_commit, Some(CommitSha::from(lenient.as_str())));
    let event: PoliciesReplaced = told(&mut events).await;
    assert_eq!((event.policies, event.previous), (0, held.policy_digest.clone()));
    assert_eq!(event.source.commit, Some(CommitSha::from(lenient.as_str())));

    let explained = running.ask("explain", json!({ "gate": held.gate })).await.unwrap();
    assert_eq!(explained["gate"]["policy_commit"], json!(lenient));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_faulty_commit_is_refused_and_told_with_its_place_and_the_old_set_stays() {
    let (work, _mirrors, mut running, first) = tracking(APPROVAL).await;
    let mut decisions = running.decisions().await;
    let mut events = running.bus.tail("stackly.evt.policies.>").await.unwrap();
    running.bus.flush().await.unwrap();
    let typo = APPROVAL.replace("min_approvers", "min_aprovers");
    let bad = work.commit(&[(FILE, &typo)]);

    running.push("main", &bad).await;

    let event: PoliciesRefused = told(&mut events).await;
    assert_eq!(event.source.commit, Some(CommitSha::from(bad.as_str())));
    let fault = &event.faults[0];
    assert_eq!((fault.file.as_str(), fault.line), (FILE, Some(4)));
    let wanted = format!("acme/policies main policies at {} are refused", &bad[..8]);
    assert!(event.reason.text.contains(&wanted), "{}", event.reason);
    assert!(event.reason.text.contains(&format!("{FILE}:4:5: ")), "{}", event.reason);
    assert!(event.reason.text.contains(&fault.advice), "{}", event.reason);
    let said = running.ask("policies", json!(null)).await.unwrap();
    assert_eq!(said["source"]["commit"], json!(first));
    assert_eq!(said["refused"]["commit"], json!(bad));
    running.request(&prod(Moment::BeforeApply)).await;
    let held = next(&mut decisions).await;
    assert_eq!(held.outcome, Outcome::HoldForApprovals { given: 0, needed: 2 });

    // A start with a faulty head goes on with what was in force.
    running.stop().await;
    running.start_again().await;
    let said = running.until("it is refused again", |said| !said["refused"].is_null()).await;
    assert_eq!(
        (&said["digest"], &said["source"]["commit"]),
        (&json!(held.policy_digest), &json!(first))
    );

    let good = work.commit(&[(FILE, &APPROVAL.replace('2', "1"))]);
    running.push("main", &good).await;
    let relaxed = next(&mut decisions).await;
    assert_eq!(relaxed.outcome, Outcome::HoldForApprovals { given: 0, needed: 1 });
    let event: PoliciesReplaced = told(&mut events).await;
    assert_eq!(event.previous, held.policy_digest, "the fault was told once");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_origin_away_a_start_goes_on_from_the_mirror_or_from_what_was_kept() {
    let (work, mirrors, mut running, first) = tracking(APPROVAL).await;
    let digest = running.ask("policies", json!(null)).await.unwrap()["digest"].clone();
    running.stop().await;
    let away = work.path().with_extension("away");
    fs::rename(work.path(), &away).unwrap();

    for mirror in ["there", "lost"] {
        running.start_again().await;
        let said = running.ask("policies", json!(null)).await.unwrap();
        assert_eq!(
            (&said["digest"], &said["source"]["commit"]),
            (&digest, &json!(first)),
            "{mirror}"
        );
        assert!(
            said["away"]["text"].as_str().unwrap().contains("cannot fetch"),
            "{mirror}: {said}"
        );
        running.stop().await;
        for entry in fs::read_dir(mirrors.path()).unwrap() {
            fs::remove_dir_all(entry.unwrap().path()).unwrap();
        }
    }
    fs::rename(&away, work.path()).unwrap();
    running.config.policies.git.refresh = Duration::from_millis(50);
    running.start_again().await;
    let second = work.commit(&[(FILE, "# nobody is asked\n")]);
    // Nobody tells of it: the time alone has it fetched.
    let said = running.until("it is back", |said| said["source"]["commit"] == json!(second)).await;
    assert_eq!((&said["away"], &said["policies"]), (&json!(null), &json!([])));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_replica_has_read_the_others_read_soon() {
    let (work, _mirrors, mut running, _) = tracking(APPROVAL).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let mut config = running.config.clone();
    config.policies.git.folder = elsewhere.path().display().to_string();
    let (shutdown, pool) = (CancellationToken::new(), running.config.store.clone());
    let other = tokio::spawn(run(config, shutdown.clone()));
    let store = ::store::Store::connect(&pool, CARD.service).await.unwrap();
    let second = work.commit(&[(FILE, "# nobody is asked\n")]);
    // One of them takes the message.
    running.push("main", &second).await;
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let both = async {
        let mut in_a_row = 0;
        while in_a_row < 20 {
            ticks.tick().await;
            let said = running.ask("policies", json!(null)).await.unwrap_or_default();
            in_a_row = if said["source"]["commit"] == json!(second) { in_a_row + 1 } else { 0 };
        }
    };
    tokio::time::timeout(Duration::from_secs(30), both).await.expect("both answer so");
    let head = store::head_of(store.pool(), &running_key(&running)).await.unwrap();
    assert_eq!(head, Some(CommitSha::from(second)));
    shutdown.cancel();
    other.await.unwrap().unwrap();
    running.stop().await;
}

fn running_key(running: &Running) -> String {
    let branch = Branch::open(&running.config.policies.git).unwrap().unwrap();
    branch.key()
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_on_trial_come_from_another_branch_of_the_same_repository_and_decide_nothing() {
    let (work, mirrors, mut running, _) = tracking("# nobody is asked\n").await;
    running.stop().await;
    let mut trial = crate::fixtures::git(&work.path().display().to_string(), mirrors.path());
    (trial.repository, trial.branch) = ("acme/policies".to_owned(), "next".to_owned());
    running.config.policies.shadow_git = trial;
    // The branch is not there yet: nothing is tried, and nothing stands still.
    running.start_again().await;
    let mut decisions = running.decisions().await;
    running.request(&prod(Moment::BeforeApply)).await;
    assert_eq!(next(&mut decisions).await.outcome, Outcome::Pass);
    let shadow = running.ask("shadow", json!(null)).await.unwrap();
    assert_eq!((&shadow["commit"], &shadow["trial"]["differ"]), (&json!(null), &json!(0)));

    work.git(&["checkout", "--quiet", "-b", "next"]);
    let strict = work.commit(&[(FILE, APPROVAL)]);
    running.push("next", &strict).await;
    let shadow = running.until_tried("it is read", |said| said["commit"] == json!(strict)).await;
    assert_eq!(shadow["folder"], "acme/policies next policies");
    let another = GateRequested { gate: GateId(Uuid::from_u128(99)), ..prod(Moment::BeforeApply) };
    running.request(&another).await;
    assert_eq!(next(&mut decisions).await.outcome, Outcome::Pass, "it decides nothing");
    let shadow = running.ask("shadow", json!(null)).await.unwrap();
    assert_eq!(shadow["trial"]["differ"], 1);
    assert_eq!(shadow["differences"][0]["shadow"]["outcome"], "hold_for_approvals");

    // A faulty commit is told, and what was tried is tried on.
    let bad = work.commit(&[(FILE, "policy {")]);
    running.push("next", &bad).await;
    let refused = |said: &Value| !said["refused"].is_null();
    let shadow = running.until_tried("it is refused", refused).await;
    assert_eq!(shadow["commit"], json!(strict));
    running.stop().await;
    running.start_again().await;
    let shadow = running.until_tried("it is refused still", refused).await;
    assert_eq!(shadow["commit"], json!(strict), "what was tried is tried on");
    running.stop().await;
}

impl Running {
    /// The answer about the trial, once it is as described.
    pub(super) async fn until_tried(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        let tried = async {
            loop {
                ticks.tick().await;
                let said = self.ask("shadow", json!(null)).await.unwrap_or_default();
                if !said.is_null() && holds(&said) {
                    return said;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), tried)
            .await
            .unwrap_or_else(|_| panic!("{what}"))
    }
}
