//! Answers as services give them.

use chrono::{DateTime, TimeZone, Utc};
use executor::ChainPage;
use policy::page::Gates;
use serde_json::{Value, json};

pub(crate) const CHAIN: &str = "chain_01j9zt3m6f0qv8x2c4r7n5k1dw";
pub(crate) const GATE: &str = "gate_01j9zt3m6f0qv8x2c4r7n5k1ga";
pub(crate) const OTHER_GATE: &str = "gate_01k0zt3m6f0qv8x2c4r7n5k1gb";
pub(crate) const CORRELATION: &str = "0190a1b2-0000-7000-8000-000000000001";

/// When everything is looked at.
pub(crate) fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 9, 1, 12, 5, 0).unwrap()
}

pub(crate) fn change() -> Value {
    json!({
        "repository": "acme/infra",
        "branch": "main",
        "commit": "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d",
        "author": "jane",
        "title": "Raise the memory",
        "url": "https://github.example/acme/infra/commit/1a2b3c4d",
    })
}

/// One entry of the executor's `chains`.
pub(crate) fn line(chain: &str, state: &str) -> Value {
    json!({
        "chain": chain,
        "kind": "deploy",
        "state": state,
        "reason": { "code": "waiting_for_gate", "text": "1 step waits for approval" },
        "change": change(),
        "steps": 4,
        "ended": 1,
        "began_at": "2026-09-01T12:00:00Z",
        "ended_at": null,
    })
}

/// The executor's `chain`: one step done, one at work, one held, one behind it.
pub(crate) fn page() -> Value {
    let mut page = line(CHAIN, "running");
    let edge = |parent: &str, child: &str| {
        json!({ "parent": parent, "child": child,
            "origins": [{ "from": "native", "references": ["vpc_id -> TF_VAR_vpc"] }] })
    };
    let more = json!({
        "correlation": CORRELATION,
        "gate": GATE,
        "graph_version": 7,
        "steps_in_order": [
            {
                "stack": "network", "state": "finished",
                "reason": { "code": "run_finished", "text": "the run finished" },
                "run": "01EF9PFPNFFM2MQXTJKHK1B869", "run_url": "https://acme.example/run/1",
                "delta": { "added": 2, "changed": 1, "deleted": 0 },
                "why": { "code": "touched", "text": "stacks/network/main.tf changed" },
                "parents": [], "since": "2026-09-01T12:01:00Z", "gate": GATE, "call": null,
            },
            {
                "stack": "database", "state": "applying",
                "reason": { "code": "run_in_flight", "text": "the run is applying" },
                "run": "01EF9PFPNFFM2MQXTJKHK1B870",
                "why": { "code": "depends_on", "text": "depends on network" },
                "parents": ["network"], "since": "2026-09-01T12:04:10Z", "gate": null,
                "call": "attempt 2: Spacelift cannot be reached",
            },
            {
                "stack": "cluster", "state": "gating_apply",
                "reason": { "code": "approval_needed", "text": "0 of 1 approvals" },
                "run": "01EF9PFPNFFM2MQXTJKHK1B871", "run_url": "https://acme.example/run/3",
                "why": { "code": "depends_on", "text": "depends on network" },
                "parents": ["network"], "since": "2026-09-01T12:02:00Z", "gate": OTHER_GATE,
                "call": null,
            },
            {
                "stack": "shop", "state": "waiting",
                "reason": { "code": "waiting_for_parents", "text": "cluster has not finished" },
                "why": { "code": "depends_on", "text": "depends on cluster" },
                "parents": ["cluster"], "since": "2026-09-01T12:00:00Z", "gate": null,
                "call": null,
            },
        ],
        "edges": [edge("network", "database"), edge("network", "cluster"), edge("cluster", "shop")],
    });
    page.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    page
}

pub(crate) fn read_page() -> ChainPage {
    serde_json::from_value(page()).unwrap()
}

/// One gate as the policy service shows it, held for approvals.
pub(crate) fn gate(gate: &str, stack: &str) -> Value {
    json!({
        "gate": gate,
        "chain": CHAIN,
        "moment": "before_apply",
        "stack": stack,
        "revision": 1,
        "outcome": "hold_for_approvals", "given": 1, "needed": 2,
        "reasons": [
            { "code": "approval_needed", "text": "policy production wants 2 approvals" },
            { "code": "policy_warning", "text": "it is late" },
        ],
        "policy_digest": "abc",
        "kind": "deploy",
        "stacks": [{ "stack": stack, "space": "platform", "labels": ["env:prod"] }],
        "change": change(),
        "run": "01EF9PFPNFFM2MQXTJKHK1B871",
        "delta": { "added": 1, "changed": 0, "deleted": 3 },
        "final": false,
        "approvals": [
            { "policy": "production", "needed": 2, "given": ["ann"], "may_approve": ["bob", "eve"],
              "not": "jane" },
        ],
        "reviews": [
            { "id": "0190a1b2-0000-7000-8000-000000000009", "by": "eve", "word": "reject",
              "note": "not today", "at": "2026-09-01T12:03:00Z" },
        ],
        "requested_at": "2026-09-01T12:02:00Z",
        "decided_at": "2026-09-01T12:02:00Z",
    })
}

/// The same, decided for good.
pub(crate) fn passed(name: &str, stack: &str) -> Value {
    let mut gate = gate(name, stack);
    gate["outcome"] = json!("pass");
    gate["final"] = json!(true);
    gate["reasons"] = json!([{ "code": "approved", "text": "ann approved" }]);
    gate
}

pub(crate) fn gates(gates: Vec<Value>) -> Gates {
    serde_json::from_value(json!({ "gates": gates, "more": false })).unwrap()
}
