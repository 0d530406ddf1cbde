//! A model checker: every order in which a small chain and a small Spacelift can meet.
//!
//! Beside the walks, which go far at random, this goes everywhere within bounds: reports lost,
//! doubled and in any order, calls that die before and after they took effect, answers that are
//! older than the run, gates that say yes or no, orders of people at every moment. In every state
//! that can be reached what [`world`] checks must hold, and an end must still be within reach.

mod world;

use std::{
    collections::{HashMap, hash_map::Entry},
    time::Duration,
};

use contracts::order::OrderKind;
use world::{Bounds, World};

use crate::{fixtures::ChainFixture, waves::Rules};

/// What was found.
struct Explored {
    states: usize,
    steps: usize,
    /// The first thing that must not happen, with the way to it.
    violation: Option<String>,
    /// A state from which no end can be reached any more, with the way to it.
    trap: Option<String>,
}

/// Goes to every state that can be reached.
fn explore(chain: ChainFixture, bounds: Bounds) -> Explored {
    let first = World::new(chain, bounds);
    let mut known: HashMap<u64, usize> = HashMap::from([(first.fingerprint(), 0)]);
    // How each state was reached first, and from where each can be reached at all.
    let mut ways: Vec<(usize, String)> = vec![(0, "planned".to_owned())];
    let mut before: Vec<Vec<usize>> = vec![Vec::new()];
    let mut ended: Vec<usize> = Vec::new();
    let mut open = vec![(0, first)];
    let mut steps = 0;
    while let Some((at, world)) = open.pop() {
        if world.is_at_rest() {
            ended.push(at);
        }
        for action in world.actions() {
            steps += 1;
            let mut next = world.clone();
            let said = format!("{action:?}");
            if let Err(violation) = next.act(action) {
                let violation = format!("{violation}\n{}", way(&ways, at, &said));
                let states = known.len();
                return Explored { states, steps, violation: Some(violation), trap: None };
            }
            let place = known.len();
            match known.entry(next.fingerprint()) {
                Entry::Occupied(entry) => before[*entry.get()].push(at),
                Entry::Vacant(entry) => {
                    entry.insert(place);
                    ways.push((at, said));
                    before.push(vec![at]);
                    open.push((place, next));
                }
            }
        }
    }
    let trap = trapped(&before, ended).map(|at| way(&ways, at, "and no end can be reached"));
    Explored { states: known.len(), steps, violation: None, trap }
}

/// A state from which no end can be reached.
fn trapped(before: &[Vec<usize>], ended: Vec<usize>) -> Option<usize> {
    let mut reaches = vec![false; before.len()];
    let mut open = ended;
    while let Some(at) = open.pop() {
        if !std::mem::replace(&mut reaches[at], true) {
            open.extend(&before[at]);
        }
    }
    reaches.iter().position(|reaches| !reaches)
}

fn way(ways: &[(usize, String)], mut at: usize, last: &str) -> String {
    let mut said = vec![last.to_owned()];
    while at > 0 {
        said.push(ways[at].1.clone());
        at = ways[at].0;
    }
    said.reverse();
    said.join("\n  then ")
}

fn holds(chain: ChainFixture, bounds: Bounds, states_min: usize) {
    let explored = explore(chain, bounds);
    if let Some(violation) = explored.violation {
        panic!("{violation}");
    }
    if let Some(trap) = explored.trap {
        panic!("a trap: {trap}");
    }
    let Explored { states, steps, .. } = explored;
    assert!(
        states >= states_min,
        "only {states} states by {steps} steps: the bounds are too narrow"
    );
}

fn line() -> ChainFixture {
    ChainFixture::of(&[("a", &[]), ("b", &["a"])])
}

#[test]
fn in_a_line_of_two_nothing_that_must_not_happen_does() {
    holds(line(), Bounds { people: 1, ..Bounds::default() }, 1_000);
}

#[test]
fn side_by_side_nothing_that_must_not_happen_does() {
    holds(
        ChainFixture::of(&[("a", &[]), ("b", &[])]),
        Bounds { narrow: true, ..Bounds::default() },
        1_000,
    );
}

