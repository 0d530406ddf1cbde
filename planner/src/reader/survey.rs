//! Whose code is to be read although nothing was pushed.

use std::collections::HashSet;

use chrono::Utc;
use uuid::Uuid;

use super::Reader;
use crate::{
    catalogue::repository_key,
    decider::{Input, Survey},
    store::{self as tables, Head},
};

/// How often code is read again that could not be.
const RETRY_SECONDS: i64 = 300;

impl Reader {
    /// Has the code of every branch that stacks track read, once for each state of the account:
    /// so that it is known before the first push, and follows what the account changes. What could
    /// not be read is tried again now and then, and at every start.
    pub(super) async fn survey(&self, head: &Head) -> anyhow::Result<()> {
        let (Some(digest), Some(snapshot)) = (head.digest, self.shelf.snapshot()) else {
            return Ok(());
        };
        let round = Utc::now().timestamp() / RETRY_SECONDS;
        let (is_news, is_round) = (!self.shelf.is_surveyed(digest), !self.shelf.is_retried(round));
        if !is_news && !is_round {
            return Ok(());
        }
        let read: HashSet<(String, String)> =
            tables::branches_read(&self.pool).await?.into_iter().collect();
        let is_due = |repository: &str, branch: &str| {
            !read.contains(&(repository_key(repository), branch.to_owned()))
                || self.shelf.is_away(repository)
        };
        let catalogue = &snapshot.known.catalogue;
        let in_use = tables::branches_in_use(&self.pool).await?;
        let tracked = catalogue.tracked();
        // So that the last stack of a branch is retired as well when the account has it no more.
        let is_left = |(repository, branch): &(&str, &str)| {
            let found = catalogue.repository(repository);
            !found.is_some_and(|found| found.branches.contains_key(*branch))
        };
        let in_use =
            in_use.iter().map(|(repository, branch)| (repository.as_str(), branch.as_str()));
        let left: Vec<_> = in_use.filter(is_left).collect();
        let (due, mut others): (Vec<_>, Vec<_>) =
            tracked.into_iter().partition(|(repository, branch)| is_due(repository, branch));
        others.extend(left);
        let surveys = |branches: Vec<(&str, &str)>| -> Vec<Survey> {
            let survey = |(repository, branch): (&str, &str)| Survey {
                repository: repository.to_owned(),
                branch: branch.to_owned(),
            };
            branches.into_iter().map(survey).collect()
        };
        let (due, others) = (surveys(due), surveys(others));
        self.have_read(due, &format!("{digest}/{}/{round}", self.shelf.life())).await?;
        if is_news {
            self.have_read(others, &digest.to_string()).await?;
        }
        self.shelf.note_surveyed(digest, round);
        Ok(())
    }

    /// Lets the code of these branches have its turn; those who ask for the same are one.
    async fn have_read(&self, surveys: Vec<Survey>, asked_for: &str) -> anyhow::Result<()> {
        for survey in surveys {
            let Survey { repository, branch } = &survey;
            let name = format!("survey/{}/{branch}/{asked_for}", repository_key(repository));
            let id = Uuid::new_v5(&contracts::id::NAMESPACE, name.as_bytes());
            let key = repository.clone();
            self.submit(id, "code.surveyed", key, Input::Surveyed(survey)).await?;
        }
        Ok(())
    }
}
