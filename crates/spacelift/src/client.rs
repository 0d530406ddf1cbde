//! The client: one API key of one account.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use chrono::{DateTime, Utc};
use graphql_client::GraphQLQuery;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::{
    Error, Identity, Options,
    answer::{self, Nature},
    breaker::{Breaker, Rest, Tolerance},
    document,
    patience::{Patience, pause, pause_before_repeating},
    token::{Token, Tokens},
    transport::{Call, Transport},
};

#[derive(GraphQLQuery)]
#[graphql(schema_path = "graphql/schema.graphql", query_path = "graphql/account.graphql")]
struct ExchangeApiKey;

#[derive(GraphQLQuery)]
#[graphql(schema_path = "graphql/schema.graphql", query_path = "graphql/account.graphql")]
struct WhoAmI;

/// Speaks to Spacelift for one API key. Clones share the token and the rate.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
    until: Option<DateTime<Utc>>,
}

pub(crate) struct Inner {
    transport: Transport,
    tokens: Tokens,
    api_key_id: String,
    api_key_secret: SecretString,
    timeout: Duration,
    breaker: Breaker,
    /// The address of the account, from which the addresses of runs are made.
    pub(crate) base: String,
    actor: String,
    /// Whether stacks show us their state; learnt from Spacelift's answer.
    pub(crate) sees_stack_states: AtomicBool,
    /// Whether Spacelift shows us what gives stacks their rights at clouds.
    pub(crate) sees_integrations: AtomicBool,
    /// What else was chosen for stacks, likewise.
    pub(crate) sees_settings: AtomicBool,
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("base", &self.inner.base).finish_non_exhaustive()
    }
}

impl Client {
    /// Makes a client; asks nothing yet.
    pub fn new(options: &Options) -> Result<Self, Error> {
        let base = options.base()?;
        let inner = Inner {
            transport: Transport::new(&base, options)?,
            tokens: Tokens::default(),
            actor: format!("api::{}", options.api_key_id),
            api_key_id: options.api_key_id.clone(),
            api_key_secret: options.api_key_secret.clone(),
            timeout: options.timeout,
            breaker: Breaker::new(Tolerance {
                failures: options.breaker_failures.max(1),
                wait: options.breaker_wait,
                call_max: options.timeout * 2,
            }),
            base,
            sees_stack_states: AtomicBool::new(true),
            sees_integrations: AtomicBool::new(true),
            sees_settings: AtomicBool::new(true),
        };
        Ok(Self { inner: Arc::new(inner), until: None })
    }

    /// The same, for changes that are not to be sent after this time: somebody else may have made them
    /// then. It is looked at once more just before a change is written to the wire, so that a process
    /// that was frozen meanwhile does not go on with it.
    #[must_use]
    pub fn until(&self, time: DateTime<Utc>) -> Self {
        Self { inner: self.inner.clone(), until: Some(time) }
    }

    /// What Spacelift writes into `triggeredBy` of the runs we trigger.
    pub fn actor(&self) -> &str {
        &self.inner.actor
    }

    /// Whom Spacelift takes us for. Also the cheapest way to know that the API key works.
    pub async fn who_am_i(&self) -> Result<Identity, Error> {
        let look = || async {
            let patience = Patience::new(self.inner.timeout);
            let token = self.inner.token(None, &patience).await?;
            if let Some(identity) = self.inner.viewer(&token, &patience).await? {
                return Ok(identity);
            }
            let token = self.inner.token(Some(&token), &patience).await?;
            self.inner.viewer(&token, &patience).await?.ok_or(Error::Unauthorized)
        };
        self.inner.repeat(|| self.inner.breaker.call(look())).await
    }

    /// Sends only its part of the requests that may be sent, one of so many, because so many processes
    /// send some. It may be said again when they come and go.
    pub fn share_among(&self, processes: u32) {
        self.inner.transport.share_among(processes);
    }

    /// Since when, until when and why no calls are made, if too many have failed, here or in a process
    /// that this one was told of.
    pub fn rest(&self) -> Option<Rest> {
        self.inner.breaker.rest(Instant::now(), Utc::now())
    }

    /// The same, if too many have failed here.
    pub fn own_rest(&self) -> Option<Rest> {
        self.inner.breaker.own_rest(Instant::now(), Utc::now())
    }

    /// What another process has found, or that none has found anything: this one makes no calls then,
    /// either.
    pub fn others_rest(&self, rest: Option<Rest>) {
        self.inner.breaker.others_rest(rest, Instant::now(), Utc::now());
    }

    /// Asks a question of the derive's; repeats it if Spacelift is in trouble.
    pub(crate) async fn ask<Q: GraphQLQuery>(
        &self,
        variables: Q::Variables,
        nature: Nature,
    ) -> Result<Q::ResponseData, Error> {
        let data = self.answer(&call::<Q>(variables, nature, None)).await?;
        answer::read(&data, nature)
    }

