use std::collections::BTreeSet;

use contracts::{
    ChainId, Code, CommitSha, StackId,
    chain::{ChainKind, ChainPlanned, OnFailure},
    change::{Change, ChangeProposed, ChangePushed, Paths},
};
use proptest::prelude::*;
use uuid::Uuid;

use contracts::label::{FAIL_FAST, SUPERSEDE};

use super::{Plan, Request, no_delivery, no_preview, propose};
use crate::{
    blueprint::{Blueprint, tests::blueprint},
    catalogue::{Stack, tests::stack},
    known::Known,
};

fn change(repository: &str, branch: &str) -> Change {
    Change {
        repository: repository.to_owned(),
        branch: branch.to_owned(),
        commit: CommitSha::from("0123456789abcdef0123456789abcdef01234567"),
        previous: None,
        author: "ada".to_owned(),
        authors: Vec::new(),
        title: "wider subnets".to_owned(),
        url: None,
        pull_request: None,
    }
}

fn plan_of(stacks: Vec<Stack>, change: &Change, paths: &Paths) -> Plan {
    plan_with(&Known::new(7, stacks), change, paths)
}

fn plan_with(known: &Known, change: &Change, paths: &Paths) -> Plan {
    let chain = ChainId(Uuid::from_u128(1));
    let kind = if change.pull_request.is_some() { ChainKind::Preview } else { ChainKind::Deploy };
    let (by_code, gone, before, tag) = (&[][..], &[][..], None, false);
    propose(known, &Request { chain, kind, change, paths, by_code, gone, before, tag })
}

fn pushed(stacks: Vec<Stack>, paths: &[&str]) -> Plan {
    let paths = Paths::All(paths.iter().map(|&path| path.to_owned()).collect());
    plan_of(stacks, &change("acme/infra", "main"), &paths)
}

fn chain(plan: Plan) -> ChainPlanned {
    match plan {
        Plan::Planned(chain) => chain,
        other => panic!("no chain: {other:?}"),
    }
}

/// `stack: reason`, in order.
fn steps(chain: &ChainPlanned) -> Vec<String> {
    chain.steps.iter().map(|step| format!("{}: {}", step.stack, step.why)).collect()
}

fn edges(chain: &ChainPlanned) -> Vec<String> {
    chain.edges.iter().map(|edge| format!("{} > {}", edge.parent, edge.child)).collect()
}

fn ignored(plan: Plan) -> (Code, String) {
    match plan {
        Plan::Ignored(ignored) => (ignored.reason.code, ignored.reason.text),
        other => panic!("not ignored: {other:?}"),
    }
}

#[test]
fn what_code_says_about_a_stack_that_only_code_calls_so_is_told_with_its_id() {
    let named = |id: &str, name: &str| Stack { name: name.into(), ..stack(id) };
    let stacks = vec![
        named("acme-dns-prod", "DNS of production").at("dns"),
        named("dns", "another").made_from("acme/other", "main"),
        stack("repair").label("stackly:on=always:DNS of production"),
    ];
    let dns = Blueprint { stack: Some("acme-dns-prod".into()), ..blueprint("dns") };
    let said = [
        "stackly:input=zone:dns/zone",
        "stackly:on=failure:dns",
        "stackly:only=branch:main:dns",
        "stackly:only=branch:release/*",
        "stackly:on=failure:nobody",
        "team:dns",
    ];
    let labels = said.map(str::to_owned).into();
    let repair = Blueprint { labels, ..blueprint("repair") }.declares("dns");
    let known = Known::with_code(7, stacks, vec![dns, repair]);
    let paths = Paths::All(vec!["dns/main.tf".to_owned()]);
    let planned = chain(plan_with(&known, &change("acme/infra", "main"), &paths));

    assert_eq!(edges(&planned), ["acme-dns-prod > repair"], "it counts on main, as a label says");
    let repair = &planned.steps[1];
    let by_code = [
        "stackly:input=zone:acme-dns-prod/zone",
        "stackly:on=failure:acme-dns-prod",
        "stackly:on=failure:nobody",
        "stackly:only=branch:main:acme-dns-prod",
        "stackly:only=branch:release/*",
        "team:dns",
    ];
    assert_eq!(repair.by_code.added.strings(), by_code);
    assert_eq!(repair.labels.len(), by_code.len() + 1);
    assert!(repair.labels.iter().any(|label| *label == "stackly:on=always:acme-dns-prod"));
}

