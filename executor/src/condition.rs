//! How a parent must end for a step to run: well, unless a label of the step says otherwise.

use contracts::{Text, label, step::StepState};

use crate::step::Step;

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

/// What a label says of how a parent must end: whose name it has, none for all of them, and how, if
/// that can be read; nothing if it is another label.
fn said(label: &str) -> Option<(&str, Option<Condition>)> {
    let said = label.strip_prefix(label::ON)?;
    let (word, stack) = said.split_once(':').unwrap_or((said, ""));
    Some((stack.trim(), Condition::read(word)))
}

/// Whether a label is to say how a parent must end, and does not.
pub fn is_unread_condition(label: &str) -> bool {
    matches!(said(label), Some((_, None)))
}

/// What the labels of a step say of its parents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Conditions<'a> {
    said: Vec<(&'a str, Condition)>,
    /// A label that cannot be read: what the step waits for is not known.
    pub(crate) unread: Option<&'a str>,
}

impl<'a> Conditions<'a> {
    pub(crate) fn of(labels: &'a [Text]) -> Self {
        let read = |label: &'a Text| said(label).and_then(|(stack, how)| Some((stack, how?)));
        let unread = labels.iter().map(Text::as_str).find(|label| is_unread_condition(label));
        Self { said: labels.iter().filter_map(read).collect(), unread }
    }

    /// Whether every parent must end well, as usual.
    pub(crate) fn is_usual(&self) -> bool {
        self.said.iter().all(|(_, condition)| *condition == Condition::Success)
    }

    /// How this parent must end: what names it counts before what names none.
    pub(crate) fn on(&self, parent: &Step) -> Condition {
        let of = |wanted: &dyn Fn(&str) -> bool| {
            self.said.iter().find(|(stack, _)| wanted(stack)).map(|(_, condition)| *condition)
        };
        of(&|stack| is_of(parent, stack))
            .or_else(|| of(&|stack| stack.is_empty()))
            .unwrap_or(Condition::Success)
    }

    /// Who must fail and is none of these parents; empty if anybody must, and there are none.
    pub(crate) fn absent<'s>(
        &self,
        parents: impl Iterator<Item = &'s Step> + Clone,
    ) -> impl Iterator<Item = &'a str> {
        let is_there =
            move |name: &str| parents.clone().any(|parent| name.is_empty() || is_of(parent, name));
        let failing = self.said.iter().filter(|(_, how)| *how == Condition::Failure);
        failing.map(|(stack, _)| *stack).filter(move |stack| !is_there(stack))
    }
}

/// Whether this is one of the names of a step.
fn is_of(step: &Step, name: &str) -> bool {
    step.planned.stack.as_str() == name || step.planned.name == name
}

#[cfg(test)]
mod tests;
