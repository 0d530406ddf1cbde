//! What only the rest of the repository can confirm.

use std::collections::BTreeMap;

use located::{Fault, nearest};

use crate::{
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
    found.0.extend(circles(repository));
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

/// Every circle of declared edges, once, told where its first edge is written.
fn circles(repository: &Repository) -> Vec<Fault> {
    let stacks = repository.stacks();
    let positions: BTreeMap<&str, usize> =
        stacks.iter().enumerate().map(|(at, stack)| (stack.name.as_str(), at)).collect();
    let next = |at: usize| -> Vec<usize> {
        let names = stacks[at].declared.iter().map(|edge| edge.on.as_str());
        names.filter_map(|on| positions.get(on).copied()).filter(|on| *on != at).collect()
    };
    let mut state = vec![State::New; stacks.len()];
    let mut faults = Vec::new();
    for start in 0..stacks.len() {
        // A stack of our own: a chain may be longer than the machine's can hold.
        let mut way: Vec<(usize, Vec<usize>)> = Vec::new();
        if state[start] == State::New {
            state[start] = State::OnTheWay(0);
            way.push((start, next(start)));
        }
        while let Some((at, rest)) = way.last_mut() {
            let Some(on) = rest.pop() else {
                state[*at] = State::Done;
                way.pop();
                continue;
            };
            match state[on] {
                State::Done => {}
                State::New => {
                    state[on] = State::OnTheWay(way.len());
                    way.push((on, next(on)));
                }
                State::OnTheWay(begin) => {
                    let circle: Vec<&StackCode> =
                        way[begin..].iter().map(|(at, _)| &*stacks[*at]).collect();
                    faults.push(circle_fault(&circle));
                }
            }
        }
    }
    faults
}

/// Where the search for circles stands with a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    /// On the way that is walked, at this place.
    OnTheWay(usize),
    Done,
}

fn circle_fault(circle: &[&StackCode]) -> Fault {
    let edge = |at: usize| {
        let on = &circle[(at + 1) % circle.len()].name;
        circle[at].declared.iter().find(|edge| edge.on == *on).map(|edge| (on, edge))
    };
    let told: Vec<String> = (0..circle.len())
        .filter_map(edge)
        .map(|(on, edge)| format!("{} waits for {on} ({})", edge.stack, edge.spot))
        .collect();
    let what = format!("these stacks wait for each other in a circle: {}", told.join(", "));
    let mark = edge(0).map_or(Mark::Name, |(on, _)| {
        let depends_on = Mark::DependsOn(on.clone());
        let input = circle[0].settings.input.iter().find(|(_, input)| input.stack == *on);
        match input {
            Some((variable, _)) if !circle[0].marks.contains_key(&depends_on) => {
                Mark::Input(variable.clone())
            }
            _ => depends_on,
        }
    });
    at(circle[0], &mark, what, "take one of these edges out".to_owned())
}
