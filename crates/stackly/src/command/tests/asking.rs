use std::sync::{Arc, Mutex};

use serde_json::json;

use super::*;
use crate::output::sample::{self, CHAIN, CORRELATION, GATE};

const OTHER: &str = "chain_01j9aaaaaaaaaaaaaaaaaaaaaa";

/// An executor with two chains, one of which is as told.
async fn executor(at: &Installation, change: impl Fn(&mut Value) + Send + Sync + 'static) {
    at.service("stackly.ask.executor.chains", |body| {
        let lines = [sample::line(CHAIN, "running"), sample::line(OTHER, "finished")];
        let open = body["open"] == true;
        Ok(lines.into_iter().filter(|line| !open || line["state"] == "running").collect())
    })
    .await;
    at.service("stackly.ask.executor.chain", move |body| match body["chain"].as_str() {
        Some(CHAIN) => {
            let mut page = sample::page();
            change(&mut page);
            Ok(page)
        }
        _ => Err(Problem::not_found("there is no such chain")),
    })
    .await;
}

#[tokio::test]
async fn chains_are_listed_for_people_and_for_programs() {
    let at = Installation::new().await;
    executor(&at, |_| {}).await;
    let text = at.run(&["chains"]).await.ok();
    assert!(text.contains(CHAIN) && text.contains(OTHER), "{text}");
    let open = at.run(&["chains", "--open", "--json"]).await.json();
    assert_eq!(open["chains"].as_array().unwrap().len(), 1);
    assert_eq!(open["chains"][0]["chain"], CHAIN);
}

#[tokio::test]
async fn a_chain_is_found_by_the_beginning_of_its_id() {
    let at = Installation::new().await;
    executor(&at, |_| {}).await;
    let text = at.run(&["chain", "01j9z"]).await.ok();
    assert!(text.contains("cluster has not finished"), "{text}");
    assert!(text.contains("after: … cluster by Spacelift dependency (vpc_id -> TF_VAR_vpc)"));
    let page = at.run(&["chain", CHAIN, "--json"]).await.json();
    assert_eq!(page, sample::page());
    assert!(at.run(&["chain", "01j9"]).await.failed(2).contains(OTHER));
    assert!(at.run(&["chain", "7zz"]).await.failed(3).contains("stackly chains"));
    assert_eq!(at.run(&["chain", OTHER]).await.failed(3), "there is no such chain");
}

#[tokio::test]
async fn a_service_that_is_not_running_is_named() {
    let at = Installation::new().await;
    let text = at.run(&["chains"]).await.failed(5);
    assert!(text.starts_with("the executor service is not running at nats://"), "{text}");
    assert!(text.contains(&at.prefix), "{text}");
    // The subject of a command does not name its service.
    let text = at.run(&["approve", GATE]).await.failed(5);
    assert!(text.starts_with("the policy service is not running"), "{text}");
}

#[tokio::test]
async fn an_answer_of_another_version_is_said_to_be_one() {
    let at = Installation::new().await;
    at.service("stackly.ask.executor.chains", |_| Ok(json!([{ "chain": "7" }]))).await;
    let text = at.run(&["chains"]).await.failed(1);
    assert!(text.starts_with("the executor service answers in a way"), "{text}");
}

fn chapter(who: &str, what: &str, second: u32) -> Value {
    json!({
        "who": who, "what": what, "key": CHAIN, "answers": ["chain.planned"], "note": null,
        "began_at": format!("2026-09-01T12:00:{second:02}Z"),
        "ended_at": format!("2026-09-01T12:00:{second:02}.020Z"),
    })
}