#[test]
fn under_two_parents_nothing_that_must_not_happen_does() {
    let chain = ChainFixture::of(&[("a", &[]), ("b", &[]), ("c", &["a", "b"])]);
    holds(chain, Bounds { narrow: true, plain: true, ..Bounds::default() }, 1_000);
}

#[test]
fn whenever_a_step_is_cancelled_it_ends_and_an_apply_is_broken_off_only_by_force() {
    let orders = vec![(OrderKind::Cancel, false), (OrderKind::Cancel, true)];
    holds(ChainFixture::single(), Bounds { people: 1, orders, ..Bounds::default() }, 500);
}

#[test]
fn whenever_a_chain_is_paused_and_resumed_it_ends_as_it_would_have() {
    let orders = vec![(OrderKind::Pause, false), (OrderKind::Resume, false)];
    holds(line(), Bounds { narrow: true, orders, ..Bounds::default() }, 500);
}

#[test]
fn whenever_a_step_is_paused_it_begins_nothing_and_ends_as_it_would_have_once_it_is_resumed() {
    let orders = vec![(OrderKind::Pause, false), (OrderKind::Resume, false)];
    let bounds = Bounds { narrow: true, orders, ..Bounds::default() };
    for stack in ["a", "b"] {
        let about = Bounds { orders_about: Some(stack), ..bounds.clone() };
        holds(line(), Bounds { people: 1, ..about.clone() }, 500);
        let plain = Bounds { plain: true, ..about };
        holds(line().planning_all(), plain.clone(), 100);
        holds(line(), Bounds { flaky: true, ..plain }, 50);
    }
}

#[test]
fn whenever_a_chain_is_cancelled_and_tried_again_no_attempt_meets_another() {
    let orders = vec![(OrderKind::Cancel, false), (OrderKind::Retry, true)];
    holds(ChainFixture::single(), Bounds { orders, ..Bounds::default() }, 1_000);
}

#[test]
fn whenever_what_depends_on_others_is_cancelled_and_tried_again_it_comes_to_an_end() {
    let orders = vec![(OrderKind::Cancel, false), (OrderKind::Retry, false)];
    let (narrow, cleared, orders_about) = (true, true, Some("b"));
    let bounds = Bounds { narrow, cleared, orders_about, orders, ..Bounds::default() };
    holds(line(), bounds.clone(), 500);
    holds(line().planning_all(), Bounds { plain: true, ..bounds }, 100);
}

#[test]
fn a_failure_that_passes_leads_to_a_second_attempt_and_never_to_two_runs_at_once() {
    let flaky = ChainFixture::single().labelled("a", "stackly:attempts=2");
    holds(flaky.clone(), Bounds { flaky: true, ..Bounds::default() }, 300);
    holds(flaky.clone(), Bounds { logs: true, ..Bounds::default() }, 300);
    for order in [(OrderKind::Cancel, false), (OrderKind::Cancel, true), (OrderKind::Retry, false)]
    {
        let bounds = Bounds { narrow: true, logs: true, orders: vec![order], ..Bounds::default() };
        holds(flaky.clone(), bounds, 300);
    }
}

#[test]
fn what_need_not_ask_is_ended_and_paused_like_everything_else() {
    let orders = vec![(OrderKind::Cancel, false), (OrderKind::Retry, true)];
    let bounds = Bounds { people: 1, orders, cleared: true, ..Bounds::default() };
    holds(ChainFixture::single(), bounds, 500);
    let orders = vec![(OrderKind::Pause, false), (OrderKind::Resume, false)];
    let bounds = Bounds { narrow: true, orders, cleared: true, ..Bounds::default() };
    holds(line(), bounds, 300);
}

#[test]
fn what_is_not_run_because_nothing_changed_has_no_parent_that_applied() {
    let bounds = Bounds { people: 1, settled: true, ..Bounds::default() };
    holds(line().following(), bounds, 1_000);
}

