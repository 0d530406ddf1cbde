//! Where edges count: labels by which a stack waits for others on some branches, or in some
//! environments, alone.
//!
//! `stackly:only=branch:main` is about every edge of the stack, `stackly:only=branch:main:dns` about
//! the one to `dns`; `stackly:only=env:prod` likewise. Several of a kind widen each other, both kinds
//! must fit, and what names a stack stands above what names none.

use crate::{catalogue::Stack, query::fits_exactly};
use contracts::label;

/// What a label is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Branch,
    Environment,
}

/// Where the edges of one stack count.
#[derive(Debug, Default)]
pub(crate) struct Only<'a> {
    /// What it is about, what must fit, and the stack that is waited for; empty for all of them.
    said: Vec<(Kind, &'a str, &'a str)>,
    /// Labels that cannot be read.
    pub(crate) unread: Vec<&'a str>,
    environment: Option<&'a str>,
}

impl<'a> Only<'a> {
    /// What the labels of a stack say.
    pub(crate) fn of(labels: impl Iterator<Item = &'a str>) -> Self {
        let mut only = Self::default();
        for label in labels {
            if let Some(said) = label.strip_prefix(label::ONLY) {
                match read(said) {
                    Some(read) => only.said.push(read),
                    None => only.unread.push(label),
                }
            }
            let environment =
                label.strip_prefix("env:").or_else(|| label.strip_prefix("environment:"));
            only.environment = only.environment.or(environment);
        }
        only
    }

    /// Whether any edge counts on some branches alone.
    pub(crate) fn narrows(&self) -> bool {
        self.said.iter().any(|(kind, ..)| *kind == Kind::Branch)
    }

    /// The branches on which the edge to this stack counts; none for all.
    pub(crate) fn branches(&self, parent: &Stack) -> Vec<&'a str> {
        self.about(Kind::Branch, parent)
    }

    /// Why the edge to this stack counts nowhere, being about other environments.
    pub(crate) fn elsewhere(&self, parent: &Stack) -> Option<String> {
        let wanted = self.about(Kind::Environment, parent);
        let fits = |environment: &str| wanted.iter().any(|one| fits_exactly(one, environment));
        if wanted.is_empty() || self.environment.is_some_and(fits) {
            return None;
        }
        let wanted = wanted.join(", ");
        Some(match self.environment {
            Some(environment) => {
                format!("it counts only in {wanted}, and the stack is of {environment}")
            }
            None => format!("it counts only in {wanted}, and no label says of which the stack is"),
        })
    }

    fn about(&self, kind: Kind, parent: &Stack) -> Vec<&'a str> {
        let of = |is_it: &dyn Fn(&str) -> bool| -> Vec<&'a str> {
            let said = self.said.iter().filter(|(of, _, stack)| *of == kind && is_it(stack));
            said.map(|(_, wanted, _)| *wanted).collect()
        };
        let named =
            of(&|stack| !stack.is_empty() && (stack == parent.id.as_str() || parent.name == stack));
        if named.is_empty() { of(&str::is_empty) } else { named }
    }
}

fn read(said: &str) -> Option<(Kind, &str, &str)> {
    let (kind, rest) = said.split_once(':')?;
    let (wanted, stack) = rest.split_once(':').unwrap_or((rest, ""));
    let kind = match kind.trim() {
        "branch" => Kind::Branch,
        "env" | "environment" => Kind::Environment,
        _ => return None,
    };
    let wanted = wanted.trim();
    (!wanted.is_empty()).then_some((kind, wanted, stack.trim()))
}

#[cfg(test)]
mod tests;