#[tokio::test]
async fn a_trace_merges_what_the_services_tell_and_names_those_that_do_not() {
    let at = Installation::new().await;
    executor(&at, |_| {}).await;
    let tell = |chapters: Value| {
        move |body: Value| match body["correlation"].as_str() {
            Some(CORRELATION) => Ok(chapters.clone()),
            _ => Ok(json!([])),
        }
    };
    let planner = json!([chapter("planner-changes", "change.pushed", 1)]);
    at.service("stackly.ask.planner.trace", tell(planner)).await;
    let ingest = json!([chapter("ingest", "github.push", 0)]);
    at.service("stackly.ask.ingest.trace", tell(ingest)).await;
    let executed = json!([chapter("effect", "trigger", 3)]);
    at.service("stackly.ask.executor.trace", tell(executed)).await;
    at.service("stackly.ask.policy.trace", |_| Err(Problem::unavailable("no database"))).await;

    let text = at.run(&["trace", "01j9z"]).await.ok();
    let place = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part} in {text}"));
    assert!(place("+0ms") < place("+1.000s") && place("planner-changes") < place("executor call"));
    assert!(text.contains("✗ policy did not tell its part: no database"), "{text}");
    assert!(text.contains("✗ notifier did not tell its part: the notifier service is not running"));

    let story = at.run(&["trace", CORRELATION, "--json"]).await.json();
    let services: Vec<_> =
        story["chapters"].as_array().unwrap().iter().map(|told| &told["service"]).collect();
    assert_eq!(services, ["ingest", "planner", "executor"]);
    assert_eq!(story["missing"][0]["service"], "policy");

    let unknown = Uuid::nil().to_string();
    let text = at.run(&["trace", &unknown]).await.failed(5);
    assert!(text.contains("notifier"), "those that do not answer may know it: {text}");
}

#[tokio::test]
async fn a_trace_nobody_knows_is_not_found_when_everybody_answers() {
    let at = Installation::new().await;
    for service in ["ingest", "planner", "policy", "executor", "notifier"] {
        at.service(&format!("stackly.ask.{service}.trace"), |_| Ok(json!([]))).await;
    }
    at.run(&["trace", CORRELATION]).await.failed(3);
}

#[tokio::test]
async fn all_pages_of_the_stacks_become_one_list() {
    let at = Installation::new().await;
    at.service("stackly.ask.planner.stacks", |body| {
        let stack = |id: &str| {
            json!({ "id": id, "name": id, "space": "root", "labels": [], "repository": "acme/infra",
                "branch": "main", "project_root": "", "globs": [], "autodeploy": false,
                "disabled": false, "depends_on": [] })
        };
        let (id, next) = match body["after"].as_str() {
            None => ("a", Some("a")),
            Some("a") => ("b", Some("b")),
            Some(_) => ("c", None),
        };
        let as_of = "2026-09-01T12:00:00Z";
        Ok(json!({ "version": 2, "as_of": as_of, "stacks": [stack(id)], "next": next }))
    })
    .await;
    let document = at.run(&["stacks", "--json"]).await.json();
    let ids: Vec<_> =
        document["stacks"].as_array().unwrap().iter().map(|stack| &stack["id"]).collect();
    assert_eq!(ids, ["a", "b", "c"]);
    assert!(at.run(&["stacks"]).await.ok().contains("3 stacks, catalogue 2"));

    // Why asks who knows what could be called so.
    at.service("stackly.ask.executor.why", |_| Ok(json!([]))).await;
    at.service("stackly.ask.ingest.why", |_| Ok(json!({ "about": "", "deliveries": [] }))).await;
    executor(&at, |_| {}).await;
    let text = at.run(&["why", "c"]).await.ok();
    assert_eq!(text, "nothing of c waits: no chain of late has a step of it\n");
    let waits = at.run(&["why", "c", "--json"]).await.json();
    assert_eq!(waits, json!({ "waits": [] }));
    let text = at.run(&["why", "d"]).await.failed(3);
    assert!(text.contains("no stack, delivery or event is called `d`"), "{text}");
    at.run(&["why", " "]).await.failed(2);
}

