//! What is said over the wire, and how the answers are read.

use contracts::{
    CommitSha, RunId, StackId,
    run::{Delta, RunState},
};
use serde_json::{Value, json};

use super::{
    client,
    listener::{Listener, Reply, Request, run, token},
    options, trigger,
};
use crate::{Client, Error, Shows};

#[tokio::test]
async fn a_trigger_carries_its_mark_and_the_token_and_only_its_own_document() {
    let listener = Listener::start(|request, _| match request.operation.as_str() {
        "ExchangeApiKey" => token("jwt"),
        _ => Reply::Data(json!({"run": run("r1", "QUEUED")})),
    })
    .await;
    let facts =
        client(&format!("{}/graphql/", listener.address)).trigger(&trigger()).await.unwrap();
    assert_eq!(facts.url, format!("{}/stack/net/run/r1", listener.address));

    let [exchange, trigger] = listener.requests().try_into().unwrap();
    assert_eq!(exchange.variables, json!({"id": "01K7KEY", "secret": "the-api-key-secret"}));
    assert!(!exchange.headers.contains_key("authorization"));
    let asked =
        json!({"stack": "net", "commitSha": "c1", "runType": "TRACKED", "runtimeConfig": null});
    assert_eq!(trigger.variables, asked);
    assert_eq!(trigger.headers["authorization"], "Bearer jwt");
    assert_eq!(trigger.headers["spacelift-user-provided-run-metadata"], "chain_1/net");
    assert_eq!(trigger.headers["content-type"], "application/json");
    assert!(trigger.document.starts_with("mutation TriggerRun("));
    assert!(trigger.document.contains("fragment RunFields on Run"));
    assert!(!trigger.document.contains("ConfirmRun"));
}

#[tokio::test]
async fn a_mark_that_no_header_can_carry_is_refused_before_anything_is_sent() {
    let listener = Listener::start(|_, _| Reply::Dropped).await;
    let request = crate::Trigger { mark: "two\r\nlines".into(), ..trigger() };
    let error = client(&listener.address).trigger(&request).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    assert!(listener.requests().is_empty());
}

#[tokio::test]
async fn a_run_is_read_with_its_newest_state_whatever_the_order_of_its_history() {
    let mut shown = run("r1", "UNCONFIRMED");
    shown["history"].as_array_mut().unwrap().reverse();
    shown["delta"] = json!({"addCount": 1, "changeCount": 2, "deleteCount": null});
    let listener = with_run(shown).await;
    let facts = client(&listener.address).run(&"net".into(), &"r1".into()).await.unwrap().unwrap();
    assert_eq!((facts.state, facts.state_version), (RunState::Unconfirmed, 3));
    assert_eq!(facts.note.as_deref(), Some("why"));
    assert_eq!(facts.delta, Some(Delta { added: 1, changed: 2, deleted: 0 }));
    assert_eq!(facts.commit, CommitSha::from("c1"));
    assert_eq!(facts.created_at.timestamp(), 1_760_000_000);
    assert_eq!(facts.updated_at.timestamp(), 1_760_000_009);
}

#[tokio::test]
async fn a_state_and_a_type_that_spacelift_added_are_carried_on() {
    let mut shown = run("r1", "PONDERING");
    shown["type"] = json!("REHEARSAL");
    let listener = with_run(shown).await;
    let facts = client(&listener.address).run(&"net".into(), &"r1".into()).await.unwrap().unwrap();
    assert_eq!(facts.state, RunState::Other("PONDERING".into()));
    assert_eq!(facts.run_type.to_string(), "REHEARSAL");
}

async fn with_run(run: Value) -> Listener {
    Listener::start(move |request, _| match request.operation.as_str() {
        "ExchangeApiKey" => token("jwt"),
        _ => Reply::Data(json!({"stack": {"run": run}})),
    })
    .await
}

#[tokio::test]
async fn ids_are_never_read_as_graphql() {
    let listener = Listener::start(|request, _| match request.operation.as_str() {
        "ExchangeApiKey" => token("jwt"),
        _ => Reply::Data(json!({"r0": null})),
    })
    .await;
    let ids = [(StackId::from("a\") { x } #"), RunId::from("} mutation"))];
    let found = client(&listener.address).runs(&ids).await.unwrap();
    assert!(matches!(found[..], [Some(Ok(None))]), "{found:?}");
    let asked = &listener.requests()[1];
    assert_eq!(asked.variables, json!({"s0": "a\") { x } #", "i0": "} mutation"}));
    assert!(!asked.document.contains("{ x }"));
}

