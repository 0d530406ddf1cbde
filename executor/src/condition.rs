//! How a parent must end for a step to run: well, unless a label of the step says otherwise.

use contracts::{Text, step::StepState};

use crate::step::Step;

/// A label that says how one parent must end: `stackly:on=failure:dns`; without a name, all of them.
const LABEL: &str = "stackly:on=";

/// How a parent must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Well.
    Success,
    /// As failed, or so that nobody knows.
    Failure,
    /// However.
    End,
}

impl Condition {
    fn read(word: &str) -> Option<Self> {
        match word.trim() {
            "success" => Some(Self::Success),
            "failure" => Some(Self::Failure),
            "always" => Some(Self::End),
            _ => None,
        }
    }

    /// Whether a parent that is in this state has ended as it must.
    pub(crate) fn is_met_by(self, state: StepState) -> bool {
        match self {
            Self::Success => state == StepState::Finished,
            Self::Failure => matches!(state, StepState::Failed | StepState::Unknown),
            Self::End => state.is_terminal(),
        }
    }
}

/// What the labels of a step say of its parents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Conditions<'a>(Vec<(&'a str, Condition)>);

impl<'a> Conditions<'a> {
    /// What cannot be read says nothing: then the parent must end well.
    pub(crate) fn of(labels: &'a [Text]) -> Self {
        let one = |label: &'a Text| {
            let said = label.strip_prefix(LABEL)?;
            let (word, stack) = said.split_once(':').unwrap_or((said, ""));
            Some((stack.trim(), Condition::read(word)?))
        };
        Self(labels.iter().filter_map(one).collect())
    }

    /// Whether every parent must end well, as usual.
    pub(crate) fn is_usual(&self) -> bool {
        self.0.iter().all(|(_, condition)| *condition == Condition::Success)
    }

    /// How this parent must end: what names it counts before what names none.
    pub(crate) fn on(&self, parent: &Step) -> Condition {
        let (id, name) = (parent.planned.stack.as_str(), parent.planned.name.as_str());
        let of = |wanted: &dyn Fn(&str) -> bool| {
            self.0.iter().find(|(stack, _)| wanted(stack)).map(|(_, condition)| *condition)
        };
        of(&|stack| stack == id || stack == name)
            .or_else(|| of(&|stack| stack.is_empty()))
            .unwrap_or(Condition::Success)
    }
}

#[cfg(test)]
mod tests;
