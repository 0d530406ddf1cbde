//! Plans: what follows from a change, or why nothing does.
//!
//! - Touched stacks and everything downstream of them become steps, parents before children.
//! - An edge counts if both its stacks are in the chain; a way through a stack outside does not.
//! - A disabled stack, or one whose code the change takes away, cannot run: it is left out, and
//!   what depends on it follows only if another parent or the change itself says so, because
//!   nothing changes in a stack that does not run. The first step's reason names those left out.
//! - A step is on the change's commit if its stack tracks the branch that was pushed; the stacks
//!   of other repositories and branches follow on their own commit.
//! - An edge that counts on some branches alone is followed on these; the first step's reason names
//!   those that do not count.
//! - A stack that goes by tags is delivered by those that fit alone; [`tag`] has them.
//! - A pull request gets the same chain as a preview, reckoned on the branch it wants to go to.

use std::collections::{BTreeMap, BTreeSet};

use contracts::{
    ChainId, Code, Reason, StackId,
    chain::{ChainKind, ChainPlanned, PlannedStep},
    change::{Change, ChangeProposed, ChangePushed, Paths, TouchedFiles},
    phrase::count,
};

mod options;
mod outcome;
pub mod tag;

use options::options;
pub use options::{
    CONTINUE_MARK, FAIL_FAST_MARK, ForAll, KEEP_MARK, PLAN_ALL_MARK, RUN_ALWAYS, SUPERSEDE_MARK,
};
pub use outcome::Plan;

use crate::{
    catalogue::Repository,
    graph::{Bits, Edge, Graph, Members},
    known::Known,
    phrase,
    touch::{self, Watch},
};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The id the chain will have.
    pub chain: ChainId,
    /// Plan and apply, or plan only.
    pub kind: ChainKind,
    /// What changed.
    pub change: &'a Change,
    /// Which files.
    pub paths: &'a Paths,
    /// Stacks that the change touches in ways only their code knows, and how.
    pub by_code: &'a [(StackId, Reason)],
    /// Stacks whose code the change takes away; they cannot run, nor can those without it before.
    pub gone: &'a [StackId],
    /// What was known before the change was looked at, if that may be something else.
    pub before: Option<&'a Known>,
    /// It is a tag, which its change has in place of a branch.
    pub tag: bool,
}

impl Request<'_> {
    fn ignored(&self, reason: Reason) -> Plan {
        Plan::ignored((self.kind, self.change), reason)
    }

    fn refused(&self, reason: Reason) -> Plan {
        Plan::refused((self.kind, self.change), reason)
    }
}

/// Why a push leads to no chain, whatever the catalogue says.
pub fn no_delivery(pushed: &ChangePushed) -> Option<Reason> {
    let Change { repository, branch, .. } = &pushed.change;
    let what = if pushed.tag { "tag" } else { "branch" };
    if pushed.deleted {
        let text =
            format!("{what} {branch} of {repository} was deleted; there is no commit to deliver");
        return Some(Reason::new(Code::RefDeleted, text));
    }
    None
}

/// Why a pull request gets no preview, whatever the catalogue says.
pub fn no_preview(proposed: &ChangeProposed, from_forks: bool) -> Option<Reason> {
    (proposed.fork && !from_forks).then(|| {
        let text = format!(
            "{} of {} comes from a fork, whose code would run with the credentials of the stacks; \
             `previews.from_forks` would allow it",
            subject(&proposed.change),
            proposed.change.repository,
        );
        Reason::new(Code::PolicyDenied, text)
    })
}

/// What follows from a change, as far as is known.
pub fn propose(known: &Known, request: &Request<'_>) -> Plan {
    let watch = match tracked(known, request.change) {
        Ok(watch) => watch,
        Err(reason) => return request.ignored(reason),
    };
    let touched = touched(known, watch, request);
    if touched.is_empty() {
        return request.ignored(nothing_touched(watch, request));
    }
    follow(known, request, touched)
}

/// The chain of these stacks and of all that follow them.
fn follow(known: &Known, request: &Request<'_>, touched: BTreeMap<usize, Reason>) -> Plan {
    let stacks = known.catalogue.stacks();
    let out = cannot_run(known, request, &touched);
    let narrowed = known.graph.on(&request.change.branch);
    let graph = narrowed.as_deref().unwrap_or(&known.graph);
    let members = graph.downstream(touched.keys().copied(), |stack| !out.contains(stack));
    if members.is_empty() {
        let names = phrase::list(touched.keys().map(|&stack| stacks[stack].id.as_str()));
        let by_tag = known.catalogue.by_tag();
        let text = match touched.keys().any(|&stack| by_tag.contains(stack)) {
            true => "go by tags alone, are disabled or have no code any more",
            false => "are disabled or have no code any more",
        };
        let text = format!("it touches nothing but stacks that {text}, which cannot run: {names}");
        return request.ignored(Reason::new(Code::NothingTouched, text));
    }
    match graph.order(&members) {
        Ok(order) => {
            let left_out = left_out(graph, &out, (&touched, &members));
            let chosen = Chosen { known, graph, touched, members, left_out };
            Plan::Planned(chosen.planned(&order.stacks, request))
        }
        Err(cycle) => {
            let text = format!(
                "the dependencies of the stacks concerned form a circle: {}; remove one of them",
                cycle.named((&known.catalogue, graph)),
            );
            request.refused(Reason::new(Code::Cycle, text))
        }
    }
}