#[test]
fn what_is_not_run_because_outputs_are_as_they_were_reads_nothing_that_changed() {
    let chain = || line().following().reading(&["vpc_id"]);
    let bounds = Bounds { settled: true, ..Bounds::default() };
    holds(chain(), Bounds { people: 1, ..bounds.clone() }, 1_000);
    let orders = vec![(OrderKind::Pause, false), (OrderKind::Resume, false)];
    let narrow = Bounds { narrow: true, ..bounds };
    holds(chain(), Bounds { orders, ..narrow.clone() }, 300);
    let orders = vec![(OrderKind::Cancel, false), (OrderKind::Retry, false)];
    holds(chain(), Bounds { orders, plain: true, ..narrow }, 100);
}

#[test]
fn a_step_that_waits_for_any_parent_starts_once_or_never() {
    let chain = ChainFixture::of(&[("a", &[]), ("b", &[]), ("c", &["a", "b"])]);
    let bounds = Bounds { narrow: true, plain: true, ..Bounds::default() };
    holds(chain.labelled("c", "stackly:join=any"), bounds, 1_000);
}

#[test]
fn nothing_begins_before_the_chain_does_whatever_is_cancelled_and_whatever_its_gate_says() {
    for on in ["always", "failure"] {
        let chain = line().labelled("b", &format!("stackly:on={on}:a"));
        let orders = vec![(OrderKind::Cancel, false), (OrderKind::Pause, false)];
        let bounds =
            Bounds { narrow: true, plain: true, denied: true, orders, ..Bounds::default() };
        holds(chain.clone(), Bounds { orders_about: Some("a"), ..bounds.clone() }, 50);
        holds(chain.planning_all(), Bounds { orders_about: Some("a"), ..bounds }, 50);
    }
}

#[test]
fn in_a_chain_that_stops_at_its_first_failure_no_run_begins_after_it() {
    let chain = ChainFixture::of(&[("a", &[]), ("b", &[])]).failing_fast();
    let chain = chain.labelled("a", "stackly:attempts=1").labelled("b", "stackly:attempts=2");
    let narrow = Bounds { narrow: true, ..Bounds::default() };
    holds(chain.clone(), Bounds { flaky: true, ..narrow.clone() }, 500);
    holds(chain, Bounds { waits: 1, ..narrow.clone() }, 500);
    let orders = vec![(OrderKind::Retry, false)];
    let repaired = line().failing_fast().labelled("b", "stackly:on=failure:a");
    holds(repaired, Bounds { orders, ..narrow }, 300);
}

#[test]
fn what_is_there_for_the_failure_of_a_canary_runs_then_and_nothing_else() {
    let chain = ChainFixture::of(&[("a", &[]), ("back", &["a"]), ("rest", &[])]);
    let chain = chain.labelled("a", "stackly:canary").labelled("back", "stackly:on=failure:a");
    holds(chain, Bounds { narrow: true, ..Bounds::default() }, 200);
}

/// `a` in the wave before `b`.
fn waves() -> ChainFixture {
    let chain = ChainFixture::of(&[("a", &[]), ("b", &[])]);
    chain.labelled("a", "stackly:wave=1").labelled("b", "stackly:wave=2")
}

fn checked() -> Rules {
    let checks = vec!["errors".to_owned(), "shop".to_owned()];
    Rules { soak: Duration::from_secs(3_600), checks, ..Rules::default() }
}

#[test]
fn no_wave_begins_before_the_one_before_ended_well_soaked_and_is_sound() {
    let rules = checked();
    holds(waves(), Bounds { narrow: true, rules, ..Bounds::default() }, 200);
}

#[test]
fn no_wave_begins_after_one_that_was_not_sound_while_it_soaked_unless_a_person_says_so() {
    let day = Duration::from_secs(86_400);
    let (soak, look_every) = (day * 2 + day / 2, day / 2);
    let rules = Rules { soak, look_every, checks: vec!["shop".to_owned()], ..Rules::default() };
    let orders = vec![(OrderKind::Retry, false), (OrderKind::Resume, false)];
    let bounds = Bounds { narrow: true, plain: true, rules, orders, ..Bounds::default() };
    holds(waves(), bounds, 100);
}