#[tokio::test]
async fn why_tells_how_what_has_ended_ended_and_what_can_be_done() {
    let at = Installation::new().await;
    at.service("stackly.ask.executor.why", |_| Ok(json!([]))).await;
    at.service("stackly.ask.ingest.why", |_| Ok(json!({ "about": "", "deliveries": [] }))).await;
    at.service("stackly.ask.planner.stacks", |_| {
        let stack = |id: &str| {
            json!({ "id": id, "name": id, "space": "root", "labels": [], "repository": "acme/infra",
                "branch": "main", "project_root": "", "globs": [], "autodeploy": false,
                "disabled": false, "depends_on": [] })
        };
        Ok(json!({ "version": 2, "as_of": "2026-09-01T12:00:00Z", "next": null,
            "stacks": [stack("cluster"), stack("network")] }))
    })
    .await;
    executor(&at, |page| {
        page["state"] = json!("failed");
        page["reason"] = json!({ "code": "run_failed", "text": "1 step failed" });
        for (place, state) in [(1, "finished"), (2, "failed"), (3, "skipped")] {
            page["steps_in_order"][place]["state"] = json!(state);
        }
        page["steps_in_order"][2]["reason"] =
            json!({ "code": "run_failed", "text": "the run failed: no quota" });
    })
    .await;
    let told = format!("chain {CHAIN} is failed: 1 step failed\n");
    let retry = format!("to do: once its cause is gone, `stackly retry {CHAIN}");
    assert_eq!(
        at.run(&["why", CHAIN]).await.ok(),
        format!(
            "nothing of {CHAIN} waits\n{told}step cluster is failed: the run failed: no quota\n{retry}`\n"
        )
    );
    let text = at.run(&["why", "cluster"]).await.ok();
    assert!(text.contains(&told) && text.contains(&format!("{retry}/cluster`")), "{text}");
    let text = at.run(&["why", "network"]).await.ok();
    assert!(text.ends_with("step network is finished: the run finished\n"), "{text}");
    let document = at.run(&["why", CHAIN, "--json"]).await.json();
    assert_eq!((&document["waits"], &document["last"]["chain"]), (&json!([]), &json!(CHAIN)));
}

#[tokio::test]
async fn deliveries_and_notices_are_asked_of_their_services() {
    let at = Installation::new().await;
    at.service("stackly.ask.ingest.deliveries", |body| {
        if body.is_null() || body["until"] == "2026-09-01T12:00:00Z" {
            return Ok(json!([]));
        }
        assert_eq!(body, json!({ "limit": 5, "source": "github" }));
        Ok(json!([{ "id": Uuid::nil(), "source": "github", "sender_id": null, "kind": "push",
            "received_at": "2026-09-01T12:00:00Z", "verdict": "kept", "code": "not_taken",
            "message": "nothing follows", "secret": 0, "bytes": 10, "event": null }]))
    })
    .await;
    let asked = ["deliveries", "--source", "github", "--limit", "5"];
    let text = at.run(&asked).await.ok();
    assert!(text.contains("not_taken: nothing follows"), "{text}");
    let before = ["deliveries", "list", "--until", "2026-09-01T12:00:00Z"];
    assert!(at.run(&before).await.ok().contains("no webhook matches"));
    let document = at.run(&[&asked[..], &["--json"]].concat()).await.json();
    assert_eq!(document["deliveries"][0]["verdict"], "kept");
    for what in [
        ["deliveries", "replay"],
        ["deliveries", "list"],
        ["notices", "list"],
        ["notices", "retry"],
    ] {
        let late = [&what[..], &["--since", "1h", "--until", "2h"]].concat();
        assert!(at.run(&late).await.failed(2).contains("is before --since"), "{what:?}");
    }
    at.service("stackly.ask.notifier.deliveries", |_| Ok(json!({ "deliveries": [] }))).await;
    assert!(at.run(&["notices", CHAIN]).await.ok().contains("nobody was told anything"));
}

