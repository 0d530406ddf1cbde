//! What a look at a commit came to, and the plan that follows from it.

use std::sync::Arc;

use contracts::{
    ChainId, Code, Reason, StackId,
    chain::{ChainKind, ChainRefused},
    change::{Change, Paths},
};
use git::History;

use super::{Call, Circle};
use crate::{
    known::Known,
    memory::Wish,
    plan::{self, Plan, Request},
    register::{Registration, What},
};

/// What a look at a commit came to.
#[derive(Debug, Clone)]
pub struct Reading {
    /// What was to be looked at.
    pub call: Call,
    /// The first line of the commit's message, where it was seen.
    pub title: Option<String>,
    /// The paths that differ from before.
    pub paths: Paths,
    /// How the new head hangs together with the old one.
    pub history: History,
    /// Catalogue and graph with the code that was read.
    pub known: Option<Arc<Known>>,
    /// What changes in the register; nothing for a pull request.
    pub registration: Option<Arc<Registration>>,
    /// Stacks the paths touch in ways only the code knows, and how.
    pub by_code: Vec<(StackId, Reason)>,
    /// A circle that the code which was read closes.
    pub circle: Option<Circle>,
    /// Why the mirror could not be read, so that the sender's word must do.
    pub trouble: Option<Reason>,
}

impl Reading {
    /// Nothing could be seen.
    pub fn failed(call: Call, trouble: Reason) -> Self {
        Self {
            call,
            title: None,
            paths: Paths::Unknown,
            history: History::Forward,
            known: None,
            registration: None,
            by_code: Vec::new(),
            circle: None,
            trouble: Some(trouble),
        }
    }

    /// Whether it is a pull request whose code could be read.
    pub fn can_be_validated(&self) -> bool {
        self.call.pull_request.is_some() && self.trouble.is_none()
    }

    /// The paths that count for a change: those of the mirror, else the sender's.
    fn paths_of<'a>(&'a self, wish: &'a Wish) -> &'a Paths {
        if self.trouble.is_some() { wish.paths() } else { &self.paths }
    }

    /// What follows from a change, as far as is known.
    pub fn plan(&self, known: &Known, (chain, kind): (ChainId, ChainKind), wish: &Wish) -> Plan {
        let change = wish.change();
        if let Some(Circle { text, .. }) = self.circle.as_ref().filter(|it| self.touches(it, wish))
        {
            let text = format!(
                "the code of {} closes a circle of dependencies: {text}; remove one of them. What is \
                 said of these stacks is left as it was",
                change.commit
            );
            let reason = Reason::new(Code::Cycle, text);
            return Plan::Refused(ChainRefused { change: change.clone(), reason });
        }
        let (paths, by_code) = (self.paths_of(wish), &*self.by_code);
        let gone = &*self.gone();
        let mut plan = plan::propose(
            known,
            &Request { chain, kind, change, paths, by_code, gone, tag: false },
        );
        if let (Plan::Planned(planned), Some(trouble)) = (&mut plan, &self.trouble)
            && let Some(first) = planned.steps.first_mut()
        {
            let note = format!(" (from what the sender tells: {})", trouble.text);
            first.why.text.push_str(&note);
        }
        plan
    }

    /// Whether a change touches stacks of a circle, or whether all of its code is out because of it.
    fn touches(&self, circle: &Circle, wish: &Wish) -> bool {
        let known = self.known.as_ref();
        let concerned = known.map(|known| self.concerned(known, wish.change())).unwrap_or_default();
        circle.stacks.is_empty() || concerned.iter().any(|stack| circle.stacks.contains(stack))
    }

    /// The stacks whose code the change takes away.
    pub fn gone(&self) -> Vec<StackId> {
        let changes = self.registration.iter().flat_map(|registration| &registration.changes);
        let gone = changes.filter(|(what, _)| *what == What::Loosened);
        gone.map(|(_, state)| state.stack.clone()).collect()
    }

    /// What was read, as a change that nobody told of.
    pub fn as_change(&self) -> Change {
        let commit = self.registration.as_ref().and_then(|it| it.commit.clone());
        Change {
            repository: self.call.repository.clone(),
            branch: self.call.branch.clone(),
            commit: commit.or_else(|| self.call.commit.clone()).unwrap_or_else(|| "".into()),
            previous: None,
            author: String::new(),
            authors: Vec::new(),
            title: self.title.clone().unwrap_or_default(),
            url: None,
            pull_request: None,
        }
    }

    /// The stacks whose code the change touches itself.
    pub fn concerned(&self, known: &Known, change: &Change) -> Vec<StackId> {
        let (chain, kind) = (ChainId::derived(&uuid::Uuid::nil(), ""), ChainKind::Deploy);
        let (paths, by_code) = (&self.paths, &*self.by_code);
        let request = Request { chain, kind, change, paths, by_code, gone: &[], tag: false };
        let touched = plan::touched_by(known, &request);
        let stacks = known.catalogue.stacks();
        touched.into_iter().map(|position| stacks[position].id.clone()).collect()
    }
}
