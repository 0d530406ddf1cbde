use bus::{DeadLetter, Difference, StreamStatus};
use chrono::{TimeDelta, Utc};
use contracts::{Envelope, topology::Consumer};
use executor::{Trigger, Triggers};
use ingest::page::{Listed, Sources};
use notifier::page::Deliveries;
use planner::question::{StackLine, StackPage, Status};
use serde_json::{Value, json};
use store::Chapter;
use uuid::Uuid;

use super::{
    sample::{self, CHAIN, GATE, OTHER_GATE, now},
    *,
};
use crate::print::Look;

const PLAIN: Look = Look { json: false, colour: false, width: None };

fn narrow() -> Look {
    Look { width: Some(80), ..PLAIN }
}

#[test]
fn the_list_of_chains_tells_why_they_are_not_done() {
    let mut running = sample::line(CHAIN, "running");
    running["first_open"] = json!({ "stack": "cluster",
        "reason": { "code": "approval_needed", "text": "0 of 1 approvals" } });
    let lines: Vec<executor::ChainLine> = serde_json::from_value(json!([
        running,
        sample::line("chain_01j9aaaaaaaaaaaaaaaaaaaaaa", "finished"),
        sample::line("chain_01j9bbbbbbbbbbbbbbbbbbbbbb", "failed"),
    ]))
    .unwrap();
    insta::assert_snapshot!(chains::render(&lines, now(), &PLAIN));
    assert!(chains::render(&[], now(), &PLAIN).starts_with("no chains; a push"));
}

#[test]
fn that_a_chain_was_let_begin_is_not_told_as_why_it_goes_on() {
    let mut page = sample::read_page();
    let allowed = |text| contracts::Reason::new(contracts::Code::Allowed, text);
    page.line.reason = allowed("no policy matches");
    let told = |page: &executor::ChainPage| {
        chain::render(page, now(), &PLAIN)
            + &chains::render(std::slice::from_ref(&page.line), now(), &PLAIN)
    };
    assert!(!told(&page).contains("no policy matches"), "{}", told(&page));
    page.line.reason = allowed("wave 1 has soaked");
    assert_eq!(told(&page).matches("wave 1 has soaked").count(), 2);
}

#[test]
fn a_chain_that_destroys_is_not_called_a_deploy() {
    let mut page = sample::read_page();
    page.line.action = contracts::Action::Destroy;
    let list = chains::render(std::slice::from_ref(&page.line), now(), &PLAIN);
    assert!(list.contains("destroy") && !list.contains("deploy "), "{list}");
    assert!(chain::render(&page, now(), &PLAIN).contains("destroy"));
}

#[test]
fn a_chain_tells_of_each_step_why_it_waits() {
    insta::assert_snapshot!(chain::render(&sample::read_page(), now(), &PLAIN));
}

#[test]
fn a_chain_that_is_too_large_to_tell_says_so_in_place_of_its_steps() {
    let mut page = sample::read_page();
    let text = "nats-server does not take the answer with 900 steps";
    page.left_out = Some(contracts::Reason::new(contracts::Code::AnswerTooLarge, text));
    page.steps_in_order.clear();
    let told = chain::render(&page, now(), &PLAIN);
    assert!(told.contains(&format!("its steps are not shown: {text}")), "{told}");
    assert!(!told.contains("CHANGES"), "{told}");
}

#[test]
fn a_chain_fits_the_terminal() {
    let text = chain::render(&sample::read_page(), now(), &narrow());
    let copied = ["http", "gate_", "chain_"];
    let long = text.lines().filter(|line| console::measure_text_width(line) > 80);
    let long: Vec<&str> =
        long.filter(|line| !copied.iter().any(|part| line.contains(part))).collect();
    assert_eq!(long, Vec::<&str>::new(), "{text}");
}

#[test]
fn a_chain_that_asks_a_gate_names_it() {
    let mut page = sample::read_page();
    page.line.state = contracts::chain::ChainState::Gating;
    let text = chain::render(&page, now(), &PLAIN);
    assert!(text.contains(&format!("asks {GATE} (`stackly gates --chain {CHAIN}`)")), "{text}");
}

