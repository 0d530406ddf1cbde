//! Stopping the line, and letting it go on.

use bus::{Command, Problem, ProblemKind, read};
use chrono::{TimeDelta, Utc};
use contracts::{plain, policies::SwitchLine};
use serde_json::Value;

use super::{Desk, unavailable};
use crate::{
    line::{self, End, Stop},
    page::Stops,
    review::ReviewRefused,
    store as tables,
};

/// How far back ended stops are listed.
pub(crate) const LATELY: TimeDelta = TimeDelta::days(30);

impl Desk {
    /// `line.switch`: a person stops the line, or lets it go on. Kept before it is answered; every
    /// replica reads it with the policies a moment later.
    pub(crate) async fn switch(&self, body: Value) -> Result<Value, Problem> {
        let Command { id, command } = read::<Command<SwitchLine>>(body)?;
        let SwitchLine { stop, labels, by, reason } = command;
        let (by, now) = (by.trim().to_owned(), Utc::now());
        if by.is_empty() {
            return Err(ReviewRefused::Nameless.into());
        }
        let labels = line::settled(labels);
        let reason = reason.map(|it| it.trim().to_owned()).filter(|reason| !reason.is_empty());
        if stop {
            let Some(reason) = reason else {
                let message = "a stop needs a reason: everyone who is stopped reads it";
                return Err(Problem::new(ProblemKind::Malformed, "reason_missing", message));
            };
            let stop = Stop { id, labels, reason, by, at: now, ended: None };
            tables::stop_line(&self.pool, &stop).await.map_err(|error| unavailable(&error))?;
            return self.switched().await;
        }
        let end = End { by, at: now, reason };
        let ended = tables::let_go(&self.pool, &labels, &end).await;
        if ended.map_err(|error| unavailable(&error))? == 0 {
            let message = format!(
                "the line is not stopped for {}; `stackly stops` lists for what it is, and whatever \
                 is stopped by a `stop` block goes on when that is taken away",
                line::about(&labels)
            );
            return Err(Problem::new(ProblemKind::NotFound, "not_stopped", message));
        }
        self.switched().await
    }

    /// This replica knows it at once, the others a moment later.
    async fn switched(&self) -> Result<Value, Problem> {
        let stops = self.stops().await?;
        self.library.switch(&stops, Utc::now());
        Ok(shown(stops))
    }

    /// `line`: for what it is stopped, and was of late.
    pub(crate) async fn line(&self, _body: Value) -> Result<Value, Problem> {
        Ok(shown(self.stops().await?))
    }

    async fn stops(&self) -> Result<Vec<Stop>, Problem> {
        let stops = tables::line(&self.pool, Utc::now() - LATELY).await;
        stops.map_err(|error| unavailable(&error))
    }
}

fn shown(stops: Vec<Stop>) -> Value {
    let (ended, stopped) = stops.into_iter().partition(|stop| stop.ended.is_some());
    plain(&Stops { stopped, ended })
}