#[tokio::test]
async fn the_status_names_who_does_not_answer() {
    let at = Installation::new().await;
    executor(&at, |_| {}).await;
    at.service("stackly.ask.executor.trace", |_| Ok(json!([]))).await;
    let done = at.run(&["status", "--json"]).await;
    let status: Value = serde_json::from_str(&done.text).unwrap();
    assert_eq!(done.failed(5), "4 of 5 services do not answer");
    assert_eq!(status["open_chains"], 1);
    assert_eq!(status["dead_letters"], Value::Null);
    let troubled: Vec<_> = status["services"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|service| !service["trouble"].is_null())
        .map(|service| service["service"].as_str().unwrap())
        .collect();
    assert_eq!(troubled, ["ingest", "planner", "policy", "notifier"]);
    let text = at.run(&["status"]).await.text;
    assert!(text.contains("executor      ✓ answers"), "{text}");
}

fn delivery(id: Uuid, code: &str) -> Value {
    json!({ "id": id, "source": "github", "sender_id": "d-1", "kind": "push",
        "received_at": "2026-09-01T12:00:00Z", "verdict": "accepted", "code": code,
        "message": "gives change.pushed", "secret": 0, "bytes": 10, "event": CORRELATION,
        "repository": "acme/infra", "head": "59b20b8d5c6f", "found": false,
        "address": "203.0.113.9" })
}

#[tokio::test]
async fn why_tells_what_came_and_what_the_services_made_of_it() {
    let at = Installation::new().await;
    at.service("stackly.ask.ingest.why", |body| match body["about"].as_str() {
        Some("59b20b8") => Ok(json!({ "about": "59b20b8", "deliveries": [{
            "delivery": delivery(Uuid::nil(), "accepted"),
            "events": [{ "id": CORRELATION, "kind": "change.pushed", "key": "acme/infra" }],
            "repeats": [{ "sender_id": "d-2", "last_at": "2026-09-01T12:00:01Z", "times": 3 }],
            "orders": [{ "order": { "act": "approve", "by": "grace" }, "attempts": 1,
                "done_at": "2026-09-01T12:00:02Z", "code": "approved", "message": "it goes on" }],
            "replays": [] }, {
            "delivery": delivery(Uuid::from_u128(1), "accepted"),
            "events": [{ "id": Uuid::from_u128(2), "kind": "run.reported", "key": "network" }],
            "repeats": [], "orders": [], "replays": [] }] })),
        _ => Ok(json!({ "about": "", "deliveries": [] })),
    })
    .await;
    let mut read = chapter("planner-changes", "git.read.concluded", 2);
    read["answers"] = json!(["stack.registered", "stack.registered", "chain.ignored"]);
    let mut ignored = chapter("planner-changes", "change.pushed", 1);
    ignored["note"] = json!("no stack uses these files");
    let planner = json!([ignored, read]);
    at.service("stackly.ask.planner.trace", move |_| Ok(planner.clone())).await;
    let chain = contracts::ChainId(Uuid::from_u128(5)).to_string();
    let mut chapter = chapter("executor-changes", "chain.planned", 2);
    chapter["key"] = json!(chain);
    let executor = json!([chapter, chapter]);
    let policy = json!([]);
    at.service("stackly.ask.executor.trace", move |_| Ok(executor.clone())).await;
    at.service("stackly.ask.policy.trace", move |_| Ok(policy.clone())).await;
    let line = sample::line(&chain, "running");
    at.service("stackly.ask.executor.chain", move |_| Ok(line.clone())).await;
    let text = at.run(&["why", "59b20b8"]).await.ok();
    assert_eq!(text.matches(&format!("chain {chain}")).count(), 1, "{text}");
    for part in [
        "accepted: gives change.pushed",
        "told again 3×, last as d-2",
        "grace ordered approve; approved: it goes on",
        "planner change.pushed → chain.planned: no stack uses these files",
        "planner git.read.concluded → stack.registered ×2, chain.ignored",
        "notifier does not answer",
        "is running, 1/4: 1 step waits for approval",
        "1 more spoke of it; --all shows them",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("executor chain.planned") && !text.contains("run.reported"), "{text}");
    let text = at.run(&["why", "59b20b8", "--all"]).await.ok();
    assert!(text.contains("executor chain.planned") && text.contains("run.reported"), "{text}");
    let json = at.run(&["why", "59b20b8", "--json"]).await.json();
    assert_eq!(json["deliveries"][0]["followed"][0]["service"], "planner");
    let text = at.run(&["why", "deadbeef"]).await.failed(3);
    assert!(text.contains("no delivery spoke of `deadbeef`"), "{text}");
}

