//! What only the rest of the repository can confirm.

use std::collections::{BTreeMap, BTreeSet};

use located::{Fault, nearest};

use crate::{
    edge::Edge,
    infer::infer,
    repository::{Repository, StackCode},
    stack_file::Mark,
};

/// Faults and warnings of stacks that could be read each by itself.
pub(crate) fn check(repository: &Repository) -> (Vec<Fault>, Vec<Fault>) {
    let mut found = (Vec::new(), Vec::new());
    for stack in repository.stacks() {
        edges(repository, stack, &mut found);
        found.1.extend(variables(repository, stack));
    }
    let circles = circles(repository, &declared(repository));
    found.0.extend(circles.iter().map(|circle| circle_fault(repository, circle)));
    found
}

/// The fault prepared at a mark, with what is wrong.
fn at(stack: &StackCode, mark: &Mark, what: String, advice: String) -> Fault {
    let place = stack.marks.get(mark).or_else(|| stack.marks.get(&Mark::Name));
    let place = place.cloned().unwrap_or_else(|| Fault::of_file(&stack.spot.file, "", ""));
    Fault { what, advice, ..place }
}

fn edges(
    repository: &Repository,
    stack: &StackCode,
    (faults, warnings): &mut (Vec<Fault>, Vec<Fault>),
) {
    let depends_on = stack.settings.waits_for().map(|on| (on, Mark::DependsOn(on.clone())));
    let inputs = stack.settings.input.iter();
    let inputs = inputs.map(|(variable, input)| (&input.stack, Mark::Input(variable.clone())));
    for (on, mark) in depends_on.chain(inputs) {
        if *on == stack.name {
            let what = format!("the stack \"{on}\" cannot wait for itself");
            faults.push(at(stack, &mark, what, "delete it".to_owned()));
        } else if repository.stack(on).is_none() && !is_broken(repository, on) {
            let names = repository.stacks().iter().map(|other| other.name.as_str());
            let advice = match nearest(on, names.filter(|name| *name != stack.name)) {
                Some(meant) => format!("did you mean \"{meant}\"?"),
                None => "leave it if it is a stack of another repository".to_owned(),
            };
            let what = format!("there is no stack \"{on}\" in this repository");
            warnings.push(at(stack, &mark, what, advice));
        }
    }
}

/// Values for variables that its code does not have, and inputs from outputs that are not there.
fn variables(repository: &Repository, stack: &StackCode) -> Vec<Fault> {
    let mut warnings = Vec::new();
    let Some(module) = repository.module(stack.root()) else { return warnings };
    let given = stack.settings.variables.keys().map(|name| (name, Mark::Variable(name.clone())));
    let inputs = stack.settings.input.keys().map(|name| (name, Mark::Input(name.clone())));
    for (name, mark) in given.chain(inputs) {
        // What is inherited is meant for whoever has such a variable.
        let is_own = stack.marks.get(&mark).is_some_and(|fault| fault.file == stack.spot.file);
        if is_own && !module.variables.contains_key(name) {
            let what = format!("the code of \"{}\" has no variable `{name}`", stack.name);
            let known = module.variables.keys().map(String::as_str);
            let advice = match nearest(name, known) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("write `variable \"{name}\" {{}}`, or delete it here"),
            };
            warnings.push(at(stack, &mark, what, advice));
        }
    }
    for (name, input) in &stack.settings.input {
        let source = repository.stack(&input.stack).and_then(|on| repository.module(on.root()));
        let output = input.output.as_deref().unwrap_or(name);
        let Some(source) = source.filter(|source| !source.outputs.contains_key(output)) else {
            continue;
        };
        let what = format!("the code of \"{}\" has no output `{output}`", input.stack);
        let advice = match nearest(output, source.outputs.keys().map(String::as_str)) {
            Some(meant) => format!("did you mean `output = \"{meant}\"`?"),
            None => format!("write `output \"{output}\" {{ … }}` there"),
        };
        warnings.push(at(stack, &Mark::Input(name.clone()), what, advice));
    }
    warnings
}

fn is_broken(repository: &Repository, name: &str) -> bool {
    repository.broken().iter().any(|broken| broken.stack.as_deref().is_none_or(|it| it == name))
}

/// What each stack waits for, in the order of the stacks.
type Edges<'a> = Vec<Vec<&'a Edge>>;

