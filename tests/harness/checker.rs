//! What must never happen, held against Spacelift's own journal: the ground truth.

use std::collections::HashMap;

use contracts::{Code, RunId, StackId, step::StepState};
use executor::ChainPage;
use simulator::{JournalEntry, JournalEvent, RunState};

/// Something that must never happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// A step was triggered more than once.
    TriggeredTwice {
        /// The chain's commit and stack.
        step: String,
        /// The runs that came of it.
        runs: Vec<RunId>,
    },
    /// A step's run began before one of its parents had ended well.
    BeforeItsParent {
        /// The stack that ran too early.
        stack: StackId,
        /// The parent that had not ended.
        parent: String,
    },
    /// A step ended well without a run in Spacelift that did.
    NeverRan {
        /// The stack.
        stack: StackId,
    },
    /// A step that was not to run did.
    RanAllTheSame {
        /// The stack.
        stack: StackId,
    },
}

/// When runs began and ended, by their place in the journal.
#[derive(Default)]
struct Runs {
    began: HashMap<String, u64>,
    finished: HashMap<String, u64>,
    /// Accepted triggers: the run, its stack, and the metadata that names the chain.
    triggered: Vec<(String, String, String)>,
}

impl Runs {
    fn read(journal: &[JournalEntry]) -> Self {
        let mut runs = Self::default();
        for entry in journal {
            match &entry.event {
                JournalEvent::Mutation(mutation)
                    if mutation.name == "runTrigger" && mutation.accepted =>
                {
                    let stack = mutation.args["stack"].as_str().unwrap_or_default().to_owned();
                    let run = mutation.run.clone().unwrap_or_default();
                    let mark = mutation.metadata.as_deref().unwrap_or_default().to_owned();
                    runs.triggered.push((run, stack, mark));
                }
                JournalEvent::Transition(transition) => {
                    let run = transition.run.clone();
                    if transition.from.is_none() {
                        runs.began.insert(run, entry.number);
                    } else if transition.to == RunState::Finished {
                        runs.finished.insert(run, entry.number);
                    }
                }
                JournalEvent::Mutation(_) => {}
            }
        }
        runs
    }
}

/// Everything in these chains that must never happen and did.
pub fn check(journal: &[JournalEntry], chains: &[ChainPage]) -> Vec<Violation> {
    let runs = Runs::read(journal);
    chains.iter().flat_map(|chain| check_chain(&runs, chain)).collect()
}

fn check_chain(runs: &Runs, chain: &ChainPage) -> Vec<Violation> {
    let mut violations = Vec::new();
    let name = chain.line.chain.to_string();
    for step in &chain.steps_in_order {
        let stack = &step.summary.stack;
        let of_step: Vec<&String> = runs
            .triggered
            .iter()
            .filter(|(_, of, mark)| of == stack.as_str() && mark.contains(&name))
            .map(|(run, _, _)| run)
            .collect();
        if of_step.len() > 1 {
            violations.push(Violation::TriggeredTwice {
                step: format!("{name} {stack}"),
                runs: of_step.iter().map(|run| RunId((*run).clone())).collect(),
            });
        }
        let skipped = matches!(step.summary.state, StepState::Skipped | StepState::Denied);
        if skipped && step.summary.run.is_none() && !of_step.is_empty() {
            violations.push(Violation::RanAllTheSame { stack: stack.clone() });
        }
        let run = step.summary.run.as_ref().map(RunId::as_str);
        let unneeded = is_unneeded(step.summary.reason.code);
        if step.summary.state == StepState::Finished
            && !unneeded
            && !run.is_some_and(|run| runs.finished.contains_key(run))
        {
            violations.push(Violation::NeverRan { stack: stack.clone() });
        }
        let Some(began) = run.and_then(|run| runs.began.get(run)) else { continue };
        for parent in &step.parents {
            let parent_run = chain
                .steps_in_order
                .iter()
                .find(|other| other.summary.stack.as_str() == parent)
                .and_then(|other| other.summary.run.as_ref());
            let ended = parent_run.and_then(|run| runs.finished.get(run.as_str()));
            let is_unneeded = chain.steps_in_order.iter().any(|other| {
                let reason = &other.summary.reason;
                other.summary.stack.as_str() == parent && is_unneeded(reason.code)
            });
            if !is_unneeded && ended.is_none_or(|ended| ended > began) {
                violations.push(Violation::BeforeItsParent {
                    stack: stack.clone(),
                    parent: parent.clone(),
                });
            }
        }
    }
    violations
}

/// Whether a step that ended well for this reason need not have run.
fn is_unneeded(code: Code) -> bool {
    matches!(code, Code::InputsUnchanged | Code::ConditionUnmet)
}
