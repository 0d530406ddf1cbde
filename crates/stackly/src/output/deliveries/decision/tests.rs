use contracts::{ChainId, Code, Reason};
use serde_json::json;
use uuid::Uuid;

use super::*;

const PLAIN: Look = Look { json: false, colour: false, width: None };

/// A chain of these stacks, in which some wait for others: `(child, parent)`.
fn chain(stacks: &[&str], edges: &[(&str, &str)]) -> Outcome {
    let why = json!({ "code": "touched", "text": "its files changed" });
    let steps: Vec<_> = stacks
        .iter()
        .map(|stack| {
            json!({ "stack": stack, "name": stack, "space": "root", "labels": [],
                "autodeploy": false, "on_commit": true, "why": why })
        })
        .collect();
    let edges: Vec<_> = edges
        .iter()
        .map(|(child, parent)| json!({ "child": child, "parent": parent, "origins": [] }))
        .collect();
    serde_json::from_value(json!({
        "outcome": "planned", "chain": ChainId(Uuid::nil()), "kind": "deploy",
        "change": { "repository": "acme/infra", "branch": "main", "commit": "a".repeat(40),
            "previous": null, "author": "jane", "title": "t", "url": null },
        "steps": steps, "edges": edges, "graph_version": 7,
    }))
    .unwrap()
}

fn ignored(code: Code, text: &str) -> Outcome {
    Outcome::Ignored { reason: Reason::new(code, text) }
}

fn lines(then: Vec<Outcome>, now: Vec<Outcome>) -> Vec<String> {
    Decision::compared(&Reconsidered { then, now, changed: None }).lines(&PLAIN)
}

#[test]
fn the_same_decision_is_one_line_whatever_words_it_has() {
    let same = lines(
        vec![ignored(Code::NothingTouched, "of 3 stacks")],
        vec![ignored(Code::NothingTouched, "of 4 stacks")],
    );
    assert_eq!(same, ["  is decided as then: nothing follows (nothing_touched): of 4 stacks"]);
    let chains = || vec![chain(&["dns", "app"], &[("app", "dns")])];
    assert_eq!(lines(chains(), chains()), ["  is decided as then: a chain of 2 runs: dns, app"]);
}

#[test]
fn another_decision_says_in_what_it_differs() {
    let then = chain(&["dns", "app", "db"], &[("app", "dns"), ("db", "dns")]);
    let now = chain(&["dns", "app", "web"], &[("dns", "app"), ("web", "dns")]);
    let differs = lines(vec![then], vec![now]);
    assert_eq!(
        differs[..2],
        [
            "  was decided: a chain of 3 runs: dns, app, db",
            "  would be decided: a chain of 3 runs: dns, app, web",
        ]
    );
    assert_eq!(
        differs[2..],
        [
            "    db would not run any more",
            "    web would run as well",
            "    app would not wait for dns",
            "    dns would wait for app",
        ]
    );
    let refused = Outcome::Refused { reason: Reason::new(Code::Cycle, "a circle") };
    let differs = lines(vec![chain(&["dns"], &[])], vec![refused]);
    assert_eq!(differs.last().unwrap(), "    a chain became a refusal (cycle)");
}

#[test]
fn what_is_not_known_is_no_difference() {
    let forgotten =
        Reconsidered { then: Vec::new(), now: vec![chain(&["dns"], &[])], changed: None };
    let decision = Decision::compared(&forgotten);
    assert!(!decision.differs());
    assert!(decision.lines(&PLAIN)[0].contains("of then nothing is kept"));
    let away = Decision::unknown("the planner does not answer".to_owned());
    assert!(!away.differs() && away.lines(&PLAIN)[0].contains("does not answer"));
}

#[test]
fn the_same_runs_for_other_reasons_are_another_decision() {
    let then = chain(&["dns", "app"], &[("app", "dns")]);
    let (mut other, mut later) = (then.clone(), then.clone());
    let planned = |outcome: &mut Outcome, change: &dyn Fn(&mut ChainPlanned)| match outcome {
        Outcome::Planned(chain) => change(chain),
        _ => panic!("a chain"),
    };
    planned(&mut other, &|chain| {
        chain.steps[1].why.code = Code::DependsOn;
        chain.steps[0].on_commit = false;
        let mut edges = chain.edges.to_vec();
        edges[0].origins =
            vec![contracts::chain::EdgeOrigin::Native { references: Vec::new() }].into();
        chain.edges = edges.into();
        chain.options.supersede = true;
    });
    assert_eq!(
        lines(vec![then.clone()], vec![other])[2..],
        [
            "    it would be carried out in another way",
            "    the run of dns would be another one",
            "    app would be in it as `depends_on`, no more as `touched`",
            "    why app waits for dns would be told otherwise",
        ]
    );
    planned(&mut later, &|chain| chain.graph_version = 9);
    assert!(lines(vec![then], vec![later])[0].contains("is decided as then"));
}
