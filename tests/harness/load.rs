//! Pushes that keep coming while something is done to the system.

use std::time::Duration;

use executor::ChainPage;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{User, patience::eventually};

/// How many pushes, and how many of their chains may be open at once.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// How many pushes.
    pub chains: usize,
    /// How many chains may be open.
    pub open_max: usize,
    /// How many diamonds there are ([`crate::accounts::diamonds`]); the pushes go round.
    pub diamonds: usize,
    /// How long the system may take for all of it.
    pub patience: Duration,
}

impl Load {
    /// Pushes beside whoever called; gives the chains when all have ended.
    pub fn start(self, user: &User) -> JoinHandle<Vec<ChainPage>> {
        let user = user.clone();
        tokio::spawn(async move { self.run(&user).await })
    }

    async fn run(self, user: &User) -> Vec<ChainPage> {
        let mut commits = Vec::with_capacity(self.chains);
        for number in 0..self.chains {
            eventually(
                "chains to end, so that others can begin",
                self.patience,
                || user.open(&commits),
                |open: &Vec<String>| open.len() < self.open_max,
            )
            .await;
            let path = format!("stacks/a{}/main.tf", number % self.diamonds);
            commits.push(user.push(&[&path]).await);
        }
        user.all_ended(&commits, self.patience).await
    }
}

/// Pushes that keep coming until they are told to end.
pub struct Endless {
    ended: CancellationToken,
    pushing: JoinHandle<Vec<ChainPage>>,
}

impl Endless {
    /// Pushes beside whoever called.
    pub fn start(load: Load, user: &User) -> Self {
        let (ended, user) = (CancellationToken::new(), user.clone());
        let pushing = tokio::spawn(push(load, user, ended.clone()));
        Self { ended, pushing }
    }

    /// Pushes no more; gives every chain when all have ended.
    pub async fn end(self) -> Vec<ChainPage> {
        self.ended.cancel();
        self.pushing.await.expect("whoever pushes does not panic")
    }
}

async fn push(load: Load, user: User, ended: CancellationToken) -> Vec<ChainPage> {
    let (mut open, mut pages) = (Vec::new(), Vec::new());
    let mut number = 0;
    while !ended.is_cancelled() && number < load.chains {
        let few = |still: &Option<Vec<String>>| {
            still.as_ref().is_some_and(|still| still.len() < load.open_max)
        };
        let still = || async { user.still_open(&open).await };
        let looked =
            eventually("chains to end, so that others can begin", load.patience, still, few);
        let Some(still) = looked.await else { break };
        for commit in open.iter().filter(|commit| !still.contains(commit)) {
            pages.push(user.ended(commit).await);
        }
        open = still;
        let path = format!("stacks/a{}/main.tf", number % load.diamonds);
        open.push(user.push(&[&path]).await);
        number += 1;
    }
    pages.extend(user.all_ended(&open, load.patience).await);
    pages
}