/// The stacks that track the branch, or which branches and repositories are tracked instead.
fn tracked<'a>(known: &'a Known, change: &Change) -> Result<&'a Watch, Reason> {
    let Change { repository, branch, .. } = change;
    let Some(found) = known.catalogue.repository(repository) else {
        let text = format!(
            "{} of {repository} is not for us: the account's {} track {}",
            subject(change),
            count(known.catalogue.stacks().len(), "stack"),
            phrase::list(known.catalogue.repositories()),
        );
        return Err(Reason::new(Code::RepositoryUnknown, text));
    };
    found.branches.get(branch).ok_or_else(|| {
        let text = format!(
            "{} of {repository} is not for us: no stack tracks {branch}; tracked are {}",
            subject(change),
            branches(found),
        );
        Reason::new(Code::BranchNotTracked, text)
    })
}

fn branches(repository: &Repository) -> String {
    phrase::list(
        repository.branches.iter().map(|(branch, watch)| {
            format!("{branch} (by {})", count(watch.members().len(), "stack"))
        }),
    )
}

/// `the push of 0123abcd to main`, `pull request 7 to main`; of files that only might change, no
/// commit is known: `a push to main`.
fn subject(change: &Change) -> String {
    let branch = &change.branch;
    match change.pull_request {
        Some(number) => format!("pull request {number} to {branch}"),
        None if change.commit == crate::what_if::nothing_pushed() => format!("a push to {branch}"),
        None => format!("the push of {} to {branch}", change.commit.short()),
    }
}

/// The stacks that the change touches itself; none if nobody tracks its branch.
pub fn touched_by(known: &Known, request: &Request<'_>) -> Vec<usize> {
    match tracked(known, request.change) {
        Ok(watch) => touched(known, watch, request).into_keys().collect(),
        Err(_) => Vec::new(),
    }
}

/// Whether the change is on a branch that stacks track.
pub fn is_tracked(known: &Known, change: &Change) -> bool {
    tracked(known, change).is_ok()
}

fn touched(known: &Known, watch: &Watch, request: &Request<'_>) -> BTreeMap<usize, Reason> {
    let Some(paths) = touch::known(request.paths) else {
        let text = format!(
            "{} does not say which files it changes, so every stack of {} that tracks {} counts",
            subject(request.change),
            request.change.repository,
            request.change.branch,
        );
        let reason = Reason::new(Code::Touched, text);
        return watch.members().map(|stack| (stack, reason.clone())).collect();
    };
    let by_paths = watch.touched(known.catalogue.stacks(), &paths);
    let mut touched: BTreeMap<usize, Reason> =
        by_paths.into_iter().map(|(stack, touch)| (stack, touch.reason())).collect();
    for (stack, reason) in request.by_code {
        if let Some(position) = known.catalogue.position(stack) {
            touched.entry(position).or_insert_with(|| reason.clone());
        }
    }
    touched
}

fn nothing_touched(watch: &Watch, request: &Request<'_>) -> Reason {
    let paths = touch::known(request.paths).unwrap_or_default();
    let stacks = count(watch.members().len(), "stack");
    let what = subject(request.change);
    let text = if paths.is_empty() {
        format!("{what} changes no file, so it touches none of those who track it ({stacks})")
    } else {
        format!(
            "{what} changes {}, outside the project roots and additional globs of all who track \
             it ({stacks})",
            phrase::list(&paths),
        )
    };
    Reason::new(Code::NothingTouched, text)
}

/// The stacks that cannot run: those that are disabled, those whose code is gone, and of a delivery
/// those that go by tags alone, unless it is their tag.
fn cannot_run(known: &Known, request: &Request<'_>, touched: &BTreeMap<usize, Reason>) -> Bits {
    let mut out = known.catalogue.disabled().clone();
    let gone = request.gone.iter().filter_map(|stack| known.catalogue.position(stack));
    for position in gone.chain(known.catalogue.without_code()) {
        out.insert(position);
    }
    if request.kind == ChainKind::Deploy {
        let is_meant = |at: &usize| request.tag && touched.contains_key(at);
        for position in known.catalogue.by_tag().iter().filter(|at| !is_meant(at)) {
            out.insert(position);
        }
    }
    out
}

