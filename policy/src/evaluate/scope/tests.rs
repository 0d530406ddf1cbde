use contracts::gate::{GateRequested, GateStack, Outcome};

use super::*;
use crate::{
    evaluate::{Case, decide, may_break_glass},
    fixtures::{noon, policies, request, stack},
};

#[test]
fn every_condition_of_a_match_must_hold_and_any_value_of_a_list_will_do() {
    let path = Some("stacks/net/prod".to_owned());
    let stack = GateStack { path, ..stack("net-prod", &["env:prod", "team:net"]) };
    let gate = GateRequested {
        steps: Some(3),
        delta: Some(Delta { added: 2, changed: 1, deleted: 0 }),
        ..request(Moment::BeforeApply, &[stack])
    };
    for (condition, fits) in [
        ("paths = \"stacks/net/*\"", true),
        ("paths = [\"stacks/db/*\", \"STACKS/NET/PROD\"]", true),
        ("paths = \"net/*\"", false),
        ("author_groups = [\"ops\", \"writers\"]", true),
        ("author_groups = \"ops\"", false),
        ("min_stacks = 3", true),
        ("min_stacks = 4", false),
        ("min_added = 2", true),
        ("min_added = 3", false),
        ("min_changed = 1", true),
        ("min_changed = 2", false),
        ("min_deleted = 1", false),
        ("min_stacks = 3\n min_added = 3", false),
        ("labels = [\"team:db\", \"team:net\"]", true),
        ("labels = [\"team:*\"]", true),
        ("labels = [\"team:db\"]", false),
        ("environment = \"prod\"", true),
        ("environment = [\"staging\", \"pr*\"]", true),
        ("environment = \"staging\"", false),
        ("spaces = \"platform\"", true),
        ("spaces = \"platform-*\"", true),
        ("spaces = \"platform-01HZZZZZZZZZZZZZZZZZZZZZZZ\"", true),
        ("spaces = \"data\"", false),
        ("stacks = \"net-*\"", true),
        ("stacks = \"db-*\"", false),
        ("repositories = \"acme/*\"", true),
        ("repositories = \"umbrella/*\"", false),
        ("branches = [\"main\", \"release/*\"]", true),
        ("branches = \"release/*\"", false),
        ("authors = \"dora\"", true),
        ("authors = \"*-bot\"", false),
        ("moment = [\"before_chain\", \"before_apply\"]", true),
        ("moment = \"before_plan\"", false),
        ("kind = [\"deploy\", \"preview\"]", true),
        ("kind = \"preview\"", false),
        ("labels = \"team:net\"\n environment = \"prod\"\n stacks = \"net-*\"", true),
        ("labels = \"team:net\"\n environment = \"prod\"\n stacks = \"db-*\"", false),
    ] {
        let is_said = condition.contains("moment");
        let moment = if is_said { "" } else { "moment = \"before_apply\"\n" };
        let set = policies(&format!(
            "policy \"p\" {{\n match {{\n {condition}\n {moment}}}\n deny {{ reason = \"no\" }}\n}}\n\
             group \"ops\" {{ members = [\"olga\"] }}\ngroup \"writers\" {{ members = [\"dd\"] }}\n\
             person \"dd\" {{ also = [\"dora\"] }}"
        ));
        let verdict = decide(&set, &gate, &[], noon());
        assert_eq!(verdict.outcome == Outcome::Deny, fits, "{condition}");
    }
}

