//! What becomes of what stacks made whose code is gone: it stays, unless policies say of every one of
//! them that it is destroyed, and none says that it stays.

use contracts::{
    Action, Code, Reason,
    gate::{GateRequested, Moment},
};

use super::scope::{About, Asked};

/// What policies say becomes of stacks.
#[derive(Default)]
pub(super) struct Fates<'a> {
    destroyed: Vec<&'a str>,
    loosened: Option<String>,
    /// Only what other rules say is of interest.
    pub(super) is_muted: bool,
}

impl<'a> Fates<'a> {
    pub(super) fn hear(&mut self, asked: &Asked<'a>, destroy: bool) {
        match (&asked.about, destroy) {
            (About::Stacks(stacks), true) => self.destroyed.extend(stacks),
            (_, true) => {}
            (about, false) => {
                let title = asked.policy.title();
                self.loosened = Some(format!("{title} leaves what {about} made as it is"));
            }
        }
    }

    /// Why nothing is destroyed, if so.
    pub(super) fn decided(&self, request: &GateRequested) -> Option<Reason> {
        let is_asked =
            request.action == Action::Deregister && request.moment == Moment::BeforeChain;
        if self.is_muted || !is_asked {
            return None;
        }
        let unsaid = request.stacks.iter().find(|it| !self.destroyed.contains(&it.stack.as_str()));
        let why = match (&self.loosened, unsaid) {
            (Some(loosened), _) => loosened.clone(),
            (None, Some(stack)) => {
                format!("no policy says that what {} made is destroyed", stack.stack)
            }
            (None, None) => return None,
        };
        let text = format!("{why}; it stays, without code, until somebody adopts or destroys it");
        Some(Reason::new(Code::StaysLoose, text))
    }
}
