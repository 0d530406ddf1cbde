//! What of the code cannot be read as it should.

use code::{Configuration, Repository};
use contracts::validation::{Annotation, Level, Stage};
use located::Fault;

use crate::Scope;

/// The rule under which it is told.
pub const RULE: &str = "syntax";

/// Faults of the files in scope. What makes a stack or a file unreadable rejects; the rest warns.
pub fn check(
    repository: &Repository,
    configuration: &Configuration,
    scope: &Scope,
) -> Vec<Annotation> {
    let unread = configuration.unread();
    let is_unread = |fault: &&Fault| {
        !unread.iter().any(|one| (&one.file, &one.what) == (&fault.file, &fault.what))
    };
    let failures = repository.faults().iter().chain(unread);
    let failures = failures.map(|fault| annotation(fault, Level::Failure));
    let warnings = repository.warnings().iter().filter(is_unread);
    let warnings = warnings.map(|fault| annotation(fault, Level::Warning));
    failures.chain(warnings).filter(|found| scope.has(&found.file)).collect()
}

/// A fault as something that was found.
pub fn annotation(fault: &Fault, level: Level) -> Annotation {
    Annotation {
        file: fault.file.clone(),
        line: fault.line().unwrap_or(1),
        end_line: None,
        level,
        stage: Stage::Syntax,
        rule: RULE.to_owned(),
        message: format!("{}; {}", fault.what, fault.advice),
        stack: None,
    }
}