#[test]
fn an_edge_counts_only_on_the_branches_its_stack_names() {
    let on = |branch: &str| {
        let stacks = vec![
            stack("dns").made_from("acme/infra", branch),
            stack("app").label("depends-on:dns").label("stackly:only=branch:main:dns"),
            stack("log").label("depends-on:dns"),
        ];
        let paths = Paths::All(vec!["dns/main.tf".to_owned()]);
        chain(plan_of(stacks, &change("acme/infra", branch), &paths))
    };
    assert_eq!(edges(&on("main")), ["dns > app", "dns > log"]);
    let elsewhere = on("dev");
    assert_eq!(edges(&elsewhere), ["dns > log"]);
    let why = &elsewhere.steps[0].why.text;
    assert!(why.ends_with(" (depending elsewhere: app on dns only on main)"), "{why}");
}

#[test]
fn a_touched_stack_brings_all_that_depends_on_it_parents_first() {
    let chain = chain(pushed(
        vec![
            stack("network"),
            stack("dns").after("network", &["ZONE -> TF_VAR_zone"]),
            stack("app").label("depends-on:network,dns"),
            stack("unrelated"),
        ],
        &["network/main.tf", "network/vpc.tf"],
    ));

    assert_eq!(
        steps(&chain),
        [
            "network: touched: network/main.tf and 1 more file changed, \
             below its project root network",
            "dns: depends_on: depends on network",
            "app: depends_on: depends on dns and network",
        ]
    );
    assert_eq!(edges(&chain), ["dns > app", "network > app", "network > dns"]);
    assert_eq!((chain.kind, chain.graph_version), (ChainKind::Deploy, 7));
    assert!(chain.steps.iter().all(|step| step.on_commit));
}

#[test]
fn a_dependent_of_another_repository_or_branch_follows_on_its_own_commit() {
    let chain = chain(pushed(
        vec![
            stack("network"),
            stack("apps").made_from("acme/apps", "main").after("network", &[]),
            stack("staging").made_from("acme/infra", "staging").after("network", &[]),
        ],
        &["network/main.tf"],
    ));
    let on_commit: Vec<(&str, bool)> =
        chain.steps.iter().map(|step| (step.stack.as_str(), step.on_commit)).collect();
    assert_eq!(on_commit, [("network", true), ("apps", false), ("staging", false)]);
}

#[test]
fn an_order_that_only_stacks_outside_the_chain_ask_for_does_not_count() {
    let chain = chain(pushed(
        vec![stack("a"), stack("between").after("a", &[]).off(), stack("c").after("between", &[])],
        &["a/x", "c/x"],
    ));
    assert_eq!(chain.steps.len(), 2);
    assert!(chain.edges.is_empty());
}

#[test]
fn a_disabled_stack_is_left_out_and_named_and_nothing_follows_through_it() {
    let chain = chain(pushed(
        vec![
            stack("a"),
            stack("b").after("a", &[]).off(),
            stack("c").after("b", &[]),
            stack("d").off(),
        ],
        &["a/x", "d/x"],
    ));
    assert_eq!(
        steps(&chain),
        ["a: touched: a/x changed, below its project root a \
            (left out, being disabled or without code: b and d)"]
    );
}

#[test]
fn a_change_of_disabled_stacks_alone_is_ignored() {
    let (code, text) = ignored(pushed(vec![stack("a").off(), stack("b")], &["a/x"]));
    assert_eq!(code, Code::NothingTouched);
    let expected = "it touches nothing but stacks that are disabled or have no code any more, \
                    which cannot run: a";
    assert_eq!(text, expected);
}

