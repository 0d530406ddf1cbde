//! What must never happen, held against Spacelift's own journal: the ground truth.

use std::collections::HashMap;

use contracts::{
    Code, RunId, StackId,
    chain::{ChainKind, ChainState},
    step::StepState,
};
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
    /// A run of a chain's was still open when everything had ended, or nobody followed it.
    LeftOpen {
        /// The run.
        run: RunId,
    },
    /// What is said of a step or a chain is not what happened.
    Untrue {
        /// What is said, and what happened.
        what: String,
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
    /// Runs that ended badly.
    failed: HashMap<String, u64>,
    /// Accepted triggers: the run, its stack, and the metadata that names the chain.
    triggered: Vec<Triggered>,
}

struct Triggered {
    run: String,
    stack: String,
    mark: String,
    number: u64,
    /// It plans only.
    is_proposed: bool,
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
                    let (number, kind) = (entry.number, &mutation.args["runType"]);
                    let is_proposed = kind == "PROPOSED";
                    runs.triggered.push(Triggered { run, stack, mark, number, is_proposed });
                }
                JournalEvent::Transition(transition) => {
                    let run = transition.run.clone();
                    if transition.from.is_none() {
                        runs.began.insert(run, entry.number);
                    } else if transition.to == RunState::Finished {
                        runs.finished.insert(run, entry.number);
                    } else if transition.to.terminal() {
                        runs.failed.insert(run, entry.number);
                    }
                }
                JournalEvent::Mutation(_) => {}
            }
        }
        runs
    }

    /// The triggers of a step, in order. A deploy may plan by proposed runs before anything of it
    /// is applied; these are no runs of its steps.
    fn of(&self, chain: &ChainPage, stack: &str) -> Vec<&Triggered> {
        let name = chain.line.chain.to_string();
        let is_preview = chain.line.kind == ChainKind::Preview;
        let of_step = |it: &&Triggered| {
            it.stack == stack && it.mark.contains(&name) && it.is_proposed == is_preview
        };
        self.triggered.iter().filter(of_step).collect()
    }

    /// Whether a step may be triggered again: the run before it ended badly before that.
    fn may_follow(&self, earlier: &Triggered, later: &Triggered) -> bool {
        self.failed.get(&earlier.run).is_some_and(|ended| *ended < later.number)
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
        let of_step = runs.of(chain, stack.as_str());
        if of_step.windows(2).any(|pair| !runs.may_follow(pair[0], pair[1])) {
            violations.push(Violation::TriggeredTwice {
                step: format!("{name} {stack}"),
                runs: of_step.iter().map(|it| RunId(it.run.clone())).collect(),
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

/// Whether what is said of these chains, all ended, is what happened, and nothing is left open.
pub fn check_ends(journal: &[JournalEntry], chains: &[ChainPage]) -> Vec<Violation> {
    let runs = Runs::read(journal);
    chains.iter().flat_map(|chain| check_end(&runs, chain)).collect()
}

fn check_end(runs: &Runs, chain: &ChainPage) -> Vec<Violation> {
    let mut violations = Vec::new();
    let name = chain.line.chain.to_string();
    let steps = &chain.steps_in_order;
    let well = |stack: &str| {
        let step = steps.iter().find(|step| step.summary.stack.as_str() == stack);
        step.is_some_and(|step| step.summary.state == StepState::Finished)
    };
    for step in steps {
        let stack = step.summary.stack.as_str();
        let of_step = runs.of(chain, stack);
        let ended = |run: &str| runs.finished.contains_key(run) || runs.failed.contains_key(run);
        let open = of_step.iter().filter(|it| !ended(&it.run));
        violations.extend(open.map(|it| Violation::LeftOpen { run: RunId(it.run.clone()) }));
        let run = step.summary.run.as_ref().map(RunId::as_str);
        let parents_well = step.parents.iter().all(|parent| well(parent));
        let is_true = match step.summary.state {
            // That its run finished is looked at with what must never happen.
            StepState::Finished => parents_well,
            StepState::Failed => parents_well && run.is_some_and(|it| runs.failed.contains_key(it)),
            StepState::Skipped => !parents_well && of_step.is_empty(),
            _ => false,
        };
        if !is_true || step.summary.reason.text.is_empty() {
            let what = format!("{name} {stack} is {}: {:?}", step.summary.state, step.summary);
            violations.push(Violation::Untrue { what });
        }
    }
    let all_well = steps.iter().all(|step| step.summary.state == StepState::Finished);
    if (chain.line.state == ChainState::Finished) != all_well || !chain.line.state.is_terminal() {
        violations.push(Violation::Untrue { what: format!("{name} is {}", chain.line.state) });
    }
    violations
}

/// Whether a step that ended well for this reason need not have run.
fn is_unneeded(code: Code) -> bool {
    matches!(code, Code::InputsUnchanged | Code::RunShared | Code::ConditionUnmet)
}
