//! The way in: one path per source, and the steps every request takes.
//!
//! Cheap refusals come first, so that nobody without a secret can make this process hold or
//! compute much: rate, encoding, signature header, declared size; then the body, the signature, the
//! meaning; and at last the commit, after which alone the answer is 2xx. Under a flood the cheapest
//! refusal comes before all of them, or answering would take the time from what was taken.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::post,
};
use bus::trace;
use chrono::Utc;
use opentelemetry::{KeyValue, metrics::Counter};
use tokio::time::timeout;
use tracing::{Instrument, Span, debug, field::Empty, info_span};
use uuid::Uuid;

use crate::{
    answer::Answer,
    body::{self, Budget, Reservation},
    carry::Carrier,
    config,
    delivery::Reply,
    door::{self, Door},
    intake::{Full, Intake, Kept},
    peer::{Peer, Proxies},
    rate::{Accounts, Addresses, Guesses},
    record::{self, Arrival, Proof},
    source::Kind,
    store::{Delivery, orders::Open},
    upkeep::Noted,
};

/// Bodies above this size are verified and read beside the threads that serve requests.
const LARGE: usize = 256 * 1024;
/// Slack takes an answer for lost after three seconds.
const ORDER_PATIENCE: Duration = Duration::from_millis(2_000);

/// What became of what nobody delivered.
pub(crate) struct Found {
    pub(crate) kept: Kept,
    /// Why it cannot be read, if it cannot.
    pub(crate) malformed: Option<String>,
}

/// Everything the way in needs.
pub(crate) struct Entry {
    doors: Vec<Door>,
    addresses: Addresses,
    accounts: Accounts,
    proxies: Proxies,
    intake: Intake,
    carrier: Option<Carrier>,
    budget: Arc<Budget>,
    answers: Counter<u64>,
    noted: Noted,
}

impl Entry {
    pub(crate) fn new(
        http: &config::Http,
        rate: &config::Rate,
        senders: &config::Senders,
        intake: Intake,
    ) -> anyhow::Result<Self> {
        let answers = opentelemetry::global::meter("ingest")
            .u64_counter("stackly_deliveries")
            .with_description("Answers to webhook requests, by source and code.")
            .build();
        Ok(Self {
            doors: door::doors(senders, http, rate)?,
            addresses: Addresses::new(rate),
            accounts: Accounts::new(rate.account_per_second),
            proxies: Proxies::read(&http.trusted_proxies)?,
            intake,
            carrier: None,
            budget: Budget::new(http.in_flight_bytes_max),
            answers,
            noted: Noted::default(),
        })
    }

    /// With somebody who carries out orders while their sender waits.
    #[must_use]
    pub(crate) fn carried_by(self, carrier: Carrier) -> Self {
        Self { carrier: Some(carrier), ..self }
    }

    /// Lets somebody in who knocks at none of the doors.
    pub(crate) fn enter(&self, parts: &Parts) -> Result<(), Answer> {
        let peer = parts.extensions.get::<Peer>().copied().unwrap_or_default();
        let address = self.proxies.client(peer, &parts.headers);
        self.addresses.enter(address)
    }

    /// The doors there are.
    pub(crate) fn doors(&self) -> &[Door] {
        &self.doors
    }

    /// Takes in what nobody delivered, as if it had been, and marks it so.
    pub(crate) async fn found(&self, kind: Kind, arrival: Arrival) -> Option<Found> {
        let door = self.doors.iter().find(|door| door.source.kind == kind)?;
        let reservation = self.budget.reserve(arrival.body.len())?;
        let (delivery, _) = record::record(&door.source, arrival, Proof::default());
        let malformed = delivery.malformed().map(str::to_owned);
        let (kept, _) = self.keep(delivery, reservation).await.ok()?;
        Some(Found { kept, malformed })
    }

    /// Has a delivery kept. What can be told again word for word is another fact where its place has
    /// been elsewhere since: then under the name that is given, too.
    async fn keep(
        &self,
        delivery: Delivery,
        reservation: Reservation,
    ) -> Result<(Kept, Option<Uuid>), Full> {
        let same = (!delivery.turns.is_empty()).then(|| delivery.clone());
        let kept = self.intake.keep(delivery, reservation).await?;
        let (Kept::Returned(after), Some(same)) = (kept, same) else { return Ok((kept, None)) };
        let reservation = self.budget.reserve(same.body.len()).ok_or(Full)?;
        let again = same.again(after);
        let fact_id = again.fact_id;
        Ok((self.intake.keep(again, reservation).await?, Some(fact_id)))
    }

    /// Counts an answer, by source and code.
    fn count(&self, source: Arc<str>, answer: &Answer) {
        let labels = [KeyValue::new("source", source), KeyValue::new("code", answer.code)];
        self.answers.add(1, &labels);
    }

    /// Which uses of secrets are noted.
    pub(crate) fn noted(&self) -> &Noted {
        &self.noted
    }

    /// Forgets who has not been heard of for a while.
    pub(crate) fn forget(&self) {
        self.addresses.forget();
        self.accounts.forget();
        self.doors.iter().filter_map(|door| door.guesses.as_ref()).for_each(Guesses::forget);
    }
}