#[test]
fn a_change_that_does_not_name_its_files_touches_every_stack_of_the_branch() {
    let stacks = vec![
        stack("a"),
        stack("b"),
        stack("c").made_from("acme/infra", "staging"),
        stack("d").made_from("acme/apps", "main"),
    ];
    let mut change = change("Acme/Infra", "main");
    change.pull_request = Some(12);
    let chain = chain(plan_of(stacks, &change, &Paths::Unknown));
    assert_eq!(chain.kind, ChainKind::Preview);
    assert_eq!(
        steps(&chain),
        ["a", "b"].map(|id| format!(
            "{id}: touched: pull request 12 to main does not say which files it changes, \
             so every stack of Acme/Infra that tracks main counts"
        ))
    );
}

#[test]
fn a_cycle_among_the_stacks_concerned_is_refused_by_name() {
    let circle =
        || vec![stack("a").after("b", &[]), stack("b").label("depends-on:a"), stack("free")];
    match pushed(circle(), &["a/x"]) {
        Plan::Refused(refused) => {
            assert_eq!(refused.reason.code, Code::Cycle);
            assert_eq!(
                refused.reason.text,
                "the dependencies of the stacks concerned form a circle: \
                 a → b (label depends-on:a) → a (Spacelift dependency); remove one of them"
            );
        }
        other => panic!("not refused: {other:?}"),
    }
    assert_eq!(chain(pushed(circle(), &["free/x"])).steps.len(), 1);
}

#[test]
fn what_is_ignored_names_what_was_pushed_and_what_is_tracked() {
    let stacks = || vec![stack("a"), stack("b").made_from("acme/infra", "staging")];
    let paths = Paths::All(vec!["docs/readme.md".to_owned()]);

    let (code, text) = ignored(plan_of(stacks(), &change("acme/web", "main"), &paths));
    assert_eq!(code, Code::RepositoryUnknown);
    assert_eq!(
        text,
        "the push of 01234567 to main of acme/web is not for us: \
         the account's 2 stacks track acme/infra"
    );

    let (code, text) = ignored(plan_of(stacks(), &change("acme/infra", "topic"), &paths));
    assert_eq!(code, Code::BranchNotTracked);
    assert_eq!(
        text,
        "the push of 01234567 to topic of acme/infra is not for us: no stack tracks topic; \
         tracked are main (by 1 stack) and staging (by 1 stack)"
    );

    let (code, text) = ignored(plan_of(stacks(), &change("acme/infra", "main"), &paths));
    assert_eq!(code, Code::NothingTouched);
    assert_eq!(
        text,
        "the push of 01234567 to main changes docs/readme.md, outside the project roots and \
         additional globs of all who track it (1 stack)"
    );

    let (code, text) = ignored(pushed(stacks(), &[]));
    assert_eq!(code, Code::NothingTouched);
    assert!(text.contains("changes no file"), "{text}");
}

#[test]
fn deleted_branches_and_tags_deliver_nothing() {
    let push = |deleted, tag| ChangePushed {
        change: change("acme/infra", "v1"),
        paths: Paths::Unknown,
        deleted,
        tag,
        forced: false,
    };
    let code = |deleted, tag| no_delivery(&push(deleted, tag)).map(|reason| reason.code);
    assert_eq!(code(true, false), Some(Code::RefDeleted));
    assert_eq!(code(true, true), Some(Code::RefDeleted));
    assert_eq!(code(false, true), None);
    assert_eq!(code(false, false), None);
    let (code, text) = ignored(tagged(&Known::new(7, vec![stack("a")]), "v1"));
    assert_eq!(code, Code::TagPushed);
    assert_eq!(text, "tag v1 of acme/infra was pushed; stacks track branches");
}

fn tagged(known: &Known, tag: &str) -> Plan {
    let (chain, kind, change) =
        (ChainId(Uuid::from_u128(1)), ChainKind::Deploy, change("acme/infra", tag));
    let (change, paths, by_code, gone) = (&change, &Paths::Unknown, &[][..], &[][..]);
    let before = None;
    let request = Request { chain, kind, change, paths, by_code, gone, before, tag: true };
    super::tag::propose(known, &request)
}