#[test]
fn a_stack_whose_code_asks_for_it_is_held_to_a_policy_about_others() {
    let text = "policy \"Frozen\" {\n environment = \"prod\"\n deny { reason = \"no\" }\n \
                except { labels = [\"urgent\"] }\n}\n\
                policy \"labs\" {\n environment = \"lab\"\n \
                deregistration { on_code_gone = \"destroy\" }\n}";
    let set = policies(text);
    let outcome = |labels: &[&str]| {
        let gate = request(Moment::BeforePlan, &[stack("s", labels)]);
        decide(&set, &gate, &[], noon()).outcome
    };
    assert_eq!(outcome(&["env:dev"]), Outcome::Pass);
    assert_eq!(outcome(&["env:dev", "stackly:policy=frozen"]), Outcome::Deny);
    assert_eq!(outcome(&["env:dev", "stackly:policy=froz"]), Outcome::Pass);
    assert_eq!(outcome(&["urgent", "stackly:policy=frozen"]), Outcome::Pass, "it is left out");
    let gone = GateRequested {
        action: Action::Deregister,
        ..request(Moment::BeforeChain, &[stack("s", &["stackly:policy=labs"])])
    };
    assert_eq!(decide(&set, &gone, &[], noon()).outcome, Outcome::Deny, "nobody asks for that");
}

#[test]
fn what_code_says_of_a_stack_holds_it_and_lets_it_go_from_nothing() {
    let set = policies(
        "freeze \"earnings\" {\n match { labels = [\"team:net\"] }\n dates = [\"11-20\"]\n \
         reason = \"books\"\n except { labels = [\"urgent\"] }\n except { environment = \"lab\" }\n}\n\
         policy \"labs\" {\n environment = \"lab\"\n \
         deregistration { on_code_gone = \"destroy\" }\n}\n\
         break_glass \"b\" {\n match { environment = \"lab\" }\n allowed_users = [\"carol\"]\n}",
    );
    let labelled = |own: &[&str], code: &[&str]| GateStack {
        code_labels: code.iter().map(|&label| label.to_owned()).collect(),
        ..stack("net", &[own, code].concat())
    };
    let is_frozen = |own: &[&str], code: &[&str]| {
        let gate = request(Moment::BeforePlan, &[labelled(own, code)]);
        decide(&set, &gate, &[], noon()).outcome != Outcome::Pass
    };
    assert!(is_frozen(&[], &["team:net"]), "it holds");
    assert!(is_frozen(&["team:net"], &["urgent"]), "the change may have written it");
    assert!(is_frozen(&["team:net"], &["env:lab"]));
    assert!(!is_frozen(&["team:net", "urgent"], &[]));
    assert!(!is_frozen(&["urgent"], &["team:net"]));

    let stays = |own: &[&str], code: &[&str]| {
        let stacks = [labelled(own, code)];
        let action = Action::Deregister;
        let gone = GateRequested { action, ..request(Moment::BeforeChain, &stacks) };
        decide(&set, &gone, &[], noon()).outcome == Outcome::Deny
    };
    assert!(stays(&[], &["env:lab"]));
    assert!(!stays(&["env:lab"], &[]));

    let may_override = |own: &[&str], code: &[&str]| {
        let gate = request(Moment::BeforePlan, &[labelled(own, code)]);
        may_break_glass(&set, &Case::new(&gate, noon()), "carol").is_some()
    };
    assert!(!may_override(&[], &["env:lab"]));
    assert!(may_override(&["env:lab"], &[]));
}

