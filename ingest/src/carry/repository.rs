//! How far a word in a repository reaches: to what its own changes set off, and no further.
//!
//! Otherwise whoever may write in one repository, or knows the secret its deliveries are signed
//! with, would command all others by the names of their gates and chains. A chain is of the
//! repository whose change began it, also where its steps are stacks of others: so one repository
//! answers for it, and not each that may follow.

use bus::{Problem, ProblemKind};
use contracts::subject;
use serde_json::json;

use super::{Carriage, Outcome};
use crate::order::{Act, Order, Target};

impl Carriage {
    /// Whether what an order names is of the repository it was said in, or what to tell the person.
    /// What nobody knows is of none.
    pub(super) async fn is_of_its_repository(
        &self,
        order: &Order,
    ) -> Result<Result<(), Outcome>, bus::BusError> {
        let Some(repository) = order.said_in() else { return Ok(Ok(())) };
        // Each is asked of the service that would follow the order.
        let is_review = matches!(order.act, Act::Review(_));
        let (named, (service, about), question) = match &order.target {
            // It is one of that repository already.
            Target::PullRequest { .. } => return Ok(Ok(())),
            Target::Gate(gate) => {
                (gate.to_string(), ("policy", "gates"), json!({ "gate": gate, "limit": 1 }))
            }
            Target::Chain(chain, _) if is_review => {
                (chain.to_string(), ("policy", "gates"), json!({ "chain": chain, "limit": 1 }))
            }
            Target::Chain(chain, _) => {
                (chain.to_string(), ("executor", "chain"), json!({ "chain": chain }))
            }
        };
        let answer = match self.bus.request(&subject::question(service, about), &question).await? {
            Ok(answer) => answer,
            Err(problem) => return Ok(Err(problem.into())),
        };
        let change = answer.pointer("/change").or_else(|| answer.pointer("/gates/0/change"));
        let began_in = change.and_then(|change| change["repository"].as_str());
        if began_in.is_some_and(|began_in| began_in.eq_ignore_ascii_case(repository)) {
            return Ok(Ok(()));
        }
        let text = format!(
            "{named} is of no change to {repository}, and what is said there is about its own \
             changes alone; say it in the repository whose change began the chain, in Slack or on \
             the command line"
        );
        Ok(Err(Problem::new(ProblemKind::Refused, "other_repository", text).into()))
    }
}
