//! The end of the log of a run: what it says about how the run ended.

use contracts::{RunId, StackId, run::RunState};
use graphql_client::GraphQLQuery;

use crate::{Client, Error, answer::Nature};

#[derive(GraphQLQuery)]
#[graphql(schema_path = "graphql/schema.graphql", query_path = "graphql/runs.graphql")]
struct GetLogPhases;

#[derive(GraphQLQuery)]
#[graphql(schema_path = "graphql/schema.graphql", query_path = "graphql/runs.graphql")]
struct GetLog;

/// A log is only given from its beginning on; one that is longer is not followed to its end.
const PAGES_MAX: usize = 20;
/// So much of its end is kept, in bytes.
const KEPT_MAX: usize = 64 * 1024;

impl Client {
    /// The end of the log of the last phase of a run that has one; none if there is no such run, if
    /// none of its phases has a log, or if the log is so long that its end is out of reach.
    pub async fn end_of_log(&self, stack: &StackId, run: &RunId) -> Result<Option<String>, Error> {
        let Some((state, version)) = self.last_phase(stack, run).await? else { return Ok(None) };
        let (mut end, mut token) = (String::new(), None);
        for _ in 0..PAGES_MAX {
            let variables = get_log::Variables {
                stack: stack.to_string(),
                run: run.to_string(),
                state: state.clone(),
                version,
                token,
            };
            let data = self.ask::<GetLog>(variables, Nature::Question).await?;
            let page = data.stack.and_then(|it| it.run).and_then(|it| it.logs);
            let Some(page) = page else { return Ok(None) };
            for message in &page.messages {
                end.push_str(&message.message);
            }
            keep_the_end(&mut end);
            // The phase is over, so what is not there yet will not come.
            token = page.next_token.filter(|_| page.has_more && !page.finished);
            if token.is_none() {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    async fn last_phase(
        &self,
        stack: &StackId,
        run: &RunId,
    ) -> Result<Option<(RunState, i64)>, Error> {
        let variables =
            get_log_phases::Variables { stack: stack.to_string(), run: run.to_string() };
        let data = match self.ask::<GetLogPhases>(variables, Nature::Questions).await {
            Err(Error::NotFound) => return Ok(None),
            answer => answer?,
        };
        let history = data.stack.and_then(|it| it.run).map(|it| it.history).unwrap_or_default();
        let phases = history.into_iter().filter(|it| it.has_logs);
        let last = phases.max_by_key(|it| it.state_version);
        Ok(last.map(|it| (it.state, it.state_version)))
    }
}

/// Cuts off what is too much, from the front.
fn keep_the_end(text: &mut String) {
    if text.len() > KEPT_MAX {
        let from = text.ceil_char_boundary(text.len() - KEPT_MAX);
        text.drain(..from);
    }
}
