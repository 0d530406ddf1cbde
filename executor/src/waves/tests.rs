use contracts::{chain::ChainPlanned, step::StepState};
use serde_json::json;

use super::*;
use crate::fixtures::{ChainFixture, step};

/// Each wave with its stacks, then the stacks that wait with the number of waves they wait for.
fn said(chain: &ChainFixture) -> String {
    let chain = chain.chain();
    let names = |places: &[usize]| {
        places.iter().map(|&at| chain.stack(at).as_str()).collect::<Vec<_>>().join(" ")
    };
    let waves =
        chain.waves.list.iter().map(|wave| format!("{}: {}", wave.name, names(&wave.steps)));
    let waiting = chain.waves.after.iter().enumerate().filter(|(_, after)| **after > 0);
    let waiting = waiting.map(|(at, after)| format!("{} after {after}", chain.stack(at)));
    waves.chain(waiting).collect::<Vec<_>>().join("; ")
}

fn labelled(stacks: &[(&str, &[&str])], labels: &[(&str, &str)]) -> ChainFixture {
    let chain = labels
        .iter()
        .fold(ChainFixture::of(stacks), |chain, (stack, label)| chain.labelled(stack, label));
    chain.gating()
}

const APART: &[(&str, &[&str])] = &[("a", &[]), ("b", &[]), ("c", &[]), ("d", &[])];

#[test]
fn waves_follow_their_numbers_and_who_has_none_waits_for_none() {
    let chain = labelled(
        APART,
        &[("a", "stackly:wave=7"), ("b", "stackly:wave:2"), ("c", "stackly:wave=7")],
    );
    assert_eq!(said(&chain), "wave 2: b; wave 7: a c; a after 1; c after 1");
}

#[test]
fn canaries_go_before_all_others_whatever_their_wave() {
    let chain = labelled(
        APART,
        &[("b", "stackly:canary"), ("b", "stackly:wave=3"), ("c", "stackly:wave=1")],
    );
    assert_eq!(said(&chain), "the canary wave: b; wave 1: c; a after 1; c after 1; d after 1");
}

#[test]
fn what_a_canary_depends_on_goes_with_it() {
    let chain = labelled(
        &[("a", &[]), ("b", &["a"]), ("c", &["b"]), ("d", &["a"])],
        &[("b", "stackly:canary"), ("a", "stackly:wave=2")],
    );
    assert_eq!(said(&chain), "the canary wave: a b; c after 1; d after 1");
}

#[test]
fn who_depends_on_a_later_wave_is_of_that_wave() {
    // Over `b`, which is of no wave.
    let chain = labelled(
        &[("a", &[]), ("b", &["a"]), ("c", &["b"]), ("d", &[])],
        &[("a", "stackly:wave=2"), ("c", "stackly:wave=1"), ("d", "stackly:wave=1")],
    );
    assert_eq!(said(&chain), "wave 1: d; wave 2: a c; a after 1; c after 1");
}

#[test]
fn a_number_that_cannot_be_read_is_last() {
    let chain = labelled(APART, &[("a", "stackly:wave=soon"), ("b", "stackly:wave=1")]);
    assert_eq!(
        said(&chain),
        "wave 1: b; the last wave (of stacks whose label names no number): a; a after 1"
    );
}

#[test]
fn where_nobody_waits_there_are_no_waves() {
    let one = [("a", "stackly:wave=1"), ("b", "stackly:wave=1")];
    assert!(labelled(APART, &one).chain().waves.is_none());
    assert!(labelled(APART, &[]).chain().waves.is_none());
    let two = [("a", "stackly:wave=1"), ("b", "stackly:wave=2")];
    let chain = labelled(APART, &two);
    let chain = chain.chain();
    assert!(Waves::of(ChainKind::Preview, &chain.steps, &chain.shape).is_none(), "a preview");
    assert!(!chain.waves.is_none());
}