/// Circles of stacks that code closes, although nobody wrote all of their edges down. As in the
/// graph, what is written down stands above what was inferred beside or against it.
pub(crate) fn inferred_circles(repository: &Repository) -> Vec<Fault> {
    let inferred = infer(&repository.subjects()).edges;
    let mut edges = declared(repository);
    let written: BTreeSet<(&str, &str)> =
        edges.iter().flatten().map(|edge| (edge.stack.as_str(), edge.on.as_str())).collect();
    let is_read = |edge: &&Edge| {
        let (stack, on) = (edge.stack.as_str(), edge.on.as_str());
        !written.contains(&(stack, on)) && !written.contains(&(on, stack))
    };
    for edge in inferred.iter().filter(is_read) {
        let at = repository.stacks().iter().position(|stack| stack.name == edge.stack);
        edges[at.expect("subjects are its stacks")].push(edge);
    }
    let mut circles = circles(repository, &edges);
    circles.retain(|circle| circle.iter().any(|edge| !edge.origin.is_declared()));
    circles.iter().map(|circle| circle_fault(repository, circle)).collect()
}

fn declared(repository: &Repository) -> Edges<'_> {
    repository.stacks().iter().map(|stack| stack.declared.iter().collect()).collect()
}

/// Every circle of edges, once, as its edges.
fn circles<'a>(repository: &Repository, edges: &Edges<'a>) -> Vec<Vec<&'a Edge>> {
    let stacks = repository.stacks();
    let positions: BTreeMap<&str, usize> =
        stacks.iter().enumerate().map(|(at, stack)| (stack.name.as_str(), at)).collect();
    let next = |at: usize| -> Vec<(usize, &'a Edge)> {
        let on = |&edge: &&'a Edge| Some((*positions.get(edge.on.as_str())?, edge));
        edges[at].iter().filter_map(on).filter(|(on, _)| *on != at).collect()
    };
    let mut state = vec![State::New; stacks.len()];
    let mut circles = Vec::new();
    for start in 0..stacks.len() {
        // A stack of our own: a chain may be longer than the machine's can hold.
        let mut way: Vec<(usize, Vec<(usize, &Edge)>)> = Vec::new();
        // The edges between those on the way.
        let mut walked: Vec<&Edge> = Vec::new();
        if state[start] == State::New {
            state[start] = State::OnTheWay(0);
            way.push((start, next(start)));
        }
        while let Some((at, rest)) = way.last_mut() {
            let Some((on, edge)) = rest.pop() else {
                state[*at] = State::Done;
                way.pop();
                walked.pop();
                continue;
            };
            match state[on] {
                State::Done => {}
                State::New => {
                    state[on] = State::OnTheWay(way.len());
                    way.push((on, next(on)));
                    walked.push(edge);
                }
                State::OnTheWay(begin) => {
                    circles.push(walked[begin..].iter().copied().chain([edge]).collect());
                }
            }
        }
    }
    circles
}

/// Where the search for circles stands with a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    /// On the way that is walked, at this place.
    OnTheWay(usize),
    Done,
}

/// Told where its first edge is written; where that was inferred, at the stack that waits.
fn circle_fault(repository: &Repository, circle: &[&Edge]) -> Fault {
    let told: Vec<String> = circle
        .iter()
        .map(|edge| format!("{} waits for {} ({})", edge.stack, edge.on, edge.spot))
        .collect();
    let what = format!("these stacks wait for each other in a circle: {}", told.join(", "));
    let advice = match circle.iter().all(|edge| edge.origin.is_declared()) {
        true => "take one of these edges out".to_owned(),
        false => "take one of these edges out; `inferred { ignore = [\"NAME\"] }` takes out one \
                  that only the code seems to say"
            .to_owned(),
    };
    let (on, stack) = (&circle[0].on, repository.stack(&circle[0].stack));
    let stack = stack.expect("its edges were walked");
    let depends_on = Mark::DependsOn(on.clone());
    let input = stack.settings.input.iter().find(|(_, input)| input.stack == *on);
    let mark = match input {
        Some((variable, _)) if !stack.marks.contains_key(&depends_on) => {
            Mark::Input(variable.clone())
        }
        _ => depends_on,
    };
    at(stack, &mark, what, advice)
}
