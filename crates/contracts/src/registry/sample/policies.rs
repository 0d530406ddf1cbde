//! The part of the story that policies tell of themselves.

use super::{BASE, COMMIT, Sample};
use crate::{
    Code, CommitSha, Reason,
    policies::{PoliciesRefused, PoliciesReplaced, PolicyFault, PolicySource, SwitchLine},
};

fn source(commit: &str) -> PolicySource {
    PolicySource {
        repository: Some("acme/policies".to_owned()),
        branch: Some("main".to_owned()),
        path: "policies".to_owned(),
        commit: Some(CommitSha::from(commit)),
    }
}

impl Sample for PoliciesReplaced {
    fn sample() -> Self {
        let text = "12 policies of acme/policies main policies at 3d0b8e6 are in force";
        Self {
            source: source(BASE),
            digest: "sha256:a3f5c0d9e8b71264".to_owned(),
            previous: "sha256:0b1c2d3e4f506172".to_owned(),
            policies: 12,
            reason: Reason::new(Code::PoliciesReplaced, text),
        }
    }
}

impl Sample for SwitchLine {
    fn sample() -> Self {
        Self {
            stop: true,
            labels: vec!["team:net".to_owned()],
            by: "ann".to_owned(),
            reason: Some("4711: nothing moves until we know".to_owned()),
        }
    }
}

impl Sample for PoliciesRefused {
    fn sample() -> Self {
        let text = "the policies of acme/policies main policies at 9f2c1a7 are refused, and what was \
                    in force stays: policies/production.hcl:3: `aproval` is not known here";
        Self {
            source: source(COMMIT),
            digest: "sha256:a3f5c0d9e8b71264".to_owned(),
            faults: vec![PolicyFault {
                file: "policies/production.hcl".to_owned(),
                line: Some(3),
                what: "`aproval` is not known here".to_owned(),
                advice: "write `approval`".to_owned(),
            }],
            reason: Reason::new(Code::PoliciesRefused, text),
            trial: false,
        }
    }
}