#[test]
fn a_stack_that_goes_by_tags_is_delivered_by_those_alone_that_fit() {
    let stacks = || {
        vec![
            stack("network"),
            stack("shop").after("network", &[]).label("stackly:on-tag=v*"),
            stack("site").after("shop", &[]),
            stack("lab").label("stackly:on-tag=lab-*"),
            stack("far").made_from("acme/apps", "main").label("stackly:on-tag=*"),
        ]
    };
    let tagged = |tag: &str| tagged(&Known::new(7, stacks()), tag);
    let by_tag = chain(tagged("v1.2"));
    let on_commit: Vec<(&str, bool)> =
        by_tag.steps.iter().map(|step| (step.stack.as_str(), step.on_commit)).collect();
    assert_eq!(on_commit, [("shop", true), ("site", false)]);
    let why = &by_tag.steps[0].why.text;
    assert_eq!(why, "tag v1.2 was pushed, which fits its label stackly:on-tag=v*");
    let (code, text) = ignored(tagged("release-1"));
    assert_eq!(code, Code::TagPushed);
    assert!(text.contains("it fits no label stackly:on-tag=… of lab and shop"), "{text}");

    let pushed_to_branch = chain(pushed(stacks(), &["network/main.tf", "shop/main.tf"]));
    let steps = steps(&pushed_to_branch);
    assert_eq!(steps.len(), 1);
    assert!(steps[0].ends_with("(left out, going by tags alone: shop)"), "{steps:?}");
    let (code, text) = ignored(pushed(stacks(), &["shop/main.tf"]));
    assert_eq!(code, Code::NothingTouched);
    assert!(text.contains("go by tags alone"), "{text}");
    // What it would come to is seen at the pull request.
    let change = Change { pull_request: Some(7), ..change("acme/infra", "main") };
    let paths = Paths::All(vec!["shop/main.tf".to_owned()]);
    let preview = chain(plan_of(stacks(), &change, &paths));
    assert_eq!(preview.steps.len(), 2);
}

#[test]
fn a_stack_whose_code_is_gone_is_left_out_whoever_tells_of_the_change() {
    let stacks = || {
        vec![
            stack("network").label("stackly:on-tag=v*"),
            stack("app").after("network", &[]),
            stack("back").after("network", &[]),
        ]
    };
    let was = || ("acme/infra".to_owned(), "main".to_owned());
    let loose = || ["app", "back", "gone"].map(|stack| (StackId::from(stack), was())).into();
    let named = |plan| chain(plan).steps.into_iter().map(|step| step.stack.0.to_string());
    let known = Known::with_code(7, stacks(), vec![blueprint("back")]).with_loose(loose());
    let change = Change { pull_request: Some(7), ..change("acme/infra", "main") };
    let paths = Paths::All(vec!["network/main.tf".to_owned(), "app/main.tf".to_owned()]);
    let by_branch: Vec<_> = named(plan_with(&known, &change, &paths)).collect();
    assert_eq!(by_branch, ["network", "back"]);
    let by_tag: Vec<_> = named(tagged(&known, "v1.2")).collect();
    assert_eq!(by_tag, ["network", "back"]);
}

#[test]
fn a_stack_that_runs_elsewhere_since_its_code_is_gone_runs_there_unless_that_has_none() {
    let was = ("acme/infra".to_owned(), "main".to_owned());
    let there = ("acme/private".to_owned(), "main".to_owned());
    let with_read = |branches: Vec<(String, String)>| {
        let stacks = vec![stack("app").made_from("acme/private", "main")];
        let read = branches.into_iter().map(|it| (it, BTreeSet::new())).collect();
        let known = Known::with_read(7, stacks, Vec::new(), Vec::new(), read);
        known.with_loose([("app".into(), was.clone())].into())
    };
    let paths = Paths::All(vec!["app/main.tf".to_owned()]);
    let change = change("acme/private", "main");
    let unread = chain(plan_with(&with_read(vec![was.clone()]), &change, &paths));
    assert_eq!(unread.steps.len(), 1, "nobody knows what is there");
    let read = plan_with(&with_read(vec![was.clone(), there]), &change, &paths);
    assert_eq!(ignored(read).0, Code::NothingTouched);
}

