//! Policies, questions and reviews for tests.

use chrono::{DateTime, Utc};
use contracts::{
    Action, ChainId, CommitSha, GateId,
    chain::ChainKind,
    change::Change,
    gate::{GateRequested, GateStack, Moment},
};
use uuid::Uuid;

use crate::{
    document::{File, read},
    model::PolicySet,
    review::{Review, Word},
};

pub(crate) fn policies(text: &str) -> PolicySet {
    let file = File { name: "a.hcl".to_owned(), text: text.to_owned() };
    read(&[file]).unwrap_or_else(|faults| panic!("{faults}"))
}

/// The branch `main` of a repository whose folder `policies` has them.
pub(crate) fn git(url: &str, mirrors: &std::path::Path) -> crate::config::Git {
    crate::config::Git {
        url: url.to_owned(),
        repository: String::new(),
        branch: "main".to_owned(),
        path: "policies".to_owned(),
        refresh: std::time::Duration::from_secs(3_600),
        folder: mirrors.display().to_string(),
        username: "x-access-token".to_owned(),
        token: service::SecretString::default(),
        app: git::AppOptions::default(),
        ssh_command: String::new(),
    }
}

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A Friday noon in Berlin.
pub(crate) fn noon() -> DateTime<Utc> {
    at("2026-11-20T11:00:00Z")
}

pub(crate) fn stack(name: &str, labels: &[&str]) -> GateStack {
    GateStack {
        stack: name.into(),
        space: "platform-01HZZZZZZZZZZZZZZZZZZZZZZZ".into(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        code_labels: Vec::new(),
        autodeploy: false,
        path: None,
        follows: false,
        worker_pool: None,
    }
}

pub(crate) fn request(moment: Moment, stacks: &[GateStack]) -> GateRequested {
    GateRequested {
        gate: GateId(Uuid::from_u128(7)),
        chain: ChainId(Uuid::from_u128(8)),
        kind: ChainKind::Deploy,
        moment,
        stacks: stacks.to_vec(),
        change: Change {
            repository: "acme/infra".to_owned(),
            branch: "main".to_owned(),
            commit: CommitSha("c0ffee".to_owned()),
            previous: None,
            author: "Dora".to_owned(),
            authors: Vec::new(),
            title: "Widen the network".to_owned(),
            url: None,
            pull_request: None,
        },
        run: None,
        delta: None,
        changes: None,
        changes_more: 0,
        unread: None,
        files: None,
        steps: None,
        plans: Vec::new(),
        differs: None,
        action: Action::default(),
        planned_at: Some(noon()),
        failures: Vec::new(),
        again: 0,
    }
}

pub(crate) fn prod(moment: Moment) -> GateRequested {
    request(moment, &[stack("net-prod", &["env:prod"])])
}

pub(crate) fn review(number: u128, by: &str, approve: bool) -> Review {
    let (id, word) = (Uuid::from_u128(number), Word::of(approve));
    Review { id, by: by.to_owned(), groups: Vec::new(), word, note: None, at: noon() }
}