#[test]
fn the_turns_of_a_chain_that_nobody_has_started_are_those_it_would_have() {
    let told = |stacks: &[(&str, &[&str])], labels: &[(&str, &str)]| {
        let steps = |(stack, _): &(&str, &[&str])| {
            let of_it = labels.iter().filter(|(of, _)| of == stack);
            let labels = of_it.map(|(_, label)| Text::from(*label)).collect();
            PlannedStep { labels, ..step(stack) }
        };
        let planned = ChainPlanned {
            steps: stacks.iter().map(steps).collect(),
            ..ChainFixture::of(stacks).planned
        };
        let turn = |turn: &Turn| {
            let wave = turn.wave.map(|wave| format!(" in {wave}")).unwrap_or_default();
            format!("{}{wave}", planned.steps[turn.step].stack)
        };
        turns(&planned).iter().map(turn).collect::<Vec<_>>().join(", ")
    };
    let two = [("a", "stackly:wave=2"), ("b", "stackly:wave=1")];
    let apart: &[(&str, &[&str])] = &[("a", &[]), ("b", &[])];
    assert_eq!(told(apart, &two), "b in wave 1, a in wave 2");
    assert_eq!(told(apart, &[]), "a, b");
    let child: &[(&str, &[&str])] = &[("a", &[]), ("b", &[]), ("c", &["a"]), ("d", &[])];
    let all = [&two[..], &[("d", "stackly:canary")]].concat();
    assert_eq!(told(child, &two), "b in wave 1, d, a in wave 2, c");
    assert_eq!(told(child, &all), "d in the canary wave, b in wave 1, a in wave 2, c");
}

fn rule(rules: &Rules, chain: &ChainFixture) -> (u64, usize, String) {
    let chain = chain.chain();
    let rules::Rule { soak, failures, checks } = rules.of(&chain.waves.list[0], &chain.steps);
    (soak.as_secs(), failures, checks.join(" "))
}

fn unheeded(chain: &ChainFixture) -> String {
    let chain = chain.chain();
    Rules::unheeded(&chain.waves.list[0], &chain.steps)
}

#[test]
fn a_label_that_names_no_time_is_told_and_not_heeded() {
    let labels = [
        ("a", "stackly:wave=1"),
        ("a", "stackly:soak=soon"),
        ("b", "stackly:wave=2"),
        ("b", "stackly:soak=never"),
    ];
    let chain = labelled(APART, &labels);
    assert_eq!(rule(&Rules::default(), &chain), (0, 0, String::new()));
    assert_eq!(unheeded(&chain), "; `stackly:soak=soon` of a names no time, so it is not heeded");
}

#[test]
fn the_longest_time_all_checks_and_the_fewest_failures_count() {
    let first: Vec<(String, &[&str])> = (0..10).map(|n| (format!("s{n}"), [].as_slice())).collect();
    let stacks: Vec<(&str, &[&str])> = first
        .iter()
        .map(|(name, none)| (name.as_str(), *none))
        .chain([("z", [].as_slice())])
        .collect();
    let mut labels: Vec<(&str, &str)> =
        first.iter().map(|(name, _)| (name.as_str(), "stackly:wave=1")).collect();
    labels.push(("z", "stackly:wave=2"));
    let plain = labelled(&stacks, &labels);
    labels.extend([("s3", "env:prod"), ("s4", "stackly:soak=10m"), ("s5", "stackly:check=shop")]);
    let special = labelled(&stacks, &labels);

    let rules: Rules = serde_json::from_value(json!({
        "soak": "1m",
        "look_every": "1m",
        "failures": "30%",
        "checks": ["errors"],
        "labels": { "env:prod": { "soak": "5m", "failures": 1, "checks": ["errors", "dns"] } },
        "spaces": { "root": { "failures": "20%" } },
    }))
    .unwrap();
    assert_eq!(rule(&rules, &plain), (60, 2, "errors".to_owned()));
    assert_eq!(rule(&rules, &special), (600, 1, "dns errors shop".to_owned()));
    assert_eq!(unheeded(&special), "");
    let named: Vec<String> = rules.named().map(|(place, name)| format!("{place} {name}")).collect();
    assert_eq!(
        named,
        [
            "waves.checks errors",
            "waves.labels.\"env:prod\".checks errors",
            "waves.labels.\"env:prod\".checks dns"
        ]
    );
}

#[test]
fn failures_are_a_number_or_a_percentage_rounded_down() {
    assert_eq!("3".parse::<Failures>().unwrap().of(1), 3);
    assert_eq!("10%".parse::<Failures>().unwrap().of(19), 1);
    for wrong in ["", "-1", "101%", "a few", "%"] {
        let fault = wrong.parse::<Failures>().unwrap_err();
        assert!(fault.contains("percentage"), "{wrong}: {fault}");
    }
}

#[test]
fn a_step_that_ended_without_a_run_of_its_own_changed_nothing() {
    let chain = labelled(APART, &[("a", "stackly:wave=1"), ("b", "stackly:wave=2")])
        .admitted()
        .with("a", StepState::Denied);
    let chain = chain.chain();
    let tally = chain.tally(&chain.waves.list[0]);
    assert_eq!(tally, Tally { steps: 1, open: 0, bad: 1, changed: 0 });
}