/// The stacks that would be part of the chain if they could run.
fn left_out(
    graph: &Graph,
    out: &Bits,
    (touched, members): (&BTreeMap<usize, Reason>, &Members),
) -> BTreeSet<usize> {
    if out.is_empty() {
        return BTreeSet::new();
    }
    let followers = members.iter().flat_map(|stack| graph.children(stack));
    let all = touched.keys().copied().chain(followers.map(|edge| edge.child));
    all.filter(|&stack| out.contains(stack)).collect()
}

/// The stacks of a chain and why they are in it.
struct Chosen<'a> {
    known: &'a Known,
    /// The dependencies that count for it.
    graph: &'a Graph,
    touched: BTreeMap<usize, Reason>,
    members: Members,
    left_out: BTreeSet<usize>,
}

impl Chosen<'_> {
    /// The chain of its stacks in this order.
    fn planned(&self, order: &[usize], request: &Request<'_>) -> ChainPlanned {
        let change = request.change;
        let mut steps: Vec<PlannedStep> =
            order.iter().map(|&position| self.step(position, request)).collect();
        if let Some(first) = steps.first_mut() {
            for note in [self.without(), self.elsewhere(change)].into_iter().flatten() {
                first.why.text.push_str(&note);
            }
        }
        ChainPlanned {
            chain: request.chain,
            kind: request.kind,
            change: change.clone(),
            options: options(request, |label| {
                self.members.meet(self.known.catalogue.labelled(label))
            }),
            steps,
            edges: self.graph.planned(&self.known.catalogue, &self.members),
            graph_version: self.known.catalogue.version(),
            action: contracts::Action::default(),
            files: touch::known(request.paths).map(TouchedFiles::of),
        }
    }

    fn step(&self, position: usize, request: &Request<'_>) -> PlannedStep {
        let Change { repository, branch, .. } = request.change;
        let catalogue = &self.known.catalogue;
        let stack = &catalogue.stacks()[position];
        PlannedStep {
            stack: stack.id.clone(),
            name: stack.name.clone(),
            space: stack.space.clone(),
            labels: catalogue.labels(position).clone(),
            by_code: match request.before {
                Some(before) => catalogue.by_code_since(position, &before.catalogue),
                None => catalogue.by_code(position),
            },
            autodeploy: stack.autodeploy,
            on_commit: match request.tag {
                true => self.touched.contains_key(&position),
                false => stack.tracks(repository, branch),
            },
            why: self.why(position),
            path: Some(stack.project_root.clone()),
            uses: catalogue.uses(position).clone(),
            limits: catalogue.limits(position),
            owners: catalogue.owners(position),
        }
    }

    fn why(&self, position: usize) -> Reason {
        if let Some(reason) = self.touched.get(&position) {
            return reason.clone();
        }
        let stacks = self.known.catalogue.stacks();
        let parents = self.graph.parents(position).filter(|&parent| self.members.contains(parent));
        let names = parents.map(|parent| stacks[parent].id.as_str());
        Reason::new(Code::DependsOn, phrase::behind("depends on ", names))
    }

    /// The stacks that are left out.
    fn without(&self) -> Option<String> {
        let stacks = self.known.catalogue.stacks();
        let by_tag = |at: &&usize| self.known.catalogue.by_tag().contains(**at);
        let (tagged, others): (Vec<usize>, Vec<usize>) =
            self.left_out.iter().partition(|at| by_tag(at));
        let why = [(tagged, "going by tags alone"), (others, "being disabled or without code")];
        let told = why.iter().filter(|(out, _)| !out.is_empty()).map(|(out, why)| {
            let list = phrase::list(out.iter().map(|&position| stacks[position].id.as_str()));
            format!(" (left out, {why}: {list})")
        });
        let told: String = told.collect();
        (!told.is_empty()).then_some(told)
    }

    /// The dependencies on its stacks that do not count on the branch.
    fn elsewhere(&self, change: &Change) -> Option<String> {
        let (stacks, graph) = (self.known.catalogue.stacks(), &self.known.graph);
        let is_of_it = |edge: &Edge| self.members.contains(edge.parent);
        let edges = graph.elsewhere(&change.branch).filter(|(edge, _)| is_of_it(edge));
        let told = edges.map(|(Edge { parent, child, .. }, on)| {
            format!("{} on {} only on {}", stacks[child].id, stacks[parent].id, on.join(", "))
        });
        let told: Vec<String> = told.collect();
        let list = phrase::list(told.iter().map(String::as_str));
        (!told.is_empty()).then(|| format!(" (depending elsewhere: {list})"))
    }
}

#[cfg(test)]
mod tests;
