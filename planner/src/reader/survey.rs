//! Whose code is to be read although nothing was pushed.

use std::collections::BTreeSet;

use chrono::Utc;
use contracts::StackId;
use sqlx::PgPool;
use uuid::Uuid;

use super::Reader;
use crate::{
    blueprint::Blueprint,
    catalogue::{Catalogue, repository_key},
    decider::{Input, Survey},
    store::{self as tables, Head},
};

/// How often code is read again that could not be.
const RETRY_SECONDS: i64 = 300;

/// What code was last asked to be read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Surveyed {
    /// The state of the account.
    pub digest: Uuid,
    /// How often it had changed.
    pub changes: i64,
    /// The number of the graph.
    pub version: i64,
    /// When what could not be read was tried again: each round has [`RETRY_SECONDS`].
    pub round: i64,
}

impl Reader {
    /// Has the code of every branch that stacks track read, once for each change of the account, also
    /// if that says then what it said once before: so that it is known before the first push, and
    /// follows what the account changes. What could not be read is tried again now and then, and what
    /// never was, at every start. Readings of two branches at once
    /// know nothing of each other: whatever the one gives to a stack that the other has left is read
    /// again as soon as both are stored.
    pub(super) async fn survey(&self, head: &Head) -> anyhow::Result<()> {
        let (Some(digest), Some(snapshot)) = (head.digest, self.shelf.snapshot()) else {
            return Ok(());
        };
        let catalogue = &snapshot.known.catalogue;
        let (version, round) = (catalogue.version(), Utc::now().timestamp() / RETRY_SECONDS);
        let changes = head.changes;
        let (before, now) = (self.shelf.surveyed(), Surveyed { digest, changes, version, round });
        if before == Some(now) {
            return Ok(());
        }
        let is_due = |(repository, branch): &(&str, &str)| {
            !catalogue.read().have(repository, branch) || self.shelf.is_away(repository)
        };
        let (due, others): (Vec<_>, Vec<_>) = catalogue.tracked().into_iter().partition(is_due);
        self.have_read(&due, &format!("{digest}/{}/{round}", self.shelf.life())).await?;
        let unregistered = unregistered(&self.pool, catalogue).await?;
        self.have_read(&each(&unregistered), &format!("{version}/{round}")).await?;
        let state = (digest, changes);
        if before.is_none_or(|before| (before.digest, before.changes) != state) {
            let in_use = tables::branches_in_use(&self.pool).await?;
            let in_use = each(&in_use).into_iter();
            // So that the last stack of a branch is retired as well when the account has it no more.
            let left = in_use.filter(|branch| !catalogue.tracks(branch.0, branch.1));
            let all: Vec<_> = others.into_iter().chain(left).collect();
            self.have_read(&all, &format!("{digest}/{changes}")).await?;
        }
        self.shelf.note_surveyed(now);
        Ok(())
    }

    /// Lets the code of these branches have its turn; those who ask for the same are one.
    async fn have_read(&self, branches: &[(&str, &str)], asked_for: &str) -> anyhow::Result<()> {
        for &(repository, branch) in branches {
            let name = format!("survey/{}/{branch}/{asked_for}", repository_key(repository));
            let id = Uuid::new_v5(&contracts::id::NAMESPACE, name.as_bytes());
            let (key, branch) = (repository.to_owned(), branch.to_owned());
            let survey = Survey { repository: key.clone(), branch };
            self.submit(id, "code.surveyed", key, Input::Surveyed(survey)).await?;
        }
        Ok(())
    }
}

fn each(branches: &[(String, String)]) -> Vec<(&str, &str)> {
    branches.iter().map(|(repository, branch)| (repository.as_str(), branch.as_str())).collect()
}

/// The branches whose code is that of a stack which is not registered with it, though they are read.
pub(crate) async fn unregistered(
    pool: &PgPool,
    catalogue: &Catalogue,
) -> Result<Vec<(String, String)>, sqlx::Error> {
    let registered = tables::branches_of_active(pool).await?;
    let is_registered = |stack: &StackId, code: &Blueprint| {
        let place = registered.get(stack);
        place.is_some_and(|(repository, branch)| code.is_of(repository, branch))
    };
    let with_code = catalogue.stacks().iter().enumerate();
    let with_code = with_code.filter_map(|(at, stack)| Some((stack, catalogue.blueprint(at)?)));
    let missing = with_code.filter(|(stack, code)| {
        !is_registered(&stack.id, code) && catalogue.tracks(&code.repository, &code.branch)
    });
    let missing: BTreeSet<_> = missing.map(|(_, code)| (&code.repository, &code.branch)).collect();
    Ok(missing
        .into_iter()
        .map(|(repository, branch)| (repository.clone(), branch.clone()))
        .collect())
}