#[tokio::test]
async fn what_a_sender_calls_its_own_is_asked_for_once() {
    let at = Installation::new().await;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = asked.clone();
    at.service("stackly.ask.executor.why", |_| Ok(json!([]))).await;
    at.service("stackly.ask.ingest.why", move |body| {
        noted.lock().unwrap().push(body["about"].clone());
        Ok(json!({ "about": "run-7", "deliveries": [{
            "delivery": delivery(Uuid::nil(), "accepted"),
            "events": [], "repeats": [], "orders": [], "replays": [] }] }))
    })
    .await;
    asked.lock().unwrap().clear();
    let text = at.run(&["why", "run-7"]).await.ok();
    assert!(text.contains("accepted: gives change.pushed"), "{text}");
    assert_eq!(*asked.lock().unwrap(), ["run-7"]);
}

#[tokio::test]
async fn a_thousand_deliveries_and_more_are_read_again_page_by_page() {
    let at = Installation::new().await;
    // The newest first, and as many on a page as are asked for.
    at.service("stackly.ask.ingest.deliveries", |body| {
        if !body["since"].is_string() {
            return Ok(json!([]));
        }
        let before = body["before"].as_str().map(|id| id.parse::<Uuid>().unwrap().as_u128());
        let newest = before.unwrap_or(1_251) - 1;
        let many = (body["limit"].as_u64().unwrap() as u128).min(newest);
        let page = (0..many).map(|place| delivery(Uuid::from_u128(newest - place), "a"));
        Ok(page.collect())
    })
    .await;
    let orders = Arc::new(Mutex::new(Vec::new()));
    let noted = orders.clone();
    at.service("stackly.cmd.delivery.replay", move |body| {
        let Some(ids) = body["deliveries"].as_array() else { return Ok(Value::Null) };
        noted.lock().unwrap().push(ids.len());
        let of = |id: &Value| {
            json!({
            "delivery": delivery(serde_json::from_value(id.clone()).unwrap(), "accepted"),
            "verdict": "accepted", "code": "accepted", "message": "gives change.pushed",
            "difference": [], "uncompared": "remembered no more", "event": null })
        };
        Ok(json!({ "dry_run": true, "deliveries": ids.iter().map(of).collect::<Vec<_>>() }))
    })
    .await;
    let text = at.run(&["deliveries", "replay", "--since", "2h", "--dry-run"]).await.ok();
    assert!(text.contains("1250 read again, 0 differently"), "{text}");
    assert!(text.contains("\n  remembered no more\n"), "{text}");
    assert_eq!(orders.lock().unwrap().iter().sum::<usize>(), 1_250);
    let place = |id: u128| text.find(&Uuid::from_u128(id).to_string()).unwrap();
    assert!(place(1) < place(600) && place(600) < place(1_250), "as they came");
}

#[tokio::test]
async fn where_reading_again_stops_it_is_said_that_the_next_may_have_been_read() {
    let at = Installation::new().await;
    let ids: Vec<_> = (1..=300).map(|id| Uuid::from_u128(id).to_string()).collect();
    at.service("stackly.cmd.delivery.replay", |body| match body["deliveries"].as_array() {
        Some(ids) if ids.len() < 250 => Err(Problem::unavailable("the database is away")),
        _ => Ok(json!({ "dry_run": false, "deliveries": vec![Value::Null; 250] })),
    })
    .await;
    let named: Vec<_> = ids.iter().map(String::as_str).collect();
    let asked = [&["deliveries", "replay"][..], &named, &["--as", "ada"]].concat();
    let failure = at.run(&asked).await.result.unwrap_err();
    let says = format!("250 were read again, and of the next 50, from {} on, either", named[250]);
    assert!(failure.text().contains(&says), "{}", failure.text());
    assert!(failure.text().contains("the database is away"), "{}", failure.text());
}

