//! The floor under ingest: the least that could keep the same rows before it answers.
//!
//! An axum handler that verifies the signature and nothing else, the same micro-batches, the same
//! rows in the same tables by one statement. It reads no body, makes no event, publishes
//! nothing and refuses nothing; the JSON it stores is the same every time.

use std::{net::SocketAddr, sync::Arc};

use ::store::Lender;
use anyhow::Context;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
    serve::ListenerExt,
};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use sqlx::PgPool;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    task::yield_now,
};

use crate::store::{self, Row, Shape};

/// As ingest's.
const BATCH_MAX: usize = 500;
/// As ingest's.
const FEW: usize = 16;
/// As ingest's.
const QUEUE_MAX: usize = 4096;

/// Where and into what.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Where to listen.
    listen: SocketAddr,
    /// The database: one that ingest's migrations have run on.
    database: String,
    /// What is signed with.
    secret: String,
    /// Whether only the delivery is kept, and no answer remembered.
    #[arg(long)]
    deliveries_only: bool,
}

struct Door {
    key: Hmac<Sha256>,
    queue: mpsc::Sender<Waiting>,
}

struct Waiting {
    row: Row,
    reply: oneshot::Sender<()>,
}

/// Serves until it is killed.
pub(crate) async fn serve(options: Options) -> anyhow::Result<()> {
    let pool = store::ingest(&options.database).await?;
    let shape = match options.deliveries_only {
        true => Shape::DeliveriesOnly,
        false => Shape::Same,
    };
    let (queue, waiting) = mpsc::channel(QUEUE_MAX);
    let writing = write(pool, waiting, shape);
    let key = Hmac::new_from_slice(options.secret.as_bytes()).expect("any length will do");
    let door = Arc::new(Door { key, queue });
    let router = Router::new().route("/webhooks/github", post(take)).with_state(door);
    let listener = TcpListener::bind(options.listen).await?.tap_io(|stream| {
        // As ingest does; a connection without it is slower, not wrong.
        let _ = stream.set_nodelay(true);
    });
    tokio::select! {
        served = axum::serve(listener, router) => Ok(served?),
        // A floor that keeps nothing would be a very low one.
        written = writing => written,
    }
}

async fn take(State(door): State<Arc<Door>>, headers: HeaderMap, body: Bytes) -> Response {
    let mut tag = [0; 32];
    let presented = headers.get("x-hub-signature-256").map_or(&b""[..], |value| value.as_bytes());
    let hex = presented.strip_prefix(b"sha256=").unwrap_or_default();
    let fits = hex::decode_to_slice(hex, &mut tag).is_ok()
        && door.key.clone().chain_update(&body).verify_slice(&tag).is_ok();
    if !fits {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let (reply, kept) = oneshot::channel();
    let waiting = Waiting { row: Row::new(body), reply };
    if door.queue.try_send(waiting).is_err() || kept.await.is_err() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    (StatusCode::ACCEPTED, axum::Json(json!({ "code": "accepted" }))).into_response()
}

async fn write(
    pool: PgPool,
    mut queue: mpsc::Receiver<Waiting>,
    shape: Shape,
) -> anyhow::Result<()> {
    let mut waiting = Vec::with_capacity(BATCH_MAX);
    let lender = Lender::new(pool);
    let mut most = BATCH_MAX;
    while queue.recv_many(&mut waiting, most).await > 0 {
        // As ingest does: what has arrived is read first.
        if waiting.len() < most {
            yield_now().await;
            yield_now().await;
        }
        let more = queue.len().min(most - waiting.len());
        if more > 0 {
            queue.recv_many(&mut waiting, more).await;
        }
        let (rows, replies): (Vec<_>, Vec<_>) =
            waiting.drain(..).map(|Waiting { row, reply }| (row, reply)).unzip();
        store::keep(&lender, &rows, shape).await.context("the floor could not keep a batch")?;
        let committed = replies.len();
        for reply in replies {
            // Whoever asked may have gone.
            let _ = reply.send(());
        }
        most = (committed + queue.len()).div_ceil(2).clamp(FEW, BATCH_MAX);
    }
    Ok(())
}
