//! Commands and questions: NATS requests that a service answers.
//!
//! A command is committed before it is answered, so it needs no stream. All replicas of a service
//! share the work through a queue group.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use async_nats::client::RequestErrorKind;
use contracts::{Code, Envelope};
use futures::{FutureExt, StreamExt, future::try_join_all};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;

use crate::{Bus, BusError, Problem, ProblemKind, voucher::Voucher, wire};

/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most requests answered at once on one subject; the others wait.
const AT_ONCE_MAX: usize = 64;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    Ok(Value),
    Problem(Problem),
}

impl Bus {
    /// Answers a subject until `shutdown`. The body of a request is JSON; `null` if it is empty.
    pub async fn respond<F, Fut>(
        &self,
        subject: &str,
        answer: F,
        shutdown: CancellationToken,
    ) -> Result<(), BusError>
    where
        F: Fn(Value) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Value, Problem>> + Send + 'static,
    {
        self.respond_for(subject, move |_, body| answer(body), shutdown).await
    }

    /// Answers all subjects of a pattern. Told with each request is how its subject ends: the server
    /// let whoever asks say that.
    pub async fn respond_for<F, Fut>(
        &self,
        subject: &str,
        answer: F,
        shutdown: CancellationToken,
    ) -> Result<(), BusError>
    where
        F: Fn(String, Value) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Value, Problem>> + Send + 'static,
    {
        let end = |asked: &str| asked.rsplit('.').next().unwrap_or_default().to_owned();
        self.serve(subject, move |asked, body| answer(end(&asked), body), shutdown).await
    }

    /// Answers a command, whoever vouches for the name in it, as far as it may be believed.
    pub async fn respond_command<F, Fut>(
        &self,
        kind: &'static str,
        answer: F,
        shutdown: CancellationToken,
    ) -> Result<(), BusError>
    where
        F: Fn(Value) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Value, Problem>> + Send + 'static,
    {
        let answer = Arc::new(answer);
        let vouched_only = self.options.vouched_names_only;
        let responders = Voucher::ALL.map(|voucher| {
            let answer = answer.clone();
            let heard = move |asked: String, body| {
                let answer = answer.clone();
                async move { answer(voucher.heard((kind, &asked), vouched_only, body)?).await }
            };
            let shutdown = shutdown.clone();
            async move { self.serve(&voucher.subject(kind), heard, shutdown).await }
        });
        try_join_all(responders).await.map(drop)
    }

    /// Answers all subjects of a pattern; told with each request is its subject.
    async fn serve<F, Fut>(
        &self,
        subject: &str,
        answer: F,
        shutdown: CancellationToken,
    ) -> Result<(), BusError>
    where
        F: Fn(String, Value) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Value, Problem>> + Send + 'static,
    {
        let mut requests = self
            .client
            .queue_subscribe(self.subject(subject), "stackly".to_owned())
            .await
            .map_err(|error| BusError::request(format!("answer {subject}"), error))?;
        let answer = Arc::new(answer);
        let places = Arc::new(Semaphore::new(AT_ONCE_MAX));
        let tasks = TaskTracker::new();
        loop {
            let taken = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                taken = async {
                    let place = places.clone().acquire_owned().await;
                    (requests.next().await, place.expect("it is never closed"))
                } => taken,
            };
            let (Some(request), place) = taken else { break };
            let Some(reply_to) = request.reply.clone() else { continue };
            let (answer, client) = (answer.clone(), self.client.clone());
            tasks.spawn(async move {
                let asked = request.subject.to_string();
                let answer = |body| answer(asked.clone(), body);
                let reply = reply(&answer, &request.payload).await;
                let body = sendable(&reply, client.max_payload());
                if let Err(error) = client.publish(reply_to, body.into()).await {
                    warn!(%error, "a reply was not sent; whoever asked will ask again");
                }
                drop(place);
            });
        }
        tasks.close();
        tasks.wait().await;
        Ok(())
    }

    /// Asks and waits for the answer.
    ///
    /// While the connection is down nothing is handed over: the client would send it once the broker
    /// is back, although whoever asked was told that nothing came of it.
    pub async fn request(
        &self,
        subject: &str,
        body: &Value,
    ) -> Result<Result<Value, Problem>, BusError> {
        let payload = serde_json::to_vec(body).expect("a JSON value is JSON");
        let refusal = self.refusal(self.subject(subject));
        let asked = async {
            self.connected().await;
            self.client.request(self.subject(subject), payload.into()).await
        };
        let what = format!("ask {subject}");
        let asked = tokio::time::timeout(PATIENCE, asked);
        let reply = tokio::select! {
            reply = asked => reply,
            () = refusal => {
                return Err(BusError::NotPermitted { subject: subject.to_owned() });
            }
        };
        let reply = match reply {
            Ok(Ok(reply)) => reply,
            Ok(Err(error)) if error.kind() == RequestErrorKind::NoResponders => {
                let service = subject.split('.').nth(2).unwrap_or("needed").to_owned();
                return Err(BusError::NobodyAnswers { subject: subject.to_owned(), service });
            }
            Ok(Err(error)) => return Err(BusError::request(what, error)),
            Err(elapsed) => return Err(BusError::request(what, elapsed)),
        };
        match serde_json::from_slice::<Reply>(&reply.payload) {
            Ok(Reply::Ok(value)) => Ok(Ok(value)),
            Ok(Reply::Problem(problem)) => Ok(Err(problem)),
            Err(error) => Err(BusError::request(what, error)),
        }
    }

    /// Every event as it is published, from now on. What cannot be read is left out.
    pub async fn tail(
        &self,
        filter: &str,
    ) -> Result<impl futures::Stream<Item = Envelope> + Unpin + use<>, BusError> {
        let events = self
            .client
            .subscribe(self.subject(filter))
            .await
            .map_err(|error| BusError::request(format!("subscribe to {filter}"), error))?;
        Ok(events.filter_map(|message| {
            std::future::ready(wire::envelope(message.headers.as_ref(), &message.payload).ok())
        }))
    }
}

async fn reply<F, Fut>(answer: &F, payload: &[u8]) -> Reply
where
    F: Fn(Value) -> Fut,
    Fut: Future<Output = Result<Value, Problem>>,
{
    let answered = async {
        let body = read(payload)?;
        answer(body).await
    };
    // Whoever asked is told of a panic, too, instead of waiting in vain.
    match AssertUnwindSafe(answered).catch_unwind().await {
        Ok(Ok(value)) => Reply::Ok(value),
        Ok(Err(problem)) => Reply::Problem(problem),
        Err(_) => Reply::Problem(Problem::new(
            ProblemKind::Internal,
            "internal",
            "the answer panicked; see the log",
        )),
    }
}

/// A reply as bytes; one that the client would refuse to send is told as that, instead of never.
fn sendable(reply: &Reply, max_payload: usize) -> Vec<u8> {
    let bytes = |reply| serde_json::to_vec(reply).expect("a reply is plain data");
    let whole = bytes(reply);
    if whole.len() <= max_payload {
        return whole;
    }
    let text = format!(
        "the answer has {} bytes, and nats-server takes no message above {max_payload}; set \
         `max_payload: 8MB` in its configuration",
        whole.len()
    );
    warn!(bytes = whole.len(), max_payload, "a reply is too large to be sent");
    let code = Code::AnswerTooLarge.as_str();
    bytes(&Reply::Problem(Problem::new(ProblemKind::Internal, code, text)))
}

fn read(payload: &[u8]) -> Result<Value, Problem> {
    if payload.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(payload)
        .map_err(|error| Problem::malformed(format!("the request is not JSON: {error}")))
}
