//! What a look at a commit came to, and the plan that follows from it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use contracts::{
    ChainId, Code, CommitSha, Reason, StackId,
    chain::ChainKind,
    change::{Change, Paths},
};
use git::History;

use super::{Call, Circle, Late};
use crate::{
    errand::Asked,
    known::Known,
    memory::Wish,
    plan::{self, Plan, Request},
    register::Registration,
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
    /// When the account was read that these were made of.
    pub as_of: Option<DateTime<Utc>>,
    /// The same without it, as it was before.
    pub before: Option<Arc<Known>>,
    /// What changes in the register; nothing for a pull request.
    pub registration: Option<Arc<Registration>>,
    /// The stacks whose code the change takes away; of a pull request, would take away.
    pub gone: Vec<StackId>,
    /// Those of them that others still ask for, and who does.
    pub asked: Vec<Asked>,
    /// Stacks the paths touch in ways only the code knows, and how.
    pub by_code: Vec<(StackId, Reason)>,
    /// The same two of the push itself, if others before it left something over.
    pub own: Option<(Paths, Vec<(StackId, Reason)>)>,
    /// A circle that the code which was read closes.
    pub circle: Option<Circle>,
    /// Why the mirror could not be read, so that the sender's word must do.
    pub trouble: Option<Reason>,
    /// The origin was there to be asked, and does not have the commit.
    pub is_missing: bool,
    /// It was read, but what follows from it can neither be stored nor told.
    pub is_undecidable: bool,
    /// The commit that it was compared with.
    pub since: Option<CommitSha>,
    /// The newer head that was looked at instead.
    pub late: Option<Late>,
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
            as_of: None,
            before: None,
            registration: None,
            gone: Vec::new(),
            asked: Vec::new(),
            by_code: Vec::new(),
            own: None,
            circle: None,
            trouble: Some(trouble),
            is_missing: false,
            is_undecidable: false,
            since: None,
            late: None,
        }
    }

    /// What is registered changes although nothing was looked at.
    pub fn unseen(call: Call, registration: Arc<Registration>, known: Arc<Known>) -> Self {
        let nothing = Reason::new(Code::NothingTouched, "no stack tracks the branch");
        Self {
            known: Some(known),
            registration: Some(registration),
            paths: Paths::All(Vec::new()),
            trouble: None,
            ..Self::failed(call, nothing)
        }
    }

    /// What was seen leads to something that can neither be stored nor told.
    pub fn undecidable(call: Call, why: Reason) -> Self {
        Self { is_undecidable: true, ..Self::failed(call, why) }
    }

    /// Whether it is proposed, by a pull request or by a merge queue, and its code could be read.
    pub fn can_be_validated(&self) -> bool {
        self.call.is_proposal() && self.trouble.is_none()
    }

    /// The paths that count for a change: those of the mirror, else the sender's.
    fn paths_of<'a>(&'a self, wish: &'a Wish) -> &'a Paths {
        if self.trouble.is_some() { wish.paths() } else { &self.paths }
    }

    /// What follows from a change, as far as is known.
    pub fn plan(&self, known: &Known, (chain, kind): (ChainId, ChainKind), wish: &Wish) -> Plan {
        let change = wish.change();
        if let Some(reason) = self.trouble.clone().filter(|_| self.is_undecidable) {
            return Plan::refused((kind, change), reason);
        }
        let is_partial = self.is_partial(change);
        if let Some(Circle { text, .. }) = self.circle_at(change).filter(|_| !is_partial) {
            let text = format!(
                "the code of {} closes a circle of dependencies: {text}; remove one of them. What is \
                 said of these stacks is left as it was",
                change.commit
            );
            let reason = Reason::new(Code::Cycle, text);
            return Plan::refused((kind, change), reason);
        }
        let (paths, by_code) = match self.own.as_ref().filter(|_| is_partial) {
            Some((paths, by_code)) => (paths, &**by_code),
            None => (self.paths_of(wish), &*self.by_code),
        };
        let gone = &*self.gone;
        let tag = false;
        let before = self.before.as_deref();
        let request = Request { chain, kind, change, paths, by_code, gone, before, tag };
        let mut plan = plan::propose(known, &request);
        if let Some(trouble) = &self.trouble {
            let note = format!(" (from what the sender tells: {})", trouble.text);
            match &mut plan {
                Plan::Planned(planned) => {
                    let first = planned.steps.first_mut();
                    first.into_iter().for_each(|first| first.why.text.push_str(&note));
                }
                Plan::Ignored(ignored) => ignored.reason.text.push_str(&note),
                Plan::Refused(_) => {}
            }
        }
        plan
    }

    /// The circle, if a change touches stacks of it, or if all of its code is out because of it.
    fn circle_at(&self, change: &Change) -> Option<&Circle> {
        let all = (&self.paths, &*self.by_code);
        self.circle.as_ref().filter(|circle| self.touches(circle, change, all))
    }

    /// Whether a change is planned without what others before it left over: they touch stacks of a
    /// circle, and it does not.
    pub fn is_partial(&self, change: &Change) -> bool {
        let Some((paths, by_code)) = &self.own else { return false };
        self.circle_at(change).is_some_and(|it| !self.touches(it, change, (paths, by_code)))
    }

    fn touches(
        &self,
        circle: &Circle,
        change: &Change,
        what: (&Paths, &[(StackId, Reason)]),
    ) -> bool {
        let known = self.known.as_ref();
        let concerned = known.map(|known| concerned(known, change, what)).unwrap_or_default();
        circle.stacks.is_empty() || concerned.iter().any(|stack| circle.stacks.contains(stack))
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
        concerned(known, change, (&self.paths, &self.by_code))
    }
}

fn concerned(
    known: &Known,
    change: &Change,
    (paths, by_code): (&Paths, &[(StackId, Reason)]),
) -> Vec<StackId> {
    let (chain, kind) = (ChainId::derived(&uuid::Uuid::nil(), ""), ChainKind::Deploy);
    let (gone, before, tag) = (&[][..], None, false);
    let request = Request { chain, kind, change, paths, by_code, gone, before, tag };
    let touched = plan::touched_by(known, &request);
    let stacks = known.catalogue.stacks();
    touched.into_iter().map(|position| stacks[position].id.clone()).collect()
}
