//! Who may answer a hook, on a server with the users of the example for deployments.

use bus::{BusError, ProblemKind};

use super::*;

const USERS: &str = include_str!("../../../deploy/nats.users.conf");

async fn server() -> embedded::Nats {
    // Whatever a password is there, it is "secret" here.
    let secret = |line: &str| match line.split_once("password: $") {
        Some((before, rest)) => {
            let end = rest.find(|c: char| c != '_' && !c.is_ascii_alphanumeric());
            let rest = end.map_or("", |end| &rest[end..]);
            format!("{before}password: \"secret\"{rest}\n")
        }
        None => format!("{line}\n"),
    };
    let more = USERS.lines().map(secret).collect();
    let options = embedded::NatsOptions { more, ..embedded::NatsOptions::default() };
    embedded::Nats::start(options).await.unwrap()
}

async fn user(nats: &embedded::Nats, user: &str) -> Bus {
    let url = format!("nats://{user}:secret@127.0.0.1:{}", nats.port());
    Bus::connect(&bus::Options::at(url, ""), user).await.unwrap()
}

/// A service on that server; it may itself say everything there.
async fn running(nats: &embedded::Nats, policies: &str, vouched_names_only: bool) -> Running {
    let url = format!("nats://stackly:secret@127.0.0.1:{}", nats.port());
    let bus = bus::Options { vouched_names_only, ..bus::Options::at(url, "") };
    Running::start_on(policies, in_folder(), bus).await
}

const TWO: &str = r#"
policy "people" {
  approval {
    min_approvers    = 2
    allowed_groups   = ["admins"]
    no_self_approval = true
  }
}
break_glass "oncall" {
  allowed_users = ["alice", "bob"]
  second_person = true
}
group "admins" {
  members = ["alice", "carol"]
  claims  = ["eng-admins"]
}
"#;