#[test]
fn gates_tell_who_may_approve_and_who_said_what() {
    let mut window = sample::gate(OTHER_GATE, "shop");
    window["outcome"] = json!("hold_until");
    window["until"] = json!("2026-09-02T08:00:00Z");
    window["approvals"] = json!([]);
    let mut before = sample::passed(GATE, "network");
    before["moment"] = json!("before_chain");
    before["stack"] = Value::Null;
    let found = sample::gates(vec![sample::gate(GATE, "cluster"), window, before]);
    insta::assert_snapshot!(gates::render(&found, now(), &PLAIN));
}

#[test]
fn a_gate_tells_who_stands_in_for_whom_and_what_will_happen_when() {
    let mut gate = sample::gate(GATE, "cluster");
    let asked = &mut gate["approvals"][0];
    asked["instead_of"] = json!({ "bob": ["sam"] });
    asked["remind_at"] = json!("2026-09-01T16:02:00Z");
    asked["escalate_at"] = json!("2026-09-01T20:02:00Z");
    asked["escalate_to"] = json!(["managers"]);
    asked["deny_at"] = json!("2026-09-08T12:02:00Z");
    let text = gates::render(&sample::gates(vec![gate]), now(), &PLAIN);
    for expected in [
        "may be given by bob (for sam), eve, but not by jane",
        "; people are reminded at 2026-09-01 16:02:00Z",
        "; members of managers may approve as well from 2026-09-01 20:02:00Z",
        "; denied at 2026-09-08 12:02:00Z",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
}

fn told(service: &'static str, who: &str, what: &str, at: i64, took: Option<i64>) -> trace::Told {
    let began_at = now() + TimeDelta::milliseconds(at);
    let chapter = Chapter {
        who: who.to_owned(),
        what: what.to_owned(),
        key: CHAIN.to_owned(),
        began_at,
        ended_at: took.map(|took| began_at + TimeDelta::milliseconds(took)),
        answers: Vec::new(),
        note: None,
    };
    trace::Told { service, chapter }
}

#[test]
fn a_trace_is_in_the_order_of_time_with_offsets_and_names_who_is_missing() {
    let mut planned = told("policy", "policy-gates", "gate.requested", 12, Some(4));
    planned.chapter.answers = ["gate.decided", "gate.decided", "other"].map(str::to_owned).into();
    let mut call = told("executor", "effect", "trigger", 20, None);
    call.chapter.note = Some("attempt 2: Spacelift cannot be reached".to_owned());
    let chapters = vec![
        call,
        planned,
        told("ingest", "ingest", "github.push", 0, Some(1_500)),
        told("executor", "effect", "confirm", 65_000, Some(250)),
    ];
    let missing = vec![trace::Missing { service: "notifier", why: "it is not running".into() }];
    let correlation = sample::CORRELATION.parse().unwrap();
    let story = trace::Story::new(correlation, chapters, missing);
    insta::assert_snapshot!(trace::render(&story, &PLAIN));
}

#[test]
fn stacks_tell_what_they_track_and_what_they_come_after() {
    let page: StackPage = serde_json::from_value(json!({
        "version": 3, "as_of": "2026-09-01T12:04:00Z", "next": null,
        "stacks": [
            { "id": "network", "name": "Network", "space": "platform", "labels": ["env:prod", "x"],
              "repository": "acme/infra", "branch": "main", "project_root": "stacks/network",
              "globs": [], "autodeploy": true, "disabled": false, "depends_on": [] },
            { "id": "shop", "name": "Shop", "space": "apps", "labels": [],
              "repository": "acme/infra", "branch": "main", "project_root": "",
              "globs": [], "autodeploy": true, "disabled": true,
              "depends_on": [{ "on": "network", "references": [] }] },
        ],
    }))
    .unwrap();
    insta::assert_snapshot!(stacks::render(&page, now(), &PLAIN));
}

#[test]
fn deliveries_and_notices_tell_what_went_wrong() {
    let found: Vec<Listed> = serde_json::from_value(json!([
        { "id": Uuid::nil(), "source": "github", "sender_id": "g1", "kind": "push",
          "received_at": "2026-09-01T12:04:00Z", "verdict": "accepted", "code": "accepted",
          "message": "a push to main", "secret": 0, "bytes": 812, "event": Uuid::nil() },
        { "id": Uuid::nil(), "source": "spacelift", "sender_id": null, "kind": "?",
          "received_at": "2026-09-01T11:04:00Z", "verdict": "malformed", "code": "not_json",
          "message": "line 1", "secret": 0, "bytes": 3, "event": null },
    ]))
    .unwrap();
    let notices: Deliveries = serde_json::from_value(json!({ "deliveries": [
        { "effect": Uuid::nil(), "channel": "slack", "kind": "slack.update", "target": "#infra",
          "about": "chain", "standing": "waiting", "attempts": 2, "last_status": 503,
          "error": "503 Service Unavailable", "first_attempt_at": "2026-09-01T12:04:00Z",
          "last_attempt_at": "2026-09-01T12:04:30Z", "next_attempt_at": "2026-09-01T12:05:20Z",
          "delivered_at": null },
    ]}))
    .unwrap();
    let text = deliveries::render(&found, false, now(), &PLAIN);
    insta::assert_snapshot!(text + "\n" + &notices::render(&notices, now(), &PLAIN));
}

fn letter() -> DeadLetter {
    DeadLetter {
        sequence: 12,
        consumer: "executor-chains".into(),
        reason: "unreadable: the body is not a valid run.reported".into(),
        subject: "stackly.evt.run.reported.network".into(),
        kind: Some("stackly.run.reported".into()),
        at: now() - TimeDelta::hours(3),
        body: json!({ "stack": "network" }),
    }
}

#[test]
fn dead_letters_tell_what_they_were_and_how_to_give_them_back() {
    let list = dead::render(&[letter()], now(), &PLAIN);
    insta::assert_snapshot!(list + "\n" + &dead::render_one(&letter(), &PLAIN));
    assert_eq!(dead::render(&[], now(), &PLAIN), "no dead letters");
}

#[test]
fn the_topology_tells_what_differs_and_what_is_missing() {
    let stream = |name: &str, exists, differences| StreamStatus {
        name: name.into(),
        purpose: "what it is for",
        exists,
        messages: 7,
        bytes: 1024,
        differences,
        consumers: vec![("planner-changes".into(), 3, 1)],
    };
    let difference =
        Difference { setting: "max_age", is: "3600s".into(), wanted: "604800s".into() };
    let streams = [
        stream("STACKLY_EVENTS", true, vec![difference]),
        StreamStatus { consumers: Vec::new(), ..stream("STACKLY_DEAD_LETTERS", false, Vec::new()) },
    ];
    let wanted = ["planner-changes", "policy-gates"].map(|name| Consumer { name, takes: &[] });
    let text = topology::render(&streams, &wanted, &PLAIN);
    insta::assert_snapshot!(text + "\n" + &topology::render_changes(&streams, &PLAIN));
}

#[test]
fn dead_letters_are_a_broken_link() {
    let link = |exists, messages| {
        let stream = StreamStatus {
            name: "ACME_STACKLY_DEAD_LETTERS".into(),
            purpose: "what it is for",
            exists,
            messages,
            bytes: 0,
            differences: Vec::new(),
            consumers: Vec::new(),
        };
        doctor::dead_letters(&[stream])
    };
    assert!(!link(true, 0).unwrap().is_broken());
    assert!(link(false, 0).is_none());
    let text = doctor::render(&[link(true, 2).unwrap()], &PLAIN);
    assert_eq!(text, "✗ dead letters  2; `stackly dead list` shows them");
}

#[test]
fn what_keeps_a_service_from_its_work_is_told_in_its_line() {
    let link = |page: Value| {
        let readiness = serde_json::from_value(page).unwrap();
        let link = doctor::service(&ingest::CARD, &readiness, &[]);
        (link.is_broken(), doctor::render(&[link], &PLAIN))
    };
    let (is_broken, text) = link(json!({ "ready": true, "bus": true, "store": true }));
    assert!(!is_broken && text.contains("and so does its database"), "{text}");
    let (is_broken, text) = link(json!({ "ready": false, "bus": true, "store": true,
        "troubles": { "slack": "Slack says invalid_auth (HTTP 200)" } }));
    assert!(is_broken && text.contains("slack: Slack says invalid_auth"), "{text}");
    let (is_broken, text) = link(json!({ "ready": false, "bus": true, "store": false }));
    assert!(is_broken && text.contains("does not take what is written"), "{text}");
}

#[test]
fn one_host_of_repositories_has_to_be_heard_of_whichever_it_is() {
    let sources = |heard: &[&str]| {
        let all = ["github", "gitlab", "spacelift", "slack"].map(|source| {
            let secret = json!({ "fingerprint": "f", "scope": null,
                "last_used_at": "2026-09-01T12:00:00Z" });
            let secrets = if heard.contains(&source) { vec![secret] } else { Vec::new() };
            json!({ "source": source, "path": format!("/webhooks/{source}"), "secrets": secrets })
        });
        let found: Sources = serde_json::from_value(json!({ "sources": all })).unwrap();
        doctor::render(&doctor::sources(&found.sources, now()), &PLAIN)
    };
    let text = sources(&["gitlab", "spacelift"]);
    assert!(text.contains("✓ webhooks of gitlab") && !text.contains('✗'), "{text}");
    let text = sources(&["slack"]);
    assert!(text.contains("✗ webhooks of repositories"), "{text}");
    assert!(
        text.contains("✗ webhooks of spacelift") && text.contains("spacelift.secrets"),
        "{text}"
    );
}

#[test]
fn the_status_tells_what_does_not_stand() {
    let service = |service, trouble: Option<&str>| status::Service {
        service,
        trouble: trouble.map(str::to_owned),
    };
    let status = status::Status {
        nats: "nats://127.0.0.1:4222".into(),
        services: vec![service("ingest", None), service("planner", Some("it is not running"))],
        open_chains: Some(3),
        dead_letters: Some(2),
        catalogue: Some(json!({
            "version": 4, "as_of": "2026-09-01T12:00:00Z", "age_seconds": 300,
            "trouble": "Spacelift cannot be reached", "stacks": 15, "edges": 12,
            "loose_edges": 1, "loose": [], "faults": 0, "faulty": [], "waiting": [],
            "crossing_edges": 5, "circle": "a depends on b, b depends on a",
            "code_faults": ["acme/infra main: app/stackly.hcl:2:3: there is no `wav`\n    2 | wav"],
            "unmade": ["new (acme/infra main new)"], "with_code": 12, "mirrors": "/var/lib/stackly/mirrors", "away": { "acme/infra": {
                "code": "git_unavailable", "text": "the mirror cannot give main of acme/infra: the \
                 token is wrong" } },
        })),
        policies: Some(json!({
            "folder": "/etc/policies", "source": { "path": "/etc/policies" },
            "title": "/etc/policies", "digest": "abc", "loaded_at": now(),
            "policies": [
                { "kind": "policy", "name": "production", "file": "a.hcl" },
                { "kind": "stop", "name": "line-1", "file": "(stackly stop)" },
                { "kind": "stop", "name": "line-2", "file": "(stackly stop)" },
            ],
            "refused": { "at": now(),
                "text": "2 faults in the policies\n\na.hcl:1:1: no\n    1 | x\n\nb.hcl: no" },
        })),
        line: Some(stopped()),
    };
    insta::assert_snapshot!(status::render(&status, &PLAIN));
}

/// The policy service's `line` after two stops.
fn stopped() -> Value {
    let stop = |labels: &[&str], reason: &str| {
        json!({ "id": Uuid::nil(), "labels": labels, "reason": reason, "by": "root",
            "at": "2026-09-01T12:00:00Z" })
    };
    json!({ "stopped": [stop(&[], "incident 42"), stop(&["team:net"], "a\nflood")], "ended": [] })
}

#[test]
fn a_line_that_is_stopped_is_told_and_breaks_no_link() {
    let links = doctor::stops(&serde_json::from_value(stopped()).unwrap());
    assert!(!links.iter().any(doctor::Link::is_broken));
    let text = doctor::render(&links, &PLAIN);
    for expected in [
        "… line  stopped: everything, by root since 2026-09-01 12:00:00Z: incident 42; `stackly go` ends",
        "… line  stopped: team:net, by root since 2026-09-01 12:00:00Z: a flood; `stackly go --label team:net`",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
}

fn event(kind: &str, body: Value) -> Envelope {
    Envelope::first("executor", Uuid::nil(), (kind, "network"), now(), body)
}

#[test]
fn an_event_is_one_line_that_says_what_happened() {
    let reason = json!({ "code": "no_changes", "text": "the plan\nhas no changes" });
    let step = json!({ "chain": CHAIN, "step": { "stack": "network", "state": "finished",
        "reason": reason, "delta": { "added": 0, "changed": 2, "deleted": 0 } } });
    let events = [
        event("step.finished", step),
        event("gate.decided", sample::gate(GATE, "cluster")),
        event("chain.ignored", json!({ "change": sample::change(), "reason": reason })),
        event(
            "run.reported",
            json!({ "stack": "network", "run": "01EF", "run_type": "TRACKED",
            "state": "PLANNING", "state_version": 3, "at": Utc::now(), "commit": "1a2b" }),
        ),
        event("step.finished", json!({ "of another": "shape" })),
        event("thing.happened", json!({ "new": true })),
    ];
    let lines: String = events.iter().map(|one| super::event::line(one, &PLAIN)).collect();
    insta::assert_snapshot!(lines);
}

#[test]
fn stacks_below_a_native_dependency_are_named_and_those_that_apply_by_themselves_are_broken() {
    let line = |id: &str, autodeploy: bool, after: &[&str]| {
        let depends_on: Vec<_> =
            after.iter().map(|on| json!({ "on": on, "references": [] })).collect();
        serde_json::from_value::<StackLine>(json!({
            "id": id, "name": id, "space": "root", "labels": [], "repository": "acme/infra",
            "branch": "main", "project_root": "", "globs": [], "autodeploy": autodeploy,
            "disabled": false, "depends_on": depends_on,
        }))
    };
    let rival = |lines: &[(&str, bool, &[&str])]| {
        let lines: Vec<_> =
            lines.iter().map(|(id, auto, on)| line(id, *auto, on).unwrap()).collect();
        doctor::render(&doctor::rivals(&lines), &PLAIN)
    };
    assert_eq!(rival(&[("net", true, &[])]), "", "no native dependency, no second driver");
    let text = rival(&[("net", true, &[]), ("app", false, &["net"]), ("dns", true, &["net"])]);
    let mut lines = text.lines();
    assert!(lines.next().unwrap().starts_with("✗ stacks with two drivers"), "{text}");
    assert!(text.contains("past the gates: dns;"), "{text}");
    assert!(text.contains("as well: app;"), "{text}");
}

#[test]
fn stacks_that_apply_by_themselves_and_are_to_be_planned_first_are_a_broken_link() {
    let line = |id: &str, autodeploy: bool, labels: &[&str], code_labels: &[&str]| {
        serde_json::from_value::<StackLine>(json!({
            "id": id, "name": id, "space": "root", "labels": labels, "repository": "acme/infra",
            "branch": "main", "project_root": "", "globs": [], "autodeploy": autodeploy,
            "disabled": false, "depends_on": [], "code_labels": code_labels,
        }))
        .unwrap()
    };
    let first = "stackly:plan-all";
    let lines = [
        line("net", true, &[first], &[]),
        line("dns", true, &[], &[first]),
        line("app", false, &[first], &[]),
        line("web", true, &["prod"], &[]),
    ];
    let text = doctor::render(&doctor::rivals(&lines), &PLAIN);
    assert!(text.starts_with("✗ stacks planned first"), "{text}");
    assert!(text.contains("is denied (autodeploy_conflict): net, dns; take"), "{text}");
    assert!(doctor::rivals(&lines[2..]).is_empty());
}

#[test]
fn policies_that_start_runs_beside_stackly_are_a_broken_link_and_named_with_their_stacks() {
    assert!(doctor::triggers(&Triggers { triggers: Vec::new() }).is_none());
    let trigger = Trigger { policy: "after".into(), stacks: vec!["net".into(), "dns".into()] };
    let link = doctor::triggers(&Triggers { triggers: vec![trigger] }).unwrap();
    assert!(link.is_broken());
    let text = doctor::render(&[link], &PLAIN);
    assert!(text.contains("after on net, dns; detach them"), "{text}");
}

#[test]
fn calls_that_rest_are_a_broken_link_also_where_it_cannot_be_read_why() {
    let link = |calls| doctor::calls(&serde_json::from_value(calls).unwrap());
    assert!(!link(json!({ "resting": false })).is_broken());
    let newer = link(json!({ "resting": true, "since": now(), "until": now(), "why": "HTTP 502",
        "code": "of_a_newer_build" }));
    assert!(newer.is_broken());
    let text = doctor::render(&[newer], &PLAIN);
    assert!(text.contains("rest, because too many failed; this build"), "{text}");
}

#[test]
fn a_label_that_names_no_time_to_soak_is_a_broken_link() {
    let line = |labels: &[&str]| {
        serde_json::from_value::<StackLine>(json!({
            "id": "app", "name": "app", "space": "root", "labels": labels,
            "repository": "acme/infra", "branch": "main", "project_root": "", "globs": [],
            "autodeploy": false, "disabled": false, "depends_on": [],
            "code_labels": ["stackly:soak=1h"],
        }))
        .unwrap()
    };
    assert!(doctor::labels(&[line(&["stackly:soak=30m", "prod"])]).is_none());
    let link = doctor::labels(&[line(&["stackly:soak=half an hour"])]).unwrap();
    let text = doctor::render(&[link], &PLAIN);
    assert!(text.starts_with("✗ labels of stacks"), "{text}");
    assert!(text.contains("`stackly:soak=half an hour` of app"), "{text}");
    let link = doctor::labels(&[line(&["stackly:on=failur:dns", "stackly:on=failure"])]).unwrap();
    let text = doctor::render(&[link], &PLAIN);
    assert!(text.contains("do not run: `stackly:on=failur:dns` of app;"), "{text}");
    let known = ["stackly:wave:2", "stackly:depends-on:a", "stackly:fail-fast", "wavy=1"];
    assert!(doctor::unknown_labels(&[line(&known)]).is_none());
    let link = doctor::unknown_labels(&[line(&["stackly:wav=2", "stackly:canary"])]).unwrap();
    let text = doctor::render(&[link], &PLAIN);
    assert!(text.contains("`stackly:wav=2` of app") && !text.contains("canary"), "{text}");
    // What the manual lists is heeded.
    let manual = include_str!("../../../../docs/CHAINS.md");
    let rows = manual.lines().filter(|line| line.starts_with("| `stackly:"));
    let cells = rows.filter_map(|line| line.split('|').nth(1));
    let listed: Vec<&str> = cells
        .flat_map(|cell| cell.split('`'))
        .filter(|word| word.starts_with("stackly:"))
        .collect();
    assert!(listed.len() > 20, "{listed:?}");
    assert!(doctor::unknown_labels(&[line(&listed)]).is_none(), "{listed:?}");
}

#[test]
fn circles_and_faults_of_code_are_broken_links() {
    let mut status: Status = serde_json::from_value(json!({
        "version": 3, "as_of": "2026-09-01T12:00:00Z", "stacks": 15, "edges": 12,
        "loose_edges": 0, "faults": 0,
    }))
    .unwrap();
    assert!(doctor::catalogue(&status).iter().all(|link| !link.is_broken()));
    status.circle = Some("a depends on b, b depends on a".to_owned());
    status.code_faults =
        vec!["acme/infra main: app/stackly.hcl:2:3: no `wav`\n  x".to_owned(), "more".to_owned()];
    let links = doctor::catalogue(&status);
    assert_eq!(links.iter().filter(|link| link.is_broken()).count(), 2);
    let text = doctor::render(&links, &PLAIN);
    assert!(text.contains("a depends on b, b depends on a"), "{text}");
    assert!(text.contains("2 faults") && text.contains("app/stackly.hcl:2:3: no `wav`;"), "{text}");
}

#[test]
fn what_would_follow_is_told_with_every_gate() {
    let step = |stack: &str, autodeploy: bool| {
        json!({ "stack": stack, "name": stack, "space": "root", "labels": [], "autodeploy": autodeploy,
            "on_commit": true, "why": { "code": "touched", "text": "main.tf changed" } })
    };
    let outcome = serde_json::from_value(json!({
        "outcome": "planned", "chain": contracts::ChainId(Uuid::nil()), "kind": "deploy",
        "change": sample::change(), "steps": [step("net", true), step("app", false)],
        "edges": [{ "parent": "net", "child": "app", "origins": [
            { "from": "inferred", "file": "app/main.tf", "line": 3, "why": "app reads net" }] }],
        "graph_version": 7,
    }));
    let gates = serde_json::from_value(json!([
        { "moment": "before_chain", "outcome": "pass",
          "reasons": [{ "code": "allowed", "text": "no policy speaks" }] },
        { "moment": "before_plan", "stack": "net", "outcome": "hold_until",
          "until": "2026-11-30T08:00:00Z",
          "reasons": [{ "code": "window_closed", "text": "weekdays begin on Monday" }] },
        { "moment": "before_plan", "stack": "app", "outcome": "pass", "reasons": [] },
        { "moment": "before_apply", "stack": "app", "outcome": "hold_for_approvals", "given": 0,
          "needed": 2, "depends_on_plan": true,
          "reasons": [{ "code": "approval_needed", "text": "two people must approve" }] },
    ]));
    let (outcome, gates) = (outcome.unwrap(), gates.unwrap());
    let (also, unseen) = (Vec::new(), Vec::new());
    let what_if = plan::WhatIf { outcome, also, gates, gates_unknown: None, unseen };
    let text = plan::render(&what_if, &PLAIN);
    for part in [
        "… until 2026-11-30 08:00:00Z",
        "by itself",
        "… 0 of 2 approvals",
        "after net: ",
        "app/main.tf:3",
        "before plan: weekdays begin on Monday",
        "before apply: two people must approve; that is for a plan that changes nothing",
        "before chain: no policy speaks",
        "2 runs, by graph 7 and by the policies of now; nothing was started",
    ] {
        assert!(text.contains(part), "no `{part}` in:\n{text}");
    }
    // Waves go before each other, and what is planned as a whole is asked about once.
    let mut in_waves = serde_json::to_value(&what_if).unwrap();
    for (step, wave) in [(0, "stackly:wave=2"), (1, "stackly:wave=1")] {
        in_waves["steps"][step]["labels"] = json!([wave]);
        in_waves["steps"][step]["autodeploy"] = json!(false);
    }
    in_waves["edges"] = json!([]);
    in_waves["options"] = json!({ "plan_all": true });
    let mut gates = what_if.gates.clone();
    gates[3].stack = None;
    let outcome = serde_json::from_value(in_waves).unwrap();
    let in_waves =
        plan::WhatIf { outcome, also: Vec::new(), gates, gates_unknown: None, unseen: Vec::new() };
    let text = plan::render(&in_waves, &PLAIN);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("#  WAVE  STACK"), "{text}");
    assert!(lines[1].starts_with("1  1     app"), "{text}");
    assert!(text.contains("2  2     net") && text.contains("with all"), "{text}");
    assert!(text.contains("what it changes, about the plans of all runs together"), "{text}");
    // Without the policy service, everything else is told.
    let reason = contracts::Reason::new(contracts::Code::StillNeeded, "net is needed by app");
    let unknown = plan::WhatIf {
        also: vec![planner::what_if::Outcome::Ignored { reason }],
        unseen: vec!["files that Git ignores".to_owned()],
        gates: Vec::new(),
        gates_unknown: Some("it does not run".to_owned()),
        ..what_if
    };
    let text = plan::render(&unknown, &PLAIN);
    assert!(text.contains("nobody knows what the policies would say: it does not run"), "{text}");
    assert!(text.contains("Besides, code would be gone: net is needed by app"), "{text}");
    assert!(text.contains("not seen: files that Git ignores"), "{text}");
}
