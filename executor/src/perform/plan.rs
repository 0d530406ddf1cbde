//! What a plan changes, resource by resource: read once for each plan that a policy may look into.
//!
//! It changes nothing, so it may be repeated. What cannot be read after a few attempts is not read:
//! the policies are told, and decide without it. While Spacelift answers nothing at all, that is no
//! reason to decide: what it shows of this plan is not known yet.

use contracts::{Code, Reason, gate::PlannedChange, run::RunState};
use spacelift::{Error, ResourceChange};
use store::Claim;

use super::{Called, Calls};
use crate::{
    call::Call,
    draft::{self, DELETED},
    input::{CallResult, PlanRead},
};

/// How often it is tried before the policies decide without it.
const ATTEMPTS_MAX: i32 = 5;

impl Calls {
    pub(super) async fn read_plan(&self, claim: &Claim, call: &Call) -> Result<Called, Error> {
        let Some(run) = &call.run else {
            return Ok(unread(call, "there is no run".to_owned()));
        };
        let is_last = claim.attempt >= ATTEMPTS_MAX;
        let (facts, changes) = match self.spacelift.plan(&call.stack, run).await {
            Ok(Some(shown)) => shown,
            Ok(None) if is_last => {
                return Ok(unread(call, "Spacelift knows no such run".to_owned()));
            }
            Ok(None) => return Ok(self.behind(call)),
            Err(error @ Error::Refused { .. }) => return Ok(unread(call, error.to_string())),
            Err(error) if is_last && !self.is_away(call, run, &error).await => {
                return Ok(unread(call, error.to_string()));
            }
            Err(error) => return Err(error),
        };
        let wanted = call.plan_version.unwrap_or(facts.state_version);
        // A run that plans only has ended when it shows its plan, and shows no other any more.
        let shows = match call.preview {
            true => facts.finished,
            false => facts.state_version == wanted && facts.state == RunState::Unconfirmed,
        };
        if shows {
            return Ok(match changes {
                Some(changes) => Called::Over(CallResult::Plan(read(wanted, &changes))),
                None => unread(call, "Spacelift shows no list of resources".to_owned()),
            });
        }
        if facts.state_version > wanted {
            return Ok(Called::run(facts));
        }
        match is_last {
            true => Ok(unread(call, "what Spacelift shows of the run is behind".to_owned())),
            false => Ok(self.behind(call)),
        }
    }

    fn behind(&self, call: &Call) -> Called {
        let text = format!("what Spacelift shows of {} is behind", call.stack);
        let why = Reason::new(Code::SpaceliftUnavailable, text);
        Called::Waits { after: self.runs.settle, why }
    }
}

fn unread(call: &Call, why: String) -> Called {
    Called::Over(CallResult::Plan(PlanRead {
        version: call.plan_version,
        changes: None,
        more: 0,
        unread: Some(Reason::new(Code::PlanUnread, why)),
    }))
}

/// What fits of it, what is lost first.
fn read(version: i64, shown: &[ResourceChange]) -> PlanRead {
    let (changes, more) = draft::fitting(shown.iter().flat_map(changes_of).collect());
    PlanRead { version: Some(version), changes: Some(changes), more, unread: None }
}

/// A replacement is a deletion and an addition. A word that this build does not know is handed on:
/// what is counted as deleted and not named as such makes the policies doubt the list.
fn changes_of(shown: &ResourceChange) -> Vec<PlannedChange> {
    let word = shown.kind.to_ascii_lowercase();
    let actions: &[&str] = match word.as_str() {
        "add" | "added" | "create" | "created" => &["added"],
        "change" | "changed" | "update" | "updated" => &["changed"],
        "delete" | "deleted" | "destroy" | "destroyed" => &[DELETED],
        word if word.starts_with("replace") || word.contains("create") && word.contains("d") => {
            &[DELETED, "added"]
        }
        other => &[other],
    };
    let one = |action: &&str| PlannedChange {
        address: shown.address.clone(),
        resource_type: resource_type(&shown.address).to_owned(),
        action: (*action).to_owned(),
        stack: None,
    };
    actions.iter().map(one).collect()
}

/// The type in an address: `aws_subnet` in `module.net["a.b"].aws_subnet.private[0]`.
fn resource_type(address: &str) -> &str {
    let mut rest = address;
    loop {
        let (part, after) = part(rest);
        match (part, after) {
            ("module", Some(after)) => match self::part(after).1 {
                Some(after) => rest = after,
                None => return part,
            },
            ("data", Some(after)) => rest = after,
            (part, _) => return part,
        }
    }
}

/// The first part of an address, without its index, and what comes after it. A dot within an index
/// parts nothing.
fn part(address: &str) -> (&str, Option<&str>) {
    let (mut quoted, mut escaped, mut name) = (false, false, address.len());
    for (at, character) in address.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '[' if !quoted => name = name.min(at),
            '.' if !quoted => return (&address[..name.min(at)], Some(&address[at + 1..])),
            _ => {}
        }
    }
    (&address[..name], None)
}

#[cfg(test)]
mod tests;