/// At which of its gates the rule of a policy is silent, if its `except` says this.
#[test]
fn what_is_left_out_is_left_out_at_the_moments_and_in_the_chains_it_says() {
    use ChainKind::{Deploy, Preview};
    use Moment::{BeforeApply, BeforePlan};
    let deny = "deny { reason = \"no\" }";
    let both = "match { moment = [\"before_plan\", \"before_apply\"] }\n deny { reason = \"no\" }";
    let late = "match { moment = \"before_apply\" }\n deny { reason = \"no\" }";
    let cases: &[(&str, &str, ChainKind, bool, Moment, bool)] = &[
        (deny, "kind = \"preview\"", Preview, false, BeforePlan, true),
        (deny, "kind = \"preview\"", Deploy, false, BeforePlan, false),
        (deny, "kind = [\"deploy\", \"preview\"]", Deploy, false, BeforePlan, true),
        (both, "moment = \"before_plan\"", Deploy, false, BeforePlan, true),
        (both, "moment = \"before_plan\"", Deploy, false, BeforeApply, false),
        (both, "moment = \"before_apply\"", Deploy, false, BeforeApply, true),
        // What applies by itself is asked for its apply, too, before its plan.
        (both, "moment = \"before_plan\"", Deploy, true, BeforePlan, false),
        (both, "moment = \"before_apply\"", Deploy, true, BeforePlan, false),
        (both, "moment = [\"before_plan\", \"before_apply\"]", Deploy, true, BeforePlan, true),
        (late, "moment = \"before_apply\"", Deploy, true, BeforePlan, true),
        (late, "moment = \"before_plan\"", Deploy, true, BeforePlan, false),
    ];
    for (rule, except, kind, autodeploy, moment, is_out) in cases {
        let set = policies(&format!("policy \"p\" {{\n {rule}\n except {{ {except} }}\n}}"));
        let stack = GateStack { autodeploy: *autodeploy, ..stack("s", &[]) };
        let gate = GateRequested { kind: *kind, ..request(*moment, &[stack]) };
        let passes = decide(&set, &gate, &[], noon()).outcome == Outcome::Pass;
        assert_eq!(passes, *is_out, "{rule} except {except}: {kind:?}, {autodeploy}, {moment}");
    }
}

#[test]
fn a_glass_is_broken_at_the_moments_and_in_the_chains_its_block_says() {
    use ChainKind::{Deploy, Preview};
    use Moment::{BeforeApply, BeforeChain, BeforePlan};
    let cases: &[(&str, ChainKind, bool, &[Moment])] = &[
        ("", Deploy, true, &[BeforeChain, BeforePlan, BeforeApply]),
        ("moment = \"before_chain\"", Deploy, false, &[BeforeChain]),
        ("moment = \"before_plan\"", Deploy, false, &[BeforePlan]),
        ("moment = \"before_plan\"", Deploy, true, &[]),
        ("moment = \"before_apply\"", Deploy, false, &[BeforeApply]),
        ("moment = \"before_apply\"", Deploy, true, &[BeforePlan, BeforeApply]),
        ("moment = \"before_plan\"", Preview, false, &[BeforePlan]),
        ("kind = \"preview\"", Preview, false, &[BeforeChain, BeforePlan, BeforeApply]),
        ("kind = \"preview\"", Deploy, false, &[]),
    ];
    for (condition, kind, autodeploy, expected) in cases {
        let set = policies(&format!(
            "break_glass \"b\" {{\n match {{ {condition} }}\n allowed_users = [\"carol\"]\n}}"
        ));
        for moment in [BeforeChain, BeforePlan, BeforeApply] {
            let stack = GateStack { autodeploy: *autodeploy, ..stack("s", &[]) };
            let gate = GateRequested { kind: *kind, ..request(moment, &[stack]) };
            let may = may_break_glass(&set, &Case::new(&gate, noon()), "carol").is_some();
            assert_eq!(may, expected.contains(&moment), "{condition}, {kind:?}, at {moment}");
        }
    }
}

#[test]
fn both_labels_that_name_an_environment_are_known() {
    let set = policies("policy \"p\" {\n environment = \"prod\"\n deny { reason = \"no\" }\n}");
    for (label, fits) in [
        ("env:prod", true),
        ("environment:prod", true),
        ("env:production", false),
        ("prod", false),
        ("old-env:prod", false),
    ] {
        let verdict =
            decide(&set, &request(Moment::BeforePlan, &[stack("s", &[label])]), &[], noon());
        assert_eq!(verdict.outcome == Outcome::Deny, fits, "{label}");
    }
}

