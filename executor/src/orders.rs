//! The orders people give over request and reply, and answers to health checks: committed before they
//! are answered.

mod locks;

use std::sync::Arc;

use bus::{Command, Failure, Problem, ProblemKind, read};
use chrono::{DateTime, Utc};
use contracts::{
    Code, Envelope, Message,
    check::AnswerCheck,
    order::{CancelChain, OrderKind, PauseChain, ResumeChain, RetryChain},
};
use futures::future::BoxFuture;
use serde_json::Value;
use store::{Engine, SubmitError};
use uuid::Uuid;

use crate::{
    course::Said,
    decider::ChainDecider,
    input::{Answered, Input, Order},
    questions::{ChainPage, Pages},
    roles::Roles,
};

/// A command that is an order.
pub(crate) trait ChainCommand: Message {
    fn order(self, now: DateTime<Utc>) -> Order;
}

/// Where orders are given. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Desk {
    /// Where they are decided.
    pub(crate) engine: Engine<ChainDecider>,
    /// Where chains are looked up.
    pub(crate) pages: Pages,
    /// Who may give them.
    pub(crate) roles: Arc<Roles>,
}

impl Desk {
    /// Answers one command.
    pub(crate) fn answers<C: ChainCommand>(
        &self,
    ) -> impl Fn(Value) -> BoxFuture<'static, Result<Value, Problem>> + Send + Sync + 'static {
        let desk = self.clone();
        move |body| {
            let desk = desk.clone();
            Box::pin(async move { desk.take::<C>(body).await })
        }
    }

    async fn take<C: ChainCommand>(&self, body: Value) -> Result<Value, Problem> {
        let now = Utc::now();
        let Command { id, command } = read::<Command<C>>(body)?;
        let key = command.key();
        let order = command.order(now);
        let chain = order.chain;
        self.may(&order.said, order.kind.as_str(), order.force)?;
        let before = self.pages.page(chain).await?;
        if let Some(stack) = order.stack.as_ref().filter(|stack| !before.has(stack)) {
            return Err(Problem::not_found(format!("{stack} is not a step of {chain}")));
        }
        self.submit::<C>((&before, id, key), Input::Ordered(order), now).await
    }

    /// Refuses what nobody says, or somebody who may not.
    fn may(&self, said: &Said, order: &str, force: bool) -> Result<(), Problem> {
        if said.by.is_empty() {
            return Err(Problem::malformed("`by` must say who gives the order"));
        }
        match self.roles.refuse(&said.by, order, force) {
            Some(text) => Err(Problem::new(ProblemKind::Refused, Code::NotAllowed.as_str(), text)),
            None => Ok(()),
        }
    }

    /// `check.answer`: somebody outside says whether a health check holds.
    pub(crate) async fn answer(self, body: Value) -> Result<Value, Problem> {
        let Command { id, command } = read::<Command<AnswerCheck>>(body)?;
        let key = command.key();
        let AnswerCheck { chain, check, look, pass, by, text, groups } = command;
        let by = by.trim().to_owned();
        if by.is_empty() {
            return Err(Problem::malformed("`by` must say who answers"));
        }
        if let Some(text) = self.roles.refuse_answer(&by, groups.as_deref()) {
            return Err(Problem::new(ProblemKind::Refused, Code::NotAllowed.as_str(), text));
        }
        let text = text.filter(|text| !text.trim().is_empty());
        let answered = Input::Answered(Answered { chain, check, look, pass, by, text });
        let before = self.pages.page(chain).await?;
        self.submit::<AnswerCheck>((&before, id, key), answered, Utc::now()).await
    }

    /// Has something decided that a person or a program says of a chain; gives how it stands then.
    async fn submit<C: Message>(
        &self,
        (before, id, key): (&ChainPage, Uuid, String),
        body: Input,
        now: DateTime<Utc>,
    ) -> Result<Value, Problem> {
        let chain = before.line.chain;
        let id = Uuid::new_v5(&chain.0, id.as_bytes());
        self.decide::<C>((id, before.correlation, key), body, now).await?;
        self.pages.told(chain).await
    }

    /// Has something decided, or says why it is not.
    async fn decide<C: Message>(
        &self,
        (id, correlation, key): (Uuid, Uuid, String),
        body: Input,
        time: DateTime<Utc>,
    ) -> Result<(), Problem> {
        let envelope = Envelope::first(self.engine.consumer(), id, (C::TYPE, key), time, body)
            .within(correlation, None);
        match self.engine.submit(envelope).await {
            Ok(_) => Ok(()),
            Err(SubmitError::Failed(Failure::Reject { code, source })) => {
                let is_conflict =
                    [Code::OrderRefused, Code::StackLocked].iter().any(|it| code == it.as_str());
                let kind = if is_conflict { ProblemKind::Conflict } else { ProblemKind::Internal };
                Err(Problem::new(kind, code, format!("{source:#}")))
            }
            Err(error) => {
                let text = format!("the executor cannot decide now: {error}; try again");
                Err(Problem::unavailable(text))
            }
        }
    }
}

fn said(by: &str, note: Option<String>, at: DateTime<Utc>) -> Said {
    Said { by: by.trim().to_owned(), note: note.filter(|note| !note.trim().is_empty()), at }
}

/// A command about a chain or a step of it, the order it gives, and what it may say besides.
macro_rules! order {
    ($command:ident, $kind:ident $(, $more:ident)*) => {
        impl ChainCommand for $command {
            fn order(self, now: DateTime<Utc>) -> Order {
                let Self { chain, stack, by, note, $($more),* } = self;
                let said = said(&by, note, now);
                let plain =
                    Order { chain, kind: OrderKind::$kind, stack, force: false, all: false, said };
                Order { $($more,)* ..plain }
            }
        }
    };
}

order!(PauseChain, Pause);
order!(ResumeChain, Resume);
order!(CancelChain, Cancel, force);
order!(RetryChain, Retry, force, all);
