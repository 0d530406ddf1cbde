use std::sync::Arc;

use contracts::CommitSha;

use super::*;
use crate::{
    blueprint::{Blueprint, tests::blueprint},
    catalogue::{Stack, tests::stack},
    inferred::tests::{BACKEND, READS, SHOP, made},
    ordered::still_named,
    register::{State, Status, place},
};

fn known(stacks: Vec<Stack>) -> Arc<Known> {
    Arc::new(Known::new(7, stacks))
}

fn change() -> Change {
    Change {
        repository: "acme/infra".to_owned(),
        branch: "main".to_owned(),
        commit: CommitSha::from("c0ffee"),
        previous: None,
        author: "ada".to_owned(),
        authors: Vec::new(),
        title: "Tidy up".to_owned(),
        url: None,
        pull_request: None,
    }
}

fn plans(action: Action, names: &[&str], now: &Known, before: Option<&Known>) -> Vec<Plan> {
    let (change, why) = (change(), Reason::new(Code::CodeGone, "its code is gone"));
    let (kind, event) = (ChainKind::Deploy, Uuid::from_u128(1));
    let errand = Errand { action, kind, change: &change, why: &why, event };
    let stacks: Vec<StackId> = names.iter().map(|&name| name.into()).collect();
    let asked = before.map_or_else(Vec::new, |before| asked_for(&stacks, now, before));
    errand.plans(&stacks, now, before.map(|known| Before { known, asked: &asked }))
}

fn planned(plan: &Plan) -> &ChainPlanned {
    match plan {
        Plan::Planned(planned) => planned,
        other => panic!("{other:?}"),
    }
}

fn stacks(plan: &Plan) -> Vec<&str> {
    planned(plan).steps.iter().map(|step| step.stack.as_str()).collect()
}