#[tokio::test]
async fn deliveries_are_shown_and_read_again() {
    let at = Installation::new().await;
    at.service("stackly.ask.ingest.delivery", |body| match body["about"].as_str() {
        Some("d-1") => Ok(json!({ "delivery": delivery(Uuid::nil(), "accepted"),
            "events": [{ "id": CORRELATION, "kind": "change.pushed", "key": "acme/infra" }],
            "repeats": [{ "sender_id": "d-2", "last_at": "2026-09-01T12:00:01Z", "times": 3,
                "address": "198.51.100.2" }],
            "orders": [], "headers": { "x-github-event": "push" },
            "body": "{\"ref\":\"refs/heads/main\"}" })),
        _ => Err(Problem::new(
            ProblemKind::NotFound,
            "delivery_unknown",
            "there is no such delivery",
        )),
    })
    .await;
    at.service("stackly.ask.executor.trace", |_| {
        let mut chapter = chapter("executor-changes", "chain.planned", 2);
        chapter["key"] = json!(contracts::ChainId(Uuid::from_u128(5)).to_string());
        Ok(json!([chapter]))
    })
    .await;
    let text = at.run(&["deliveries", "show", "d-1"]).await.ok();
    assert!(text.contains("acme/infra at 59b20b8d5c6f"), "{text}");
    assert!(text.contains("address     203.0.113.9"), "{text}");
    assert!(text.contains("3×, as d-2, last from 198.51.100.2"), "{text}");
    assert!(
        text.contains("x-github-event: push") && text.contains("\"refs/heads/main\""),
        "{text}"
    );
    let chain = contracts::ChainId(Uuid::from_u128(5)).to_string();
    assert!(text.contains(&format!("chain       {chain}")), "{text}");
    at.run(&["deliveries", "show", "d-9"]).await.failed(3);

    at.service("stackly.ask.ingest.deliveries", |body| match body["since"].is_string() {
        true => Ok(json!([delivery(Uuid::from_u128(2), "b"), delivery(Uuid::from_u128(1), "a")])),
        false => Ok(json!([])),
    })
    .await;
    at.service("stackly.cmd.delivery.replay", |body| {
        let of = |id: &Value| json!({ "delivery": delivery(serde_json::from_value(id.clone()).unwrap(),
            "accepted"), "verdict": "accepted", "code": "accepted", "message": "gives change.pushed",
            "difference": ["change.branch: \"main\" became \"next\""],
            "event": if body["dry_run"] == true { Value::Null } else { json!(CORRELATION) } });
        let Some(ids) = body["deliveries"].as_array() else { return Ok(Value::Null) };
        Ok(json!({ "dry_run": body["dry_run"],
            "deliveries": ids.iter().map(of).collect::<Vec<_>>() }))
    })
    .await;
    at.service("stackly.ask.ingest.changes", |body| {
        let is_first = body["delivery"] == json!(Uuid::from_u128(1));
        let told = if is_first { "pushed" } else { "proposed" };
        Ok(json!([{ told: { "of": body["delivery"] }, "event": CORRELATION }]))
    })
    .await;
    at.service("stackly.ask.planner.reconsider", |body| {
        let outcome = |code: &str| {
            json!([{ "outcome": "ignored", "reason": { "code": code, "text": "as it is" } }])
        };
        let now = if body["proposed"].is_object() { "policy_denied" } else { "nothing_touched" };
        Ok(json!({ "then": outcome("nothing_touched"), "now": outcome(now) }))
    })
    .await;
    let text = at.run(&["deliveries", "replay", "--since", "2h", "--dry-run"]).await.ok();
    // As they came.
    let place = |id: u128| text.find(&Uuid::from_u128(id).to_string()).unwrap();
    assert!(place(1) < place(2), "{text}");
    assert!(text.contains("change.branch: \"main\" became \"next\""), "{text}");
    assert!(text.contains("2 read again, 2 differently, 1 decided differently"), "{text}");
    assert!(text.contains("nothing (nothing_touched) became nothing (policy_denied)"), "{text}");
    let id = Uuid::from_u128(1).to_string();
    let text = at.run(&["deliveries", "replay", &id, "--as", "ada"]).await.ok();
    assert!(text.contains("1 published") && text.contains(CORRELATION), "{text}");
}