#[test]
fn whenever_a_person_pauses_resumes_or_looks_again_waves_keep_their_order() {
    let orders = [OrderKind::Pause, OrderKind::Retry, OrderKind::Resume, OrderKind::Resume];
    let orders = orders.map(|kind| (kind, false)).to_vec();
    let (rules, plain, narrow) = (checked(), true, true);
    holds(waves(), Bounds { narrow, plain, rules, orders, ..Bounds::default() }, 500);
}

#[test]
fn whenever_a_chain_of_waves_is_cancelled_and_tried_again_it_ends_and_no_wave_begins_too_early() {
    let orders = [OrderKind::Cancel, OrderKind::Retry].map(|kind| (kind, false)).to_vec();
    let bounds =
        Bounds { narrow: true, plain: true, rules: checked(), orders, ..Bounds::default() };
    holds(waves(), bounds.clone(), 500);
    holds(waves(), Bounds { orders_about: Some("b"), ..bounds }, 500);
}

#[test]
fn what_is_tried_again_brings_back_the_later_waves_and_starts_none_too_early() {
    let orders = vec![(OrderKind::Retry, false)];
    holds(waves(), Bounds { narrow: true, orders, ..Bounds::default() }, 300);
}

#[test]
fn with_everything_planned_first_nothing_is_applied_that_nobody_allowed() {
    let bounds = Bounds { narrow: true, ..Bounds::default() };
    holds(ChainFixture::single().planning_all(), bounds, 80);
    let bounds = Bounds { narrow: true, plain: true, cleared: true, ..Bounds::default() };
    holds(line().planning_all(), bounds, 100);
}

#[test]
fn with_everything_planned_first_people_may_give_orders_at_any_moment() {
    let orders = vec![(OrderKind::Cancel, false), (OrderKind::Retry, false)];
    let bounds = Bounds { narrow: true, plain: true, orders, ..Bounds::default() };
    holds(ChainFixture::single().planning_all(), bounds.clone(), 100);
    let orders = vec![(OrderKind::Cancel, false)];
    let bounds = Bounds { orders_about: Some("a"), orders, ..bounds };
    holds(line().planning_all(), bounds.clone(), 100);
    holds(line().planning_all().failing_fast(), bounds.clone(), 100);
    holds(ChainFixture::of(&[("a", &[]), ("b", &[])]).planning_all().failing_fast(), bounds, 100);
    let orders = vec![(OrderKind::Pause, false), (OrderKind::Resume, false)];
    let bounds = Bounds { narrow: true, plain: true, orders, ..Bounds::default() };
    holds(ChainFixture::single().planning_all(), bounds, 100);
    let bounds = Bounds { narrow: true, flaky: true, ..Bounds::default() };
    holds(ChainFixture::single().planning_all(), bounds, 100);
}

#[test]
fn what_was_allowed_too_long_ago_is_asked_about_again_and_never_called_late() {
    let bounds = Bounds { waits: 2, ..Bounds::default() };
    holds(ChainFixture::single(), Bounds { people: 1, ..bounds.clone() }, 1_000);
    let narrow = Bounds { narrow: true, ..bounds };
    for orders in [
        vec![(OrderKind::Cancel, false), (OrderKind::Retry, false)],
        vec![(OrderKind::Pause, false), (OrderKind::Resume, false)],
    ] {
        let bounds = Bounds { orders, ..narrow.clone() };
        holds(ChainFixture::single(), bounds.clone(), 500);
        let plain = Bounds { plain: true, ..bounds };
        holds(ChainFixture::single().planning_all(), plain, 300);
    }
    holds(line().planning_all(), Bounds { plain: true, ..narrow.clone() }, 300);
    holds(line(), Bounds { cleared: true, ..narrow }, 100);
}