/// The paths of the door.
pub(crate) fn router(entry: Arc<Entry>) -> Router {
    let mut router = Router::new();
    for (place, door) in entry.doors.iter().enumerate() {
        router = router.route(&door.path, post(move |state, request| serve(state, place, request)));
    }
    for kind in [Kind::Standard, Kind::Custom] {
        let path = format!("/webhooks/{}/{{name}}", kind.as_str());
        let source = kind.as_str();
        router = router.route(&path, post(move |state, request| nobody(state, source, request)));
    }
    router
        .fallback(async || {
            let message = "webhooks are taken at /webhooks/<source>; docs/sources/ names them all";
            Answer::new(StatusCode::NOT_FOUND, "not_found", message)
        })
        .method_not_allowed_fallback(async || {
            let message = "webhooks are sent with POST";
            Answer::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
        })
        .with_state(entry)
}

async fn serve(State(entry): State<Arc<Entry>>, place: usize, request: Request) -> Response {
    let door = &entry.doors[place];
    let source = door.source.name.clone();
    let span = info_span!(
        "webhook",
        otel.kind = "server",
        otel.name = door.span.as_str(),
        http.request.method = "POST",
        http.route = door.path.as_str(),
        http.response.status_code = Empty,
        delivery.id = Empty,
        outcome = Empty,
    );
    if let Some(trace) = Door::trace(request.headers()) {
        trace::continue_from(&span, Some(&trace));
    }
    let answer = match entry.take(place, request).instrument(span.clone()).await {
        Ok(answer) | Err(answer) => answer,
    };
    // At once: a log in JSON writes all fields of a span anew for each call.
    tracing::record_all!(
        span,
        http.response.status_code = answer.status.as_u16(),
        outcome = answer.code,
        delivery.id = answer.delivery.map(tracing::field::display),
    );
    span.in_scope(|| {
        debug!(source = &*source, code = answer.code, "answered");
        door.alarm(&answer);
    });
    entry.count(source, &answer);
    answer.into_response()
}

/// A name that no sender has is answered as one without a signature that fits.
async fn nobody(
    State(entry): State<Arc<Entry>>,
    source: &'static str,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let answer = match entry.enter(&parts) {
        Err(answer) => answer,
        Ok(()) if is_encoded(&parts.headers) => Answer::compressed(),
        Ok(()) if entry.intake.is_behind() => Answer::overloaded(),
        Ok(()) => Answer::unproven(),
    };
    entry.count(source.into(), &answer);
    answer.into_response()
}

impl Entry {
    async fn take(self: &Arc<Self>, place: usize, request: Request) -> Result<Answer, Answer> {
        let received_at = Utc::now();
        let (Parts { headers, extensions, .. }, body) = request.into_parts();
        let peer = extensions.get::<Peer>().copied().unwrap_or_default();
        let address = self.proxies.client(peer, &headers);
        let door = &self.doors[place];
        self.addresses.enter(address)?;
        door.enter(address, &headers)?;
        if is_encoded(&headers) {
            return Err(Answer::compressed());
        }
        if self.intake.is_behind() {
            return Err(Answer::overloaded());
        }
        let unproven = |error| door.unproven(address, error);
        door.scheme.presented(&headers).map_err(unproven)?;
        let (body, reservation) = body::receive(body, door.limits, &self.budget).await?;
        let trace = trace::of(&Span::current());
        let arrival = Arrival { headers, body, received_at, address: Some(address), trace };
        let (delivery, answer) = self.examine(place, arrival, address).await?;
        self.accounts.enter(&delivery.source, delivery.account.as_deref())?;
        let (id, order) = (delivery.id, delivery.order.clone());
        let kept = self.keep(delivery, reservation).await;
        let (kept, renamed) = kept.map_err(|Full| Answer::overloaded())?;
        let answer = Answer { event: renamed.or(answer.event), ..answer };
        let order = order.map(|(id, order)| {
            let id = renamed.map_or(id, record::order_id);
            Open::new(id, order, received_at)
        });
        match kept {
            Kept::Now => Ok(self.carried(answer.about(id), order).await),
            // Unreadable it stays, however often it comes.
            Kept::Before(first) if answer.status.is_client_error() => Ok(answer.about(first)),
            Kept::Before(first) => Ok(Answer::duplicate(first).shaped(answer.reply)),
            Kept::Not | Kept::Returned(_) => Err(Answer::unavailable()),
            Kept::Never => Err(Answer::unstorable()),
        }
    }

    /// Verifies and reads a body, beside the threads that serve requests if it is large.
    async fn examine(
        self: &Arc<Self>,
        place: usize,
        arrival: Arrival,
        address: IpAddr,
    ) -> Result<(Delivery, Answer), Answer> {
        let unproven = |error| self.doors[place].unproven(address, error);
        if arrival.body.len() <= LARGE {
            return self.doors[place].verified(arrival).map_err(unproven);
        }
        let entry = self.clone();
        let examined = tokio::task::spawn_blocking(move || entry.doors[place].verified(arrival));
        examined.await.map_err(|_| Answer::unavailable())?.map_err(unproven)
    }

    /// Has an order carried out that is committed now; whoever waits is told what came of it.
    async fn carried(&self, answer: Answer, order: Option<Open>) -> Answer {
        let (Some(carrier), Some(order)) = (&self.carrier, order) else { return answer };
        let done = carrier.carry(order);
        if answer.reply != Reply::ToPerson {
            return answer;
        }
        match timeout(ORDER_PATIENCE, done).await {
            Ok(Ok(outcome)) => answer.saying(outcome.message),
            // It is tried on, and the person is told where they wanted it.
            _ => answer.saying("taken down; you are told here when it is done".to_owned()),
        }
    }
}

/// Whether the body comes in an encoding that would have to be undone: small ones can be huge.
fn is_encoded(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    encodings.any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

#[cfg(test)]
mod tests;