#[tokio::test]
async fn a_run_that_is_gone_or_cannot_be_shown_does_not_hide_the_others() {
    for (all, one) in [("not found", "not found"), ("boom", "boom"), ("unauthorized", "boom")] {
        let listener = Listener::start(move |request, _| match request.operation.as_str() {
            "ExchangeApiKey" => token("jwt"),
            "WhoAmI" => Reply::Data(json!({"viewer": {"id": "k", "name": "k"}})),
            "GetRuns" => Reply::Error(all),
            _ if request.variables["run"] == "r1" => {
                Reply::Data(json!({"stack": {"run": run("r1", "PLANNING")}}))
            }
            _ => Reply::Error(one),
        })
        .await;
        let ids = ["r0", "r1", "r2"].map(|run| (StackId::from("net"), RunId::from(run)));
        let found = client(&listener.address).runs(&ids).await.unwrap();
        let code = |it: &Option<Shows>| match it.as_ref().unwrap() {
            Ok(run) => run.as_ref().map_or_else(|| "none".to_owned(), |run| run.run.to_string()),
            Err(error) => error.code().to_owned(),
        };
        let other = if one == "boom" { "refused" } else { "none" };
        assert_eq!(found.iter().map(code).collect::<Vec<_>>(), [other, "r1", other], "{all}");
    }
}

fn ids(count: usize) -> Vec<(StackId, RunId)> {
    (0..count).map(|run| ("net".into(), RunId::from(format!("r{run}")))).collect()
}

/// Whether what is asked for names a run that Spacelift can never show.
fn names_one_of(request: &Request, bad: &[&str]) -> bool {
    let mut named = request.variables.as_object().unwrap().values();
    named.any(|it| it.as_str().is_some_and(|it| bad.contains(&it)))
}