fn refused(plan: &Plan) -> &Reason {
    match plan {
        Plan::Ignored(ignored) => &ignored.reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_depends_on_something_is_destroyed_before_it_and_what_hangs_apart_goes_apart() {
    let now = known(vec![
        stack("network"),
        stack("dns").after("network", &["ZONE -> TF_VAR_zone"]).label("stackly:wave=2"),
        stack("other").label("env:lab"),
    ]);
    let all = plans(Action::Deregister, &["network", "dns", "other"], &now, None);
    assert_eq!(all.iter().map(stacks).collect::<Vec<_>>(), [vec!["dns", "network"], vec!["other"]]);
    let first = planned(&all[0]);
    assert_eq!((first.action, first.kind), (Action::Deregister, ChainKind::Deploy));
    let edge = &first.edges.to_vec()[0];
    assert_eq!((edge.parent.as_str(), edge.child.as_str()), ("dns", "network"));
    let origin = edge.origins[0].to_string();
    assert!(origin.starts_with("what depends on it goes first: Spacelift"), "{origin}");
    let step = &first.steps[0];
    assert!(step.autodeploy && !step.on_commit, "it shows no plan, and its code is gone");
    assert_eq!(step.labels, [""; 0], "waves say how it is built up");
    assert_eq!(planned(&all[1]).steps[0].labels, ["env:lab"]);
    assert_ne!(first.chain, planned(&all[1]).chain);
}

#[test]
fn edges_that_the_lost_code_had_declared_count() {
    let before = known(vec![stack("network"), stack("dns").label("depends-on:network")]);
    let now = known(vec![stack("network"), stack("dns")]);
    let all = plans(Action::Deregister, &["network", "dns"], &now, Some(&before));
    assert_eq!(all.iter().map(stacks).collect::<Vec<_>>(), [vec!["dns", "network"]]);
}

#[test]
fn nothing_is_destroyed_that_a_stack_depends_on_which_stays() {
    let now = known(vec![stack("network"), stack("dns").after("network", &[]), stack("apart")]);
    let all = plans(Action::Deregister, &["network", "apart"], &now, None);
    assert_eq!(stacks(&all[0]), ["apart"]);
    let reason = refused(&all[1]);
    assert_eq!(reason.code, Code::StillNeeded);
    assert!(reason.text.contains("network by dns"), "{reason}");
}

#[test]
fn what_code_that_stays_asks_of_code_that_is_gone_counts_until_it_lets_go() {
    let accounts = || vec![stack("acme-net").at("net"), stack("app"), stack("db")];
    let known = |blueprints| Known::with_code(7, accounts(), blueprints);
    let (net, app) = (blueprint("net"), blueprint("app").declares("net"));
    let before = known(vec![net, app.clone(), blueprint("db")]);

    let owners = vec!["ops".to_owned()];
    for app in [app.clone(), Blueprint { owners, ..app }] {
        let now = known(vec![app, blueprint("db")]);
        let all = plans(Action::Deregister, &["acme-net"], &now, Some(&before));
        let reason = refused(&all[0]);
        assert_eq!(reason.code, Code::StillNeeded);
        assert!(reason.text.contains("acme-net by app"), "{reason}");
    }
    let now = known(vec![blueprint("db")]);
    let all = plans(Action::Deregister, &["acme-net"], &now, Some(&before));
    assert_eq!(refused(&all[0]).code, Code::StillNeeded, "what app made is still there");

    let now = known(vec![blueprint("app").declares("db"), blueprint("db")]);
    let all = plans(Action::Deregister, &["acme-net"], &now, Some(&before));
    assert_eq!(stacks(&all[0]), ["acme-net"], "app lets go of it");
}

#[test]
fn what_code_lets_go_of_says_nothing_of_what_else_it_asks_for() {
    let accounts = || vec![stack("acme-net").at("net"), stack("app"), stack("db")];
    let known = |blueprints| Known::with_code(7, accounts(), blueprints);
    let both = blueprint("app").declares("net").declares("db");
    let before = known(vec![blueprint("net"), both, blueprint("db")]);
    let app = Blueprint { path: "apps/app".to_owned(), ..blueprint("app").declares("net") };
    let now = known(vec![app, blueprint("db")]);
    let all = plans(Action::Deregister, &["acme-net"], &now, Some(&before));
    assert_eq!(refused(&all[0]).code, Code::StillNeeded, "it lets go of db alone");
    let all = plans(Action::Deregister, &["db"], &now, Some(&before));
    assert_eq!(stacks(&all[0]), ["db"]);
    let both = plans(Action::Deregister, &["acme-net", "db"], &now, Some(&before));
    assert_eq!((refused(&both[0]).code, stacks(&both[1])), (Code::StillNeeded, vec!["db"]));
}

#[test]
fn what_code_still_reads_of_code_that_is_gone_keeps_it() {
    let with_app = |code: &str, network: bool| {
        let (network_stack, network_code) = made("network", BACKEND);
        let (app_stack, app_code) = made("app", code);
        let code = network.then_some(network_code).into_iter().chain([app_code]);
        Known::with_code(7, vec![network_stack, app_stack], code.collect())
    };
    let before = with_app(&format!("{READS}{SHOP}"), true);
    let moved = with_app(&format!("\n\nlocals {{}}\n{READS}"), false);
    let all = plans(Action::Deregister, &["network"], &moved, Some(&before));
    assert!(refused(&all[0]).text.contains("network by app"), "it reads less, and that still");
    let let_go = with_app(SHOP, false);
    let all = plans(Action::Deregister, &["network"], &let_go, Some(&before));
    assert_eq!(stacks(&all[0]), ["network"]);
}

#[test]
fn what_others_still_name_as_its_code_did_is_not_destroyed_on_request() {
    let accounts = vec![stack("acme-net").at("net"), stack("app"), stack("db")];
    let now = Known::with_code(7, accounts, vec![blueprint("app").declares("net")]);
    let state = |id: &str, name: &str| State {
        stack: id.into(),
        code: place(&blueprint(name)),
        status: Status::Loose,
        reason: Reason::new(Code::CodeGone, "its code is gone"),
    };
    let named = still_named(&now, &state("acme-net", "net")).unwrap();
    assert!(named.contains("needed by app, which still names it as net"), "{named}");
    assert_eq!(still_named(&now, &state("db", "db")), None);
}

#[test]
fn what_cannot_run_does_not_go_with_the_others() {
    let now = known(vec![stack("net"), stack("app").after("net", &[]).off()]);
    let all = plans(Action::Deregister, &["net", "app"], &now, None);
    let reason = refused(&all[0]);
    assert_eq!(reason.code, Code::StillNeeded);
    assert!(reason.text.contains("net by app, which is disabled"), "{reason}");
    let alone = plans(Action::Deregister, &["app"], &now, None);
    assert_eq!(refused(&alone[0]).code, Code::StackGone);
}

#[test]
fn what_a_person_has_destroyed_goes_in_the_order_it_was_named_in_unless_that_is_wrong() {
    let now = known(vec![stack("b"), stack("a"), stack("c").after("a", &[])]);
    let all = plans(Action::Destroy, &["b", "c", "a"], &now, None);
    assert_eq!(all.iter().map(stacks).collect::<Vec<_>>(), [vec!["b", "c", "a"]]);
    let wrong = plans(Action::Destroy, &["a", "c"], &now, None);
    let reason = refused(&wrong[0]);
    assert!(reason.text.contains("name what depends on others first"), "{reason}");
}

#[test]
fn drift_is_put_right_in_the_order_of_dependencies_with_every_label() {
    let now = known(vec![
        stack("a").after("z", &[]).label("stackly:wave=2"),
        stack("z"),
        stack("b").after("a", &[]),
    ]);
    let all = plans(Action::FixDrift, &["a", "z"], &now, None);
    assert_eq!(stacks(&all[0]), ["z", "a"], "and what else depends on them stays as it is");
    let step = &planned(&all[0]).steps[1];
    assert_eq!(step.labels, ["stackly:wave=2"]);
    assert!(!step.autodeploy && !step.on_commit, "on the commit that it tracks");
}

#[test]
fn what_is_disabled_or_waits_in_a_circle_is_said_so() {
    let now = known(vec![stack("off").off()]);
    assert_eq!(refused(&plans(Action::FixDrift, &["off"], &now, None)[0]).code, Code::StackGone);
    let now = known(vec![stack("a").after("b", &[]), stack("b").after("a", &[])]);
    let all = plans(Action::Destroy, &["a", "b"], &now, None);
    assert_eq!(refused(&all[0]).code, Code::Cycle);
}

#[test]
fn thousands_of_stacks_are_ordered_at_once() {
    let name = |number: usize| format!("s{number:04}");
    let stacks = (0..4_000_usize).map(|number| {
        let parents = (number.saturating_sub(8)..number).map(name);
        parents.fold(stack(&name(number)), |stack, parent| stack.after(&parent, &[]))
    });
    let now = known(stacks.collect());
    let names: Vec<String> = (0..4_000).map(name).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let began = std::time::Instant::now();
    let all = plans(Action::FixDrift, &names, &now, None);
    assert_eq!(all.iter().map(stacks_of).collect::<Vec<_>>(), [4_000]);
    // What compares each with each takes minutes.
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
}

fn stacks_of(plan: &Plan) -> usize {
    stacks(plan).len()
}
