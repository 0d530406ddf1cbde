//! Files of repositories, for other services: the question `file`. What was asked for once is kept in
//! Postgres, so that neither a lost mirror nor an origin that is away takes it back.

use std::sync::{Arc, atomic::AtomicBool};

use bus::{Problem, ProblemKind, read_as};
use contracts::{CommitSha, plain};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgPool;

use crate::{
    mirror::{Call, Mirrors, bring, unreadable},
    store as tables,
};

/// The most that is given: an answer is one message.
const BYTES_MAX: u64 = 256 * 1024;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// `owner/name`.
    pub repository: String,
    /// The commit, in full.
    pub commit: CommitSha,
    /// The file, from the root of the repository.
    pub path: String,
    /// The pull request whose commit it is, for hosts that give it by that name alone.
    #[serde(default)]
    pub pull_request: Option<u64>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct File {
    /// What is in it.
    pub text: String,
}

/// Answers the question.
pub(crate) async fn file(
    pool: PgPool,
    mirrors: Arc<Mirrors>,
    body: Value,
) -> Result<Value, Problem> {
    let wanted: Wanted = read_as("the question has `repository`, `commit` and `path`", body)?;
    let away = |error: sqlx::Error| {
        Problem::unavailable(format!("the planner's database did not answer: {error}"))
    };
    if let Some(content) = tables::cached_file(&pool, &wanted).await.map_err(away)? {
        return told(content);
    }
    let content = mirrors
        .file(wanted.clone())
        .await
        .map_err(|error| unreadable(error, "name it in full, and push it first"))?;
    let Some(content) = content else {
        let Wanted { repository, commit, path, .. } = wanted;
        let text = format!("{repository} has no file {path} at {commit}");
        return Err(Problem::not_found(text));
    };
    tables::cache_file(&pool, &wanted, &content).await.map_err(away)?;
    told(content)
}

fn told(content: Vec<u8>) -> Result<Value, Problem> {
    match String::from_utf8(content) {
        Ok(text) => Ok(plain(&File { text })),
        Err(_) => Err(Problem::new(
            ProblemKind::Conflict,
            "not_text",
            "the file is not UTF-8; only text is given",
        )),
    }
}

impl Mirrors {
    /// A file from the mirror, which fetches the commit first if it lacks it.
    async fn file(self: Arc<Self>, wanted: Wanted) -> anyhow::Result<Option<Vec<u8>>> {
        self.check()?;
        let lock = self.lock(&wanted.repository).lock_owned().await;
        let read = tokio::task::spawn_blocking(move || {
            let _lock = lock;
            let mirror = self.mirror(&wanted.repository)?;
            let call = Call {
                commit: Some(wanted.commit),
                pull_request: wanted.pull_request,
                ..Call::head_of(&wanted.repository, "")
            };
            let commit = bring(&mirror, &call, &AtomicBool::new(false))?;
            Ok(mirror.file(&commit, &wanted.path, BYTES_MAX)?)
        });
        read.await?
    }
}