/// At which gates of a step each kind of rule speaks, by the kind of chain and of stack.
#[test]
fn each_rule_speaks_at_the_last_gate_it_can_be_enforced_at() {
    let schedule = "schedule { allowed_hours = [\"0-1\"] }";
    let approval = "approval {}";
    let deny = "deny { reason = \"no\" }";
    use ChainKind::{Deploy, Preview};
    use Moment::{BeforeApply, BeforeChain, BeforePlan};
    let cases: &[(&str, &str, ChainKind, bool, &[Moment])] = &[
        (schedule, "", Deploy, false, &[BeforeApply]),
        (schedule, "", Deploy, true, &[BeforePlan, BeforeApply]),
        (schedule, "", Preview, false, &[]),
        (schedule, "kind = \"preview\"", Preview, false, &[BeforePlan, BeforeApply]),
        (schedule, "kind = \"preview\"", Deploy, false, &[]),
        (approval, "", Deploy, false, &[BeforeApply]),
        (approval, "", Deploy, true, &[BeforePlan, BeforeApply]),
        (approval, "", Preview, true, &[]),
        (approval, "moment = \"before_plan\"", Deploy, false, &[BeforePlan]),
        (approval, "moment = \"before_apply\"", Deploy, true, &[BeforePlan, BeforeApply]),
        (approval, "moment = \"before_chain\"", Deploy, true, &[BeforeChain]),
        (deny, "", Deploy, false, &[BeforePlan]),
        (deny, "", Preview, true, &[BeforePlan]),
        (deny, "kind = \"deploy\"", Preview, false, &[]),
        (deny, "moment = \"before_chain\"", Deploy, false, &[BeforeChain]),
    ];
    for (rule, condition, kind, autodeploy, expected) in cases {
        let set = policies(&format!("policy \"p\" {{\n match {{\n{condition}\n}}\n {rule}\n}}"));
        for moment in [BeforeChain, BeforePlan, BeforeApply] {
            let stack = GateStack { autodeploy: *autodeploy, ..stack("s", &[]) };
            let gate = GateRequested { kind: *kind, ..request(moment, &[stack]) };
            let verdict = decide(&set, &gate, &[], noon());
            assert_eq!(
                verdict.outcome != Outcome::Pass,
                expected.contains(&moment),
                "{rule} with {condition:?} in a {kind:?}, autodeploy {autodeploy}, at {moment}"
            );
        }
    }
}

#[test]
fn a_gate_before_a_chain_is_about_the_stacks_that_fit() {
    let set = policies(
        "policy \"p\" {\n match {\n stacks = \"net-*\"\n moment = \"before_chain\"\n }\n\
         deny { reason = \"no\" }\n}",
    );
    let gate = |names: &[&str]| {
        let stacks: Vec<_> = names.iter().map(|name| stack(name, &[])).collect();
        decide(&set, &request(Moment::BeforeChain, &stacks), &[], noon())
    };
    assert_eq!(gate(&["db", "app"]).outcome, Outcome::Pass);
    assert_eq!(gate(&["db", "net-a"]).reasons[0].text, "policy p denies net-a: no");
    let many = gate(&["net-a", "net-b", "net-c", "net-d", "net-e"]);
    assert_eq!(many.reasons[0].text, "policy p denies net-a, net-b, net-c and 2 more: no");
    assert_eq!(gate(&[]).outcome, Outcome::Pass);
}

#[test]
fn conditions_on_the_stack_must_hold_for_one_and_the_same_stack() {
    let set = policies(
        "policy \"p\" {\n match {\n stacks = \"net-*\"\n labels = \"env:prod\"\n\
         moment = \"before_chain\"\n }\n deny { reason = \"no\" }\n}",
    );
    let stacks = [stack("net-dev", &["env:dev"]), stack("db-prod", &["env:prod"])];
    let verdict = decide(&set, &request(Moment::BeforeChain, &stacks), &[], noon());
    assert_eq!(verdict.outcome, Outcome::Pass);
}