#[tokio::test]
async fn sources_are_listed_with_their_secrets_by_fingerprint() {
    let at = Installation::new().await;
    at.service("stackly.ask.ingest.sources", |_| {
        Ok(json!({ "sources": [
            { "source": "github", "path": "/webhooks/github", "secrets": [
                { "fingerprint": "1f2e3d4c", "scope": "acme/*",
                    "last_used_at": "2026-09-01T12:00:00Z" }] },
            { "source": "slack", "path": "/webhooks/slack", "secrets": [] } ],
            "reconciler": { "looked_at": "2026-09-01T12:00:00Z", "found": 2,
                "held_until": "2999-01-01T00:00:00Z", "code": "quota_reserved",
                "trouble": "GitHub grants 400 more requests" },
            "gitlab": null, "ambiguous": [{ "code": "repository_ambiguous",
                "repository": "acme/infra", "sources": ["github", "gitlab"] }] }))
    })
    .await;
    let text = at.run(&["deliveries", "sources"]).await.ok();
    assert!(text.contains("1f2e3d4c") && text.contains("none: refused"), "{text}");
    assert!(text.contains("missed deliveries of GitHub") && text.contains("2 found"), "{text}");
    assert!(text.contains("(quota_reserved): GitHub grants 400"), "{text}");
    assert!(text.contains("github and gitlab tell of acme/infra, and a repository"), "{text}");
}

#[tokio::test]
async fn what_is_foretold_is_held_against_what_was_decided_and_what_differs_says_why() {
    let at = Installation::new().await;
    let delivery = |number: u128, source: &str| {
        json!({ "id": Uuid::from_u128(number), "source": source, "kind": "push",
            "received_at": "2026-09-01T12:00:00Z", "verdict": "accepted", "code": "accepted",
            "message": "", "bytes": 1, "event": CORRELATION, "sender_id": "d-1",
            "repository": "acme/infra", "head": format!("{number:040x}") })
    };
    // The newest first, as a listing is; what Spacelift tells is no change.
    let came: Vec<_> = (1..=8).rev().map(|number| delivery(number, "github")).collect();
    let came = [came, vec![delivery(9, "spacelift")]].concat();
    at.service("stackly.ask.ingest.deliveries", move |body| match body["verdict"] == "accepted" {
        true => Ok(json!(came)),
        false => Ok(Value::Null),
    })
    .await;
    at.service("stackly.ask.ingest.changes", |body| {
        Ok(json!([{ "pushed": { "of": body["delivery"] }, "event": CORRELATION }]))
    })
    .await;
    let chain = |stack: &str, graph: i64| {
        json!({ "outcome": "planned", "chain": CHAIN, "kind": "deploy", "graph_version": graph,
            "edges": [], "change": { "repository": "acme/infra", "branch": "main",
                "commit": "a".repeat(40), "previous": null, "author": "jane", "title": "t",
                "url": null },
            "steps": [{ "stack": stack, "name": stack, "space": "root", "labels": [],
                "autodeploy": false, "on_commit": true,
                "why": { "code": "touched", "text": "its files changed" } }] })
    };
    let ignored =
        |code: &str| json!({ "outcome": "ignored", "reason": { "code": code, "text": "so" } });
    let decided = move |number: u128| match number {
        1 => json!({ "then": [chain("a", 3)], "now": [chain("a", 5)] }),
        2 => json!({ "then": [chain("a", 4)], "now": [chain("b", 5)] }),
        3 => json!({ "then": [ignored("joined")], "now": [chain("a", 5)] }),
        4 => json!({ "then": [ignored("nothing_touched")], "now": [chain("a", 5)] }),
        5 => json!({ "then": [chain("a", 5)], "now": [chain("a", 5)] }),
        // The graph has changed, and so has one of the stacks in which they differ; or none of them.
        7 => json!({ "then": [chain("a", 4)], "now": [chain("b", 5)], "changed": ["b"] }),
        8 => json!({ "then": [chain("a", 4)], "now": [chain("b", 5)], "changed": [] }),
        _ => json!({ "then": [], "now": [chain("a", 5)] }),
    };
    at.service("stackly.ask.planner.reconsider", move |body| {
        let of: Uuid = serde_json::from_value(body["pushed"]["of"].clone()).unwrap();
        Ok(decided(of.as_u128()))
    })
    .await;
    let ran = at.run(&["plan", "--check", "3d"]).await;
    let text = ran.text.clone();
    assert!(text.contains("7 decisions since "), "{text}");
    assert!(text.contains(": 2 foretold as they were made (28.57 %)"), "{text}");
    assert!(text.contains("b would run as well"), "{text}");
    assert!(text.contains("2 differ because stacks or their code have changed since"), "{text}");
    assert!(text.contains("1 differ because other pushes of its branch counted then"), "{text}");
    // The chain after it was planned with the graph of now.
    assert!(text.contains("2 differ for no known reason"), "{text}");
    assert!(text.contains("1 could not be compared"), "{text}");
    ran.failed(1);
    let document = at.run(&["plan", "--check", "3d", "--repository", "acme/apps", "--json"]).await;
    assert_eq!(document.json()["compared"], 0);
}