#[test]
fn calling_late_what_was_allowed_is_found_out() {
    let bounds = Bounds { waits: 1, patient: true, ..Bounds::default() };
    let violation = explore(ChainFixture::single(), bounds).violation.expect("a late call");
    assert!(violation.starts_with("a is called though the yes is too old"), "{violation}");
}

/// `a` before `b` before `c`, as Spacelift itself has it.
fn natives() -> ChainFixture {
    let line = ChainFixture::of(&[("a", &[]), ("b", &["a"]), ("c", &["b"])]).native();
    line.labelled("a", "stackly:attempts=2")
}

fn natively() -> Bounds {
    Bounds { narrow: true, plain: true, native: true, cleared: true, ..Bounds::default() }
}

#[test]
fn below_a_failure_no_run_that_spacelift_made_goes_on_however_often_it_is_tried() {
    holds(natives(), Bounds { flaky: true, ..natively() }, 300);
    holds(natives(), Bounds { logs: true, ..natively() }, 300);
    let orders = vec![(OrderKind::Retry, false)];
    holds(natives(), Bounds { orders, ..natively() }, 300);
    let orders = vec![(OrderKind::Cancel, false)];
    holds(natives(), Bounds { orders, ..natively() }, 300);
}

#[test]
fn below_a_run_that_takes_the_place_of_spacelifts_only_what_came_with_it_goes_on() {
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &["b"]), ("d", &["c"])];
    let chain = ChainFixture::of(stacks).native();
    holds(chain, Bounds { gives_way: true, ..natively() }, 100);
}

#[test]
fn below_a_step_that_queues_for_its_stack_no_run_goes_on_that_spacelift_made() {
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &["b"]), ("d", &["c"])];
    let bounds = Bounds { gives_way: true, taken: Some("b"), ..natively() };
    holds(ChainFixture::of(stacks).native(), bounds, 100);
}

/// `c` below `a` and `b`, of which each brings a run of it.
fn fan_in() -> ChainFixture {
    ChainFixture::of(&[("a", &[]), ("b", &[]), ("c", &["a", "b"])])
}

#[test]
fn below_two_that_spacelift_does_not_wait_for_together_nothing_runs_before_its_turn() {
    let bounds = Bounds { gives_way: true, ..natively() };
    holds(fan_in().native(), bounds.clone(), 1_000);
    holds(fan_in().natively_below("a"), bounds, 500);
}

#[test]
fn taking_over_what_ran_before_its_turn_is_found_out() {
    let bounds = Bounds { careless: true, hasty: true, gives_way: true, ..natively() };
    let explored = explore(fan_in().native(), bounds);
    let violation = explored.violation.expect("an apply of what was planned too early");
    assert!(violation.starts_with("c applies a plan made before its turn"), "{violation}");
}

#[test]
fn leaving_what_spacelift_made_below_a_failure_is_found_out() {
    let explored = explore(natives(), Bounds { careless: true, ..natively() });
    let violation = explored.violation.expect("a run below a failure");
    assert!(violation.contains("of c goes on below a failure"), "{violation}");
}

#[test]
fn repeating_a_call_without_looking_is_found_out() {
    let explored = explore(ChainFixture::single(), Bounds { blind: true, ..Bounds::default() });
    let violation = explored.violation.expect("two runs for one step");
    assert!(violation.starts_with("two runs of a at once"), "{violation}");
}

#[test]
fn confirming_what_nobody_allowed_is_found_out() {
    let explored =
        explore(ChainFixture::single(), Bounds { people: 1, rash: true, ..Bounds::default() });
    let violation = explored.violation.expect("an apply nobody allowed");
    assert!(violation.starts_with("a applies a plan that nobody allowed"), "{violation}");
}

#[test]
fn forgetting_a_call_is_found_out_as_a_trap() {
    let explored = explore(ChainFixture::single(), Bounds { forgetful: true, ..Bounds::default() });
    assert_eq!(explored.violation, None);
    assert!(explored.trap.expect("a step that waits for ever").contains("no end"));
}