/// Every subject on which a command can be given, under the name of `by`.
fn ways(by: &str, kind: &str) -> [String; 3] {
    [subject::command_by(by, kind), subject::command(kind), subject::command_vouched(kind)]
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_a_command_as_somebody_else_on_any_path() {
    let nats = server().await;
    let mut running = running(&nats, TWO, false).await;
    let mut decisions = running.decisions().await;
    let asked = prod(Moment::BeforeApply);
    running.request(&asked).await;
    assert_eq!(next(&mut decisions).await.outcome, waits(0));
    let bob = user(&nats, "bob").await;
    let says = |by: &str| {
        json!({
            "id": Uuid::new_v4(), "gate": asked.gate, "approve": true, "by": by, "reason": "it burns",
            "groups": ["eng-admins"], "repository": "acme/infra", "pull_request": 7,
            "commit": asked.change.commit, "stop": true,
        })
    };
    let kinds = [ReviewGate::TYPE, ReviewCommit::TYPE, OverrideGate::TYPE, SwitchLine::TYPE];
    for kind in kinds {
        // The server does not let him, and says so at once.
        for way in ways("alice", kind) {
            let refused = bob.request(&way, &says("alice")).await;
            assert!(matches!(refused, Err(BusError::NotPermitted { .. })), "{way}: {refused:?}");
        }
        let own = subject::command_by("bob", kind);
        let refused = bob.request(&own, &says("alice")).await.unwrap().unwrap_err();
        assert_eq!(refused.code, "name_of_another", "{own}");
        let refused = bob.command_by("alice", kind, &says("alice")).await.unwrap_err();
        assert!(refused.to_string().contains("stackly.by.alice."), "{refused}");
    }
    // Nor is he in a group because he says so; what he may, he still does, as himself alone.
    let refused = bob.command_by("bob", ReviewGate::TYPE, &says("bob")).await.unwrap();
    assert_eq!(refused.unwrap_err().code, "not_an_approver");
    for _ in 0..2 {
        let broken = bob.command_by("bob", OverrideGate::TYPE, &says("bob")).await.unwrap();
        assert_ne!(broken.unwrap()["outcome"], "pass", "he is no second person");
    }
    let alice = user(&nats, "alice").await;
    let approved = alice.command_by("alice", ReviewGate::TYPE, &says("Alice")).await.unwrap();
    assert_eq!(approved.unwrap()["given"], 1);
    // Whoever verified a token vouches for its groups.
    let review: ReviewGate = serde_json::from_value(says("zoe")).unwrap();
    let approved = running.bus.command(Uuid::new_v4(), &review).await.unwrap();
    assert_eq!(approved.unwrap()["outcome"], "pass");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_name_is_taken_at_its_word_one_that_nobody_vouches_for_counts_for_nothing() {
    let nats = server().await;
    let mut running = running(&nats, TWO, true).await;
    let mut decisions = running.decisions().await;
    let asked = prod(Moment::BeforeApply);
    running.request(&asked).await;
    assert_eq!(next(&mut decisions).await.outcome, waits(0));
    let yes = json!({ "id": Uuid::new_v4(), "gate": asked.gate, "approve": true, "by": "alice" });
    for kind in [ReviewGate::TYPE, OverrideGate::TYPE, SwitchLine::TYPE] {
        let told = running.bus.request(&subject::command(kind), &yes).await.unwrap();
        let told = told.unwrap_err();
        assert_eq!((told.kind, &*told.code), (ProblemKind::Refused, "name_not_vouched"));
        assert!(told.message.contains(&subject::command_by("alice", kind)), "{told}");
    }
    let alice = user(&nats, "alice").await;
    let approved = alice.command_by("alice", ReviewGate::TYPE, &yes).await.unwrap().unwrap();
    assert_eq!(approved["given"], 1);
    running.stop().await;
}

fn waits(given: usize) -> Outcome {
    Outcome::HoldForApprovals { given, needed: 2 }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_is_answered_by_its_own_client_and_by_no_other() {
    let hook = "hook \"change_management\" { on_silence = \"deny\" }";
    let nats = server().await;
    let mut running = running(&nats, hook, false).await;
    let mut decisions = running.decisions().await;
    let client = user(&nats, "hook-change_management").await;
    let asked = client.tail(&subject::event(HookAsked::TYPE, "change_management")).await;
    let mut asked = asked.unwrap();
    client.flush().await.unwrap();
    running.request(&prod(Moment::BeforeApply)).await;
    assert_eq!(next(&mut decisions).await.reasons[0].code, Code::WaitingForHook);
    let question = tokio::time::timeout(Duration::from_secs(20), asked.next()).await.unwrap();
    let question: HookAsked = serde_json::from_value(question.unwrap().body).unwrap();

    let answer = json!({
        "id": Uuid::new_v4(), "hook": question.hook, "gate": question.gate, "pass": true,
        "by": "change_management",
    });
    let subject_of = |hook: &str| subject::command_for(AnswerHook::TYPE, hook);
    // At the other hook's subject the server does not let it through, at its own the service.
    let other = user(&nats, "hook-validate_quotas").await;
    let its_own = subject_of("change_management");
    let refused = other.request(&its_own, &answer).await;
    assert!(matches!(refused, Err(BusError::NotPermitted { .. })), "{refused:?}");
    let refused = other.request(&subject_of("validate_quotas"), &answer).await.unwrap();
    assert_eq!(refused.unwrap_err().code, "hook_of_another");
    let gates = running.ask("gates", json!({ "open_only": true })).await.unwrap();
    assert_eq!(gates["gates"].as_array().map(Vec::len), Some(1), "{gates}");

    let passed = client.request(&its_own, &answer).await.unwrap().unwrap();
    assert_eq!(passed["outcome"], "pass");
    assert_eq!(next(&mut decisions).await.outcome, Outcome::Pass);
    running.stop().await;
    drop(nats);
}
