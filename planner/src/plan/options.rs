//! How a chain is to be carried out.

use contracts::{
    chain::{ChainKind, ChainOptions, OnFailure},
    label,
};

use super::Request;

/// A change with this in its title stops at its first failure.
pub const FAIL_FAST_MARK: &str = "[stackly:fail-fast]";

/// A change with this in its title goes on beside a failure, whatever labels say.
pub const CONTINUE_MARK: &str = "[stackly:continue]";

/// A change with this in its title gives way to a newer one of the same branch.
pub const SUPERSEDE_MARK: &str = "[stackly:supersede]";

/// A change with this in its title gives way to none, whatever labels say.
pub const KEEP_MARK: &str = "[stackly:keep]";

/// A change with this in its title runs all that follow it, whether or not what they read changed.
pub const RUN_ALWAYS: &str = "[stackly:always]";

/// A change with this in its title is planned as a whole before anything is applied.
pub const PLAN_ALL_MARK: &str = "[stackly:plan-all]";

/// A label on any stack of a chain that says something of all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForAll {
    /// [`label::FAIL_FAST`].
    FailFast,
    /// [`label::SUPERSEDE`].
    Supersede,
    /// [`label::PLAN_ALL`].
    PlanAll,
}

impl ForAll {
    /// Every one of them, in order.
    pub(crate) const ALL: [Self; 3] = [Self::FailFast, Self::Supersede, Self::PlanAll];

    /// The label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::FailFast => label::FAIL_FAST,
            Self::Supersede => label::SUPERSEDE,
            Self::PlanAll => label::PLAN_ALL,
        }
    }
}

/// How a chain is to be carried out, as the labels of its stacks and the change say. The preview
/// of an older head of a pull request is of no use to anybody.
pub(super) fn options(request: &Request<'_>, is_labelled: impl Fn(ForAll) -> bool) -> ChainOptions {
    let title = &request.change.title;
    let wants = |mark: &str, against: &str, label: ForAll| {
        title.contains(mark) || (is_labelled(label) && !title.contains(against))
    };
    let on_failure = match wants(FAIL_FAST_MARK, CONTINUE_MARK, ForAll::FailFast) {
        true => OnFailure::Stop,
        false => OnFailure::Continue,
    };
    // A merge queue waits for each of its groups.
    let is_of_request = request.change.pull_request.is_some();
    let supersede = match request.kind {
        ChainKind::Preview => is_of_request,
        ChainKind::Deploy => wants(SUPERSEDE_MARK, KEEP_MARK, ForAll::Supersede),
    };
    let run_always = title.contains(RUN_ALWAYS);
    let wants_all = is_labelled(ForAll::PlanAll) || title.contains(PLAN_ALL_MARK);
    let plan_all = request.kind == ChainKind::Deploy && wants_all;
    ChainOptions { on_failure, supersede, run_always, plan_all }
}
