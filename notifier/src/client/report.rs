//! What Bitbucket's reports about the code of a commit have in common, in the cloud and in the data
//! center.

use contracts::validation::{Annotation, Level, Stage};

use crate::{findings::Findings, slack::text::clip, status::State};

/// Longer texts are refused.
pub(super) const DETAILS_CHARS_MAX: usize = 2_000;

/// What the report is called in addresses: it takes the place of the one before.
pub(super) fn id(findings: &Findings) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    findings.call.context.chars().map(plain).collect()
}

pub(super) fn is_passed(findings: &Findings) -> bool {
    findings.call.status.state == State::Success
}

pub(super) fn details(findings: &Findings) -> String {
    clip(&findings.note, DETAILS_CHARS_MAX)
}

pub(super) fn severity(found: &Annotation) -> &'static str {
    match found.level {
        Level::Failure => "HIGH",
        Level::Warning => "MEDIUM",
        Level::Notice => "LOW",
    }
}

pub(super) fn kind(found: &Annotation) -> &'static str {
    match found.stage {
        Stage::Security | Stage::Scanner => "VULNERABILITY",
        Stage::Syntax => "BUG",
        Stage::Policy => "CODE_SMELL",
    }
}

pub(super) fn message(found: &Annotation) -> String {
    clip(&format!("{}: {}", found.rule, found.message), DETAILS_CHARS_MAX)
}