#[tokio::test]
async fn of_a_document_without_an_answer_not_every_run_is_asked_for_by_itself_in_vain() {
    for (bad, asked) in [(&["r1", "r3"][..], 10), (&["r1", "r3", "r4", "r6"], 5)] {
        let listener = Listener::start(move |request, _| match request.operation.as_str() {
            "ExchangeApiKey" => token("jwt"),
            _ if names_one_of(request, bad) => Reply::Error("internal error"),
            _ => Reply::Data(json!({"stack": null})),
        })
        .await;
        let found = client(&listener.address).runs(&ids(10)).await.unwrap();
        assert_eq!(listener.count("GetRun"), asked, "each once, and none after the third in vain");
        for (at, shows) in found.iter().enumerate() {
            match shows {
                None => assert!(at >= asked, "{found:?}"),
                Some(shows) => {
                    let is_bad = bad.contains(&ids(10)[at].1.as_str());
                    assert!(at < asked && shows.is_err() == is_bad, "{found:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn runs_that_spacelift_can_never_show_neither_hide_those_of_other_documents_nor_stop_all() {
    let bad = ["r0", "r1", "r2", "r3"];
    let listener = Listener::start(move |request, _| match request.operation.as_str() {
        "ExchangeApiKey" => token("jwt"),
        _ if names_one_of(request, &bad) => Reply::Error("internal error"),
        _ => Reply::Data(json!({"stack": null})),
    })
    .await;
    let client = client(&listener.address);
    let found = client.runs(&ids(80)).await.unwrap();
    assert!(found[40..].iter().all(|it| matches!(it, Some(Ok(None)))), "{found:?}");
    assert_eq!(found[..40].iter().flatten().count(), 3);
    // The next time they are not among those that are asked for.
    let found = client.runs(&ids(80)[4..]).await.unwrap();
    assert!(found.iter().all(|it| matches!(it, Some(Ok(None)))), "{found:?}");
    assert!(client.own_rest().is_none());
}

#[tokio::test]
async fn a_stack_that_cannot_be_seen_does_not_pass_for_one_without_runs() {
    for data in [json!({"stack": null}), json!({"stack": {"runs": null, "proposedRuns": null}})] {
        let listener = Listener::start(move |request, _| match request.operation.as_str() {
            "ExchangeApiKey" => token("jwt"),
            _ => Reply::Data(data.clone()),
        })
        .await;
        let since = chrono::DateTime::from_timestamp(0, 0).unwrap();
        assert!(client(&listener.address).recent_runs(&"net".into(), since).await.is_err());
    }
}

#[tokio::test]
async fn a_token_that_is_not_accepted_any_more_is_exchanged_once_and_the_change_sent_again() {
    for refusal in [Reply::Error("unauthorized"), Reply::Status(401, "")] {
        let listener = Listener::start(move |request, before| match request.operation.as_str() {
            "ExchangeApiKey" => token(["old", "new"][before]),
            _ if request.headers["authorization"] == "Bearer old" => refusal.clone(),
            _ => Reply::Data(json!({"run": run("r1", "QUEUED")})),
        })
        .await;
        let client = client(&listener.address);
        client.trigger(&trigger()).await.unwrap();
        client.trigger(&trigger()).await.unwrap();
        assert_eq!(listener.count("TriggerRun"), 3);
        assert_eq!(listener.count("ExchangeApiKey"), 2);
    }
}

#[tokio::test]
async fn a_key_that_may_not_do_one_thing_is_told_from_a_key_that_is_not_known() {
    for (viewer, code) in
        [(json!({"id": "k", "name": null}), "refused"), (json!(null), "unauthorized")]
    {
        let listener = Listener::start(move |request, _| match request.operation.as_str() {
            "ExchangeApiKey" => token("jwt"),
            "WhoAmI" => Reply::Data(json!({"viewer": viewer})),
            _ => Reply::Error("unauthorized"),
        })
        .await;
        let error = client(&listener.address).trigger(&trigger()).await.unwrap_err();
        assert_eq!(error.code(), code);
        assert_eq!(listener.count("TriggerRun"), 2);
    }
}

#[tokio::test]
async fn a_bad_key_is_unauthorized_however_it_is_worded_and_asked_for_once() {
    for reply in [
        Reply::Error("unauthorized"),
        Reply::Error("API key not found"),
        Reply::Error("wrong secret"),
        Reply::Data(json!({"apiKeyUser": null})),
        Reply::Data(json!({"apiKeyUser": {"id": "k", "jwt": null, "validUntil": null}})),
    ] {
        let answer = reply.clone();
        let listener = Listener::start(move |_, _| answer.clone()).await;
        let error = client(&listener.address).stacks().await.unwrap_err();
        assert!(matches!(error, Error::Unauthorized), "{reply:?}: {error:?}");
        assert_eq!(listener.requests().len(), 1, "{reply:?}");
    }
}

#[tokio::test]
async fn a_viewer_of_nobody_is_asked_for_again_with_a_fresh_token() {
    let listener = Listener::start(|request, before| match request.operation.as_str() {
        "ExchangeApiKey" => token(["old", "new"][before]),
        _ if request.headers["authorization"] == "Bearer old" => {
            Reply::Data(json!({"viewer": null}))
        }
        _ => Reply::Data(json!({"viewer": {"id": "k", "name": "Stackly"}})),
    })
    .await;
    assert_eq!(client(&listener.address).who_am_i().await.unwrap().name, "Stackly");
}

#[test]
fn options_that_cannot_work_say_so_at_once() {
    let good = || options("https://acme.app.spacelift.io");
    assert!(Client::new(&good()).is_ok());
    for bad in [
        options("acme.app.spacelift.io"),
        options("ftp://acme"),
        options(""),
        crate::Options { timeout: std::time::Duration::ZERO, ..good() },
        crate::Options { requests_per_second: 0, ..good() },
        crate::Options { requests_burst: 0, ..good() },
    ] {
        assert!(matches!(Client::new(&bad), Err(Error::Misconfigured { .. })), "{bad:?}");
    }
}

#[test]
fn options_are_read_strictly_and_do_not_print_the_secret() {
    let text = r#"
        endpoint = "https://acme.app.spacelift.io"
        api_key_id = "01K7"
        api_key_secret = "hush-hush"
        timeout = "30s"
        requests_per_second = 8
        requests_burst = 16
    "#;
    let options: crate::Options = toml::from_str(text).unwrap();
    assert_eq!(options.timeout.as_secs(), 30);
    assert!(!format!("{options:?} {:?}", Client::new(&options)).contains("hush"));
    assert!(toml::from_str::<crate::Options>(&format!("{text}\nmore = 1")).is_err());
}

#[tokio::test]
async fn a_list_of_resources_that_is_not_there_does_not_pass_for_an_empty_one() {
    let listed = async |sources: Value| {
        let mut shown = run("r1", "UNCONFIRMED");
        shown["changesV3"] = sources;
        let listener = with_run(shown).await;
        let plan = client(&listener.address).plan(&"net".into(), &"r1".into()).await;
        plan.unwrap().unwrap().1.map(|changes| changes.len())
    };
    assert_eq!(listed(json!(null)).await, None);
    assert_eq!(listed(json!([{"resources": null}])).await, None);
    assert_eq!(listed(json!([{"resources": []}, {"resources": null}])).await, Some(0));
    let one = json!({"address": "a.b", "metadata": {"type": "add"}});
    assert_eq!(listed(json!([{"resources": [one]}, {"resources": []}])).await, Some(1));
}
