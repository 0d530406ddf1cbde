//! What holds up the runs of a stack: who has locked it, which run has it, and who would work.

use std::fmt;

use chrono::{DateTime, Utc};
use contracts::{RunId, StackId, run::RunState};
use graphql_client::GraphQLQuery;

use crate::{Client, Error, answer::Nature};

#[derive(GraphQLQuery)]
#[graphql(schema_path = "graphql/schema.graphql", query_path = "graphql/runs.graphql")]
struct GetHold;

#[derive(GraphQLQuery)]
#[graphql(schema_path = "graphql/schema.graphql", query_path = "graphql/runs.graphql")]
struct GetWorkers;

/// Who or what has a stack.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hold {
    /// A person has locked it.
    pub lock: Option<Lock>,
    /// A run has it.
    pub blocker: Option<Blocker>,
}

/// That a stack is locked.
#[derive(Clone, Debug, PartialEq)]
pub struct Lock {
    /// By whom.
    pub by: String,
    /// Since when.
    pub at: Option<DateTime<Utc>>,
    /// Why, in their words.
    pub note: Option<String>,
}

/// The run that has a stack.
#[derive(Clone, Debug, PartialEq)]
pub struct Blocker {
    /// Its id.
    pub run: RunId,
    /// How it stands.
    pub state: RunState,
    /// Who asked for it; none for a push.
    pub triggered_by: Option<String>,
    /// Where a person can see it.
    pub url: String,
}

/// The private worker pool of a stack.
#[derive(Clone, Debug, PartialEq)]
pub struct Workers {
    /// The name of the pool.
    pub pool: String,
    /// How many workers there are.
    pub all: usize,
    /// How many of them take no runs any more.
    pub drained: usize,
    /// How many work.
    pub busy: i64,
    /// How many runs wait for one.
    pub pending: i64,
}

impl Client {
    /// Who or what has a stack now.
    pub async fn hold(&self, stack: &StackId) -> Result<Hold, Error> {
        let variables = get_hold::Variables { stack: stack.to_string() };
        let data = self.ask::<GetHold>(variables, Nature::Question).await?;
        let shown = data.stack.ok_or(Error::NotFound)?;
        let (at, note) = (shown.locked_at, shown.lock_note);
        let lock = shown.locked_by.filter(|by| !by.is_empty()).map(|by| Lock {
            by,
            at: at.and_then(|seconds| DateTime::from_timestamp(seconds, 0)),
            note: note.filter(|note| !note.is_empty()),
        });
        let blocker = shown.blocker.map(|run| Blocker {
            url: format!("{}/run/{}", self.stack_url(stack), run.id),
            run: run.id.into(),
            state: run.state,
            triggered_by: run.triggered_by.filter(|by| !by.is_empty()),
        });
        Ok(Hold { lock, blocker })
    }

    /// Where a person can see a stack, and lock and unlock it.
    pub fn stack_url(&self, stack: &StackId) -> String {
        format!("{}/stack/{stack}", self.inner.base)
    }

    /// Who would work for a stack; none if it uses Spacelift's own workers.
    pub async fn workers(&self, stack: &StackId) -> Result<Option<Workers>, Error> {
        let variables = get_workers::Variables { stack: stack.to_string() };
        let data = self.ask::<GetWorkers>(variables, Nature::Question).await?;
        Ok(data.stack.ok_or(Error::NotFound)?.worker_pool.map(|pool| Workers {
            pool: pool.name,
            all: pool.workers.len(),
            drained: pool.workers.iter().filter(|worker| worker.drained).count(),
            busy: pool.busy_workers,
            pending: pool.pending_runs,
        }))
    }
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has locked it", self.by)?;
        if let Some(at) = self.at {
            write!(f, " since {}", at.format("%Y-%m-%d %H:%M UTC"))?;
        }
        match &self.note {
            Some(note) => write!(f, " ({note})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = self.triggered_by.as_deref().unwrap_or("a push");
        write!(f, "run {} of {by} has the stack and is {}", self.run, self.state)
    }
}

impl fmt::Display for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pool, all, drained, busy, pending } = self;
        match all - drained {
            _ if *all == 0 => write!(f, "the worker pool {pool} has no worker"),
            0 => write!(f, "all {all} workers of the pool {pool} are drained"),
            left => write!(
                f,
                "{busy} of {left} workers of the pool {pool} are busy, and {pending} runs wait"
            ),
        }
    }
}

impl Workers {
    /// Whether nobody is there who could take a run.
    pub fn is_empty(&self) -> bool {
        self.all == self.drained
    }
}