    /// Asks a question of the derive's, and does not repeat it.
    pub(crate) async fn ask_once<Q: GraphQLQuery>(
        &self,
        variables: Q::Variables,
        nature: Nature,
    ) -> Result<Q::ResponseData, Error> {
        let data = self.inner.attempt(&call::<Q>(variables, nature, None)).await?;
        answer::read(&data, nature)
    }

    /// Asks a question; repeats it if Spacelift is in trouble.
    pub(crate) async fn answer(&self, call: &Call) -> Result<Box<RawValue>, Error> {
        self.inner.repeat(|| self.inner.attempt(call)).await
    }

    /// Changes something, once.
    pub(crate) async fn change<Q: GraphQLQuery>(
        &self,
        variables: Q::Variables,
        mark: Option<HeaderValue>,
    ) -> Result<Q::ResponseData, Error> {
        let call = Call { until: self.until, ..call::<Q>(variables, Nature::Change, mark) };
        let data = self.inner.attempt(&call).await?;
        answer::read(&data, Nature::Change)
    }
}

impl Inner {
    async fn repeat<T, Answer>(&self, ask: impl Fn() -> Answer) -> Result<T, Error>
    where
        Answer: Future<Output = Result<T, Error>>,
    {
        let mut attempt = 1;
        loop {
            let error = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let chance = rand::random();
            let Some(wait) = pause_before_repeating(&error, attempt, self.timeout, chance) else {
                return Err(error);
            };
            pause(wait).await;
            attempt += 1;
        }
    }

    /// Sends a call, unless calls rest.
    async fn attempt(&self, call: &Call) -> Result<Box<RawValue>, Error> {
        self.breaker.call(self.authorised(call)).await
    }

    /// Sends a call; a second time with a fresh token if the first was not accepted, which is as
    /// safe for a mutation as for a query: what is not authorised is not executed.
    async fn authorised(&self, call: &Call) -> Result<Box<RawValue>, Error> {
        let patience = Patience::new(self.timeout);
        let token = self.token(None, &patience).await?;
        match self.transport.send(call, Some(&token), &patience).await {
            Err(Error::Unauthorized) => {}
            answer => return answer,
        }
        let token = self.token(Some(&token), &patience).await?;
        match self.transport.send(call, Some(&token), &patience).await {
            Err(Error::Unauthorized) => Err(self.no_access(&token, &patience).await),
            answer => answer,
        }
    }

    /// Spacelift says `unauthorized` both to a key it does not know and to one that may not do this
    /// one thing; who the viewer is tells them apart.
    async fn no_access(&self, token: &Token, patience: &Patience) -> Error {
        match self.viewer(token, patience).await {
            Ok(Some(_)) => Error::Refused { reason: "unauthorized for this api key".into() },
            _ => Error::Unauthorized,
        }
    }

    async fn viewer(&self, token: &Token, patience: &Patience) -> Result<Option<Identity>, Error> {
        let call = call::<WhoAmI>(who_am_i::Variables {}, Nature::Question, None);
        let data = match self.transport.send(&call, Some(token), patience).await {
            Err(Error::Unauthorized) => return Ok(None),
            answer => answer?,
        };
        let data: who_am_i::ResponseData = answer::read(&data, Nature::Question)?;
        Ok(data
            .viewer
            .map(|it| Identity { name: it.name.unwrap_or_else(|| it.id.clone()), id: it.id }))
    }

    async fn token(
        &self,
        rejected: Option<&Arc<Token>>,
        patience: &Patience,
    ) -> Result<Arc<Token>, Error> {
        patience.bound(self.tokens.get(rejected, || self.exchange(patience))).await
    }

    async fn exchange(&self, patience: &Patience) -> Result<Token, Error> {
        let variables = exchange_api_key::Variables {
            id: self.api_key_id.clone(),
            secret: self.api_key_secret.expose_secret().to_owned(),
        };
        // It changes nothing that anybody could miss, so it may be treated as a question.
        let call = call::<ExchangeApiKey>(variables, Nature::Question, None);
        let data = match self.transport.send(&call, None, patience).await {
            // However a bad key is worded, there is no other reason to refuse an exchange.
            Err(Error::Refused { .. } | Error::NotFound) => return Err(Error::Unauthorized),
            answer => answer?,
        };
        let data: exchange_api_key::ResponseData = answer::read(&data, Nature::Question)?;
        let user = data.api_key_user.ok_or(Error::Unauthorized)?;
        let (Some(jwt), Some(valid_until)) = (user.jwt, user.valid_until) else {
            return Err(Error::Unauthorized);
        };
        let life = u64::try_from(valid_until - Utc::now().timestamp()).unwrap_or(0);
        Ok(Token::new(SecretString::from(jwt), Duration::from_secs(life)))
    }
}

fn call<Q: GraphQLQuery>(
    variables: Q::Variables,
    nature: Nature,
    mark: Option<HeaderValue>,
) -> Call {
    let body = Q::build_query(variables);
    Call {
        operation: body.operation_name,
        document: document::operation(body.query, body.operation_name),
        variables: serde_json::to_value(body.variables)
            .expect("strings, numbers and lists of them"),
        nature,
        mark,
        until: None,
    }
}
