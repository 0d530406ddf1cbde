//! Pushes that keep coming while something is done to the system.

use std::time::Duration;

use executor::ChainPage;
use tokio::task::JoinHandle;

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
