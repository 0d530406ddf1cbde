//! Chains of stacks as Restate workflows.
//!
//! A chain is one workflow. For each stack a journaled action triggers a run; an awakeable, which
//! its webhook resolves, waits for its end; what became of the chain is the workflow's result.
//!
//! Chosen in its favour: an awakeable is resolved at the server's ingress by one call that starts no
//! handler; only the end of a run resolves one; and connections of the server are accepted here with
//! `TCP_NODELAY`, which the SDK's own server leaves off.

use std::time::Duration;

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use restate_sdk::{hyper::HyperEndpoint, prelude::*};
use work::{Order, Outcome, Run, SILENCE, Settings, Spacelift, Waiting};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long it waits before it asks again.
const PAUSE: Duration = Duration::from_secs(1);

/// The workflow, and what it works with.
struct Chain {
    spacelift: Spacelift,
    waiting: Waiting,
}

#[workflow]
impl Chain {
    #[handler]
    async fn run(
        &self,
        ctx: WorkflowContext<'_>,
        order: Json<Order>,
    ) -> Result<Json<Outcome>, HandlerError> {
        let order = order.into_inner();
        for (applied, stack) in order.stacks.iter().enumerate() {
            let ended = self.step(&ctx, stack, &order.chain).await?;
            if !ended.is_well() {
                return Ok(Json(Outcome { applied, failed: Some(ended) }));
            }
        }
        Ok(Json(Outcome { applied: order.stacks.len(), failed: None }))
    }
}

impl Chain {
    /// Triggers a run, and waits for its end.
    async fn step(
        &self,
        ctx: &WorkflowContext<'_>,
        stack: &str,
        mark: &str,
    ) -> Result<Run, HandlerError> {
        let (awakeable, told) = ctx.awakeable::<Json<Run>>();
        self.waiting.note(stack, awakeable);
        let (spacelift, on, by) = (self.spacelift.clone(), stack.to_owned(), mark.to_owned());
        let trigger = move || async move { Ok(Json(spacelift.trigger(&on, &by).await?)) };
        let run: Run = ctx.run(trigger).name("trigger").await?.into_inner();
        if run.has_ended() {
            return Ok(run);
        }
        restate_sdk::select! {
            told = told => return Ok(told?.into_inner()),
            silence = ctx.sleep(SILENCE) => silence?
        }
        self.ask(ctx, stack, run).await
    }

    /// Asks how a run stands until it has ended: its webhook did not come.
    async fn ask(
        &self,
        ctx: &WorkflowContext<'_>,
        stack: &str,
        mut run: Run,
    ) -> Result<Run, HandlerError> {
        while !run.has_ended() {
            let (spacelift, on, id) = (self.spacelift.clone(), stack.to_owned(), run.id.clone());
            let look = move || async move { Ok(Json(spacelift.look(&on, &id).await?)) };
            run = ctx.run(look).name("look").await?.into_inner();
            ctx.sleep(PAUSE).await?;
        }
        Ok(run)
    }
}

/// What the door for webhooks leads to.
#[derive(Clone)]
struct Inside {
    waiting: Waiting,
    webhook_secret: String,
    ingress: String,
    http: work::Http,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::read()?;
    let spacelift = Spacelift::log_in(&settings).await?;
    let waiting = Waiting::default();
    let chain = Chain { spacelift, waiting: waiting.clone() };
    let endpoint = settings.endpoint.ok_or("the address of the endpoint is missing")?;
    tokio::spawn(serve(Endpoint::builder().bind(chain).build(), endpoint));
    let inside = Inside {
        waiting,
        webhook_secret: settings.webhook_secret,
        ingress: settings.keeper,
        http: work::Http::new(),
    };
    let router = Router::new().route("/webhooks/spacelift", post(report)).with_state(inside);
    let listener = tokio::net::TcpListener::bind(settings.listen).await?;
    Ok(axum::serve(listener, router).await?)
}

/// Lets the server call the workflow.
async fn serve(endpoint: Endpoint, address: std::net::SocketAddr) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind(address).await?;
    let endpoint = HyperEndpoint::new(endpoint);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let connection = http2::Builder::new(TokioExecutor::default())
            .serve_connection(TokioIo::new(stream), endpoint.clone());
        tokio::spawn(connection);
    }
}

/// Resolves what waits for the end of a run, for good, before it is answered.
async fn report(State(inside): State<Inside>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let (stack, run) = match work::ended(&inside.webhook_secret, &headers, &body) {
        Ok(ended) => ended,
        Err(answer) => return answer,
    };
    let Some(awakeable) = inside.waiting.of(&stack) else {
        return StatusCode::SERVICE_UNAVAILABLE;
    };
    let url = format!("{}/restate/awakeables/{awakeable}/resolve", inside.ingress);
    match inside.http.post(url).json(&run).send().await {
        Ok(answer) if answer.status().is_success() => StatusCode::NO_CONTENT,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}