#[tokio::test]
async fn the_doctor_says_where_it_could_not_look() {
    let at = Installation::new().await;
    at.service("stackly.ask.executor.triggers", |_| {
        Err(Problem::unavailable("Spacelift does not say which policies there are: unauthorized"))
    })
    .await;
    let text = at.run(&["doctor"]).await.text;
    let line = text.lines().find(|line| line.contains("trigger policies")).unwrap_or_default();
    assert!(line.contains('✗') && line.contains("not looked at: Spacelift does not say"), "{text}");
}

#[tokio::test]
async fn the_doctor_waits_until_what_was_sent_to_an_address_has_come_in() {
    let at = Installation::new().await;
    let sent =
        json!({ "hook": "repos/acme/infra/hooks/1", "url": "https://x.example", "after": 7 });
    let told = |sound: Value, text: &str| {
        json!({ "name": "address of repos/acme/infra/hooks/1", "sound": sound, "text": text,
            "sent": sent })
    };
    let (waits, came) = (told(Value::Null, "not yet"), told(json!(true), "came in here"));
    let elsewhere = json!({ "name": "address of the webhook `stackly` at Spacelift", "sound": false,
        "text": "https://x.example redirects" });
    let all = json!([waits, elsewhere]);
    at.service("stackly.ask.ingest.reach", move |_| Ok(all.clone())).await;
    let asked = std::sync::atomic::AtomicUsize::new(0);
    at.service("stackly.ask.ingest.reached", move |body| {
        let is_asked = body["after"] == 7;
        let times = asked.fetch_add(usize::from(is_asked), std::sync::atomic::Ordering::Relaxed);
        Ok(if times < 1 { waits.clone() } else { came.clone() })
    })
    .await;
    let text = at.run(&["doctor"]).await.text;
    let line = |word: &str| text.lines().find(|line| line.contains(word)).unwrap_or_default();
    assert!(line("hooks/1").contains('✓') && line("hooks/1").contains("came in here"), "{text}");
    assert!(line("at Spacelift").contains('✗'), "{text}");
    assert!(line("at Spacelift").contains("redirects"), "{text}");
}
