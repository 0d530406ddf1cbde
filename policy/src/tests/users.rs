//! Who may answer a hook, on a server with the users of the example for deployments.

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

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_is_answered_by_its_own_client_and_by_no_other() {
    let hook = "hook \"change_management\" { on_silence = \"deny\" }";
    let nats = server().await;
    let services = bus::Options::at(format!("nats://stackly:secret@127.0.0.1:{}", nats.port()), "");
    let mut running = Running::start_on(hook, in_folder(), services).await;
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
    let asking = other.request(&its_own, &answer);
    let silence = tokio::time::timeout(Duration::from_secs(2), asking).await;
    assert!(silence.is_err() || silence.unwrap().is_err());
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