#[test]
fn a_pull_request_from_a_fork_is_previewed_only_if_the_installation_says_so() {
    let proposed = |fork| ChangeProposed {
        change: Change { pull_request: Some(3), ..change("acme/infra", "main") },
        paths: Paths::Unknown,
        fork,
        updated_at: None,
    };
    assert_eq!(no_preview(&proposed(true), true), None);
    assert_eq!(no_preview(&proposed(false), false), None);
    let reason = no_preview(&proposed(true), false).unwrap();
    assert_eq!(reason.code, Code::PolicyDenied);
    assert!(reason.text.starts_with("pull request 3 to main of acme/infra comes from a fork"));
}

/// Children with their parents, of which each has a smaller number; and what is touched.
#[test]
fn labels_say_how_chains_end_early_and_the_title_of_a_change_says_otherwise() {
    let options = |labels: &[&str], title: &str| {
        let mut stack = stack("a");
        stack = labels.iter().fold(stack, |stack, label| stack.label(label));
        let change = Change { title: title.to_owned(), ..change("acme/infra", "main") };
        let paths = Paths::All(["a/main.tf".to_owned()].into());
        let chain = chain(plan_of(vec![stack], &change, &paths));
        (chain.options.on_failure == OnFailure::Stop, chain.options.supersede)
    };
    assert_eq!(options(&[], "wider subnets"), (false, false));
    assert_eq!(options(&[FAIL_FAST, SUPERSEDE], "wider subnets"), (true, true));
    assert_eq!(options(&[], "wider subnets [stackly:fail-fast]"), (true, false));
    assert_eq!(options(&[], "[stackly:supersede] wider subnets"), (false, true));
    let other = "wider subnets [stackly:continue][stackly:keep]";
    assert_eq!(options(&[FAIL_FAST, SUPERSEDE], other), (false, false));
}

fn layered() -> impl Strategy<Value = (Vec<(usize, usize)>, BTreeSet<usize>)> {
    let edge = (0..16_usize, 0..16_usize)
        .prop_filter_map("no circle", |(a, b)| (a != b).then(|| (a.min(b), a.max(b))));
    (prop::collection::vec(edge, 0..40), prop::collection::btree_set(0..16_usize, 1..4))
}

fn account(edges: &[(usize, usize)]) -> Vec<Stack> {
    let mut stacks: Vec<Stack> = (0..16).map(|n| stack(&format!("s{n:02}"))).collect();
    for &(parent, child) in edges {
        stacks[child] = stacks[child].clone().after(&format!("s{parent:02}"), &[]);
    }
    stacks
}

proptest! {
    #[test]
    fn a_chain_has_what_is_touched_and_what_follows_and_nothing_else_parents_first(
        (edges, touched) in layered(),
        turned in any::<bool>(),
    ) {
        let mut wanted = touched.clone();
        while let Some(&(_, child)) =
            edges.iter().find(|(parent, child)| wanted.contains(parent) && !wanted.contains(child))
        {
            wanted.insert(child);
        }
        let mut account = account(&edges);
        if turned {
            account.reverse();
        }
        let paths: Vec<String> = touched.iter().map(|n| format!("s{n:02}/main.tf")).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let chain = chain(pushed(account, &paths));
        let order: Vec<&str> = chain.steps.iter().map(|step| step.stack.as_str()).collect();
        let names: BTreeSet<String> = wanted.iter().map(|n| format!("s{n:02}")).collect();
        prop_assert_eq!(order.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>(), names);
        prop_assert_eq!(order.len(), wanted.len(), "nothing comes twice");
        let place = |id: &str| order.iter().position(|other| *other == id);
        for (parent, child) in edges {
            let (parent, child) = (format!("s{parent:02}"), format!("s{child:02}"));
            if let (Some(before), Some(after)) = (place(&parent), place(&child)) {
                prop_assert!(before < after, "{} before {}", parent, child);
            }
        }
    }
}
