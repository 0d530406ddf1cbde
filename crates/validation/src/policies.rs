//! What the policies in force say of a change before anything is planned: policies that are named
//! and are not there, and gates that would be closed.

use std::collections::{BTreeMap, BTreeSet};

use contracts::{
    Code, Reason, StackId,
    gate::{Moment, Outcome},
    validation::{Annotation, Level, Stage},
};
use located::nearest;
use serde::Deserialize;

use crate::Subject;

/// The policies, as far as they are asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Asked {
    /// The names there are.
    pub names: BTreeSet<String>,
    /// The gates of a deployment, as they would be decided now.
    pub gates: Vec<Foreseen>,
}

/// One gate, as it would be decided now.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Foreseen {
    /// When it would be asked.
    pub moment: Moment,
    /// About which stack; about all of them before the chain.
    #[serde(default)]
    pub stack: Option<StackId>,
    /// What would become of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// What they say of these stacks.
pub fn check(subjects: &[Subject], asked: &Asked) -> Vec<Annotation> {
    let mut found: Vec<Annotation> =
        subjects.iter().flat_map(|subject| unknown(subject, &asked.names)).collect();
    let by_id: BTreeMap<&str, &Subject> =
        subjects.iter().map(|subject| (subject.id.as_str(), subject)).collect();
    let Some(first) = subjects.first() else { return found };
    for gate in &asked.gates {
        let of = gate.stack.as_ref().map(StackId::as_str);
        let own = of.and_then(|id| by_id.get(id).copied());
        for reason in &gate.reasons {
            let Some(level) = level(&gate.outcome, reason.code) else { continue };
            // What follows the change is told as well, but only what speaks against it.
            let text = match (of, own) {
                (Some(_), None) if level != Level::Failure => continue,
                (Some(id), None) => format!("{id}, which follows: {}", reason.text),
                _ => reason.text.clone(),
            };
            let subject = own.unwrap_or(first);
            found.push(Annotation {
                file: subject.spot.file.clone(),
                line: subject.spot.line,
                end_line: None,
                level,
                stage: Stage::Policy,
                rule: reason.code.to_string(),
                message: text,
                stack: of.map(str::to_owned),
            });
        }
    }
    found
}

/// The policies could not be asked: nothing is known of them.
pub fn unasked(subjects: &[Subject], why: &str) -> Option<Annotation> {
    let first = subjects.first()?;
    Some(Annotation {
        file: first.spot.file.clone(),
        line: first.spot.line,
        end_line: None,
        level: Level::Warning,
        stage: Stage::Policy,
        rule: "policies_unasked".to_owned(),
        message: format!("the policies could not be asked: {why}; the gates ask them all the same"),
        stack: None,
    })
}

/// What weighs how much before the time: what the clock or people can still change does not reject.
fn level(outcome: &Outcome, code: Code) -> Option<Level> {
    match code {
        Code::PolicyDenied
        | Code::LimitExceeded
        | Code::PolicyFailed
        | Code::AutodeployConflict
            if *outcome == Outcome::Deny =>
        {
            Some(Level::Failure)
        }
        Code::Allowed | Code::Approved => None,
        Code::PolicyWarning | Code::LineStopped | Code::PolicyFailed => Some(Level::Warning),
        _ if *outcome == Outcome::Deny => Some(Level::Warning),
        _ => Some(Level::Notice),
    }
}

fn unknown(subject: &Subject, names: &BTreeSet<String>) -> Vec<Annotation> {
    let missing = subject.policies.iter().filter(|(name, _)| !names.contains(name));
    let told = missing.map(|(name, spot)| {
        let advice = match nearest(name, names.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => "add it to the folder of policies first, or delete it here".to_owned(),
        };
        Annotation {
            file: spot.file.clone(),
            line: spot.line,
            end_line: None,
            level: Level::Failure,
            stage: Stage::Policy,
            rule: "policy_unknown".to_owned(),
            message: format!("there is no policy \"{name}\", so nothing holds to it; {advice}"),
            stack: Some(subject.name.clone()),
        }
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use code::MemoryTree;
    use contracts::change::Paths;

    use super::*;
    use crate::subjects;

    fn stacks() -> Vec<Subject> {
        let text = "stack \"net\" {\n  policies = [\"office_hours\", \"frezze\"]\n}\n";
        let tree = MemoryTree::new([("net/stackly.hcl", text)]);
        let repository = code::Repository::read(&tree);
        subjects(&repository, &[], &Paths::Unknown)
    }

    fn gate(stack: Option<&str>, outcome: Outcome, reason: Reason) -> Foreseen {
        let moment = Moment::BeforePlan;
        Foreseen { moment, stack: stack.map(StackId::from), outcome, reasons: vec![reason] }
    }

    #[test]
    fn a_policy_that_is_not_there_is_told_at_its_line_with_the_one_that_was_meant() {
        let names = ["office_hours", "freeze"].map(str::to_owned).into();
        let found = check(&stacks(), &Asked { names, gates: Vec::new() });
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].file.as_str(), found[0].line), ("net/stackly.hcl", 2));
        assert!(found[0].message.contains("did you mean \"freeze\"?"), "{}", found[0].message);
    }

    #[test]
    fn what_is_denied_rejects_and_what_time_or_people_can_change_does_not() {
        let mut all = stacks();
        all[0].policies.clear();
        let reason = |code| Reason::new(code, "because");
        let hold = Outcome::HoldForApprovals { given: 0, needed: 1 };
        let gates = vec![
            gate(Some("net"), Outcome::Deny, reason(Code::PolicyDenied)),
            gate(Some("app"), Outcome::Deny, reason(Code::LimitExceeded)),
            gate(Some("net"), Outcome::Deny, reason(Code::WindowClosed)),
            gate(Some("net"), hold, reason(Code::ApprovalNeeded)),
            gate(None, Outcome::Pass, reason(Code::Allowed)),
        ];
        let found = check(&all, &Asked { names: BTreeSet::new(), gates });
        let told: Vec<_> = found.iter().map(|it| (it.level, it.rule.as_str())).collect();
        let expected = [
            (Level::Failure, "policy_denied"),
            (Level::Failure, "limit_exceeded"),
            (Level::Warning, "window_closed"),
            (Level::Notice, "approval_needed"),
        ];
        assert_eq!(told, expected);
        assert_eq!(found[1].message, "app, which follows: because");
    }
}
