//! Chains of stacks as DBOS workflows on Postgres.
//!
//! A chain is one workflow. For each stack a checkpointed step triggers a run; a receive, which is
//! checkpointed as well, waits for the message that its webhook sends; what became of the chain is
//! the workflow's result.
//!
//! Chosen in its favour: messages are pushed at once (`notification_coalesce` is zero; its default
//! would hold each back for 10 ms), only the end of a run is sent to its workflow, and workflows are
//! started in this process and not by way of a queue that is polled.

use std::time::Duration;

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use dbos::{Config, DBOS, SendOptions, StartOptions, WorkflowRef};
use work::{Failed, Order, Outcome, Run, SILENCE, Settings, Spacelift, Waiting};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As many as the services of Stackly have together on two cores.
const CONNECTIONS: u32 = 20;

/// What the doors lead to.
#[derive(Clone)]
struct Inside {
    dbos: DBOS,
    chain: WorkflowRef<Order, Outcome, Failed>,
    waiting: Waiting,
    webhook_secret: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::read()?;
    let spacelift = Spacelift::log_in(&settings).await?;
    let waiting = Waiting::default();
    let dbos = DBOS::new(Config {
        app_version: Some("1".to_owned()),
        max_connections: CONNECTIONS,
        notification_coalesce: Some(Duration::ZERO),
        ..Config::new("chains", &settings.keeper)
    });
    let waits = waiting.clone();
    let chain = dbos.register_workflow("chain", move |order: Order| {
        drive(spacelift.clone(), waits.clone(), order)
    })?;
    dbos.launch().await?;
    let inside = Inside { dbos, chain, waiting, webhook_secret: settings.webhook_secret };
    let router = Router::new()
        .route("/chains", post(order))
        .route("/webhooks/spacelift", post(report))
        .with_state(inside);
    let listener = tokio::net::TcpListener::bind(settings.listen).await?;
    Ok(axum::serve(listener, router).await?)
}

/// Brings a chain to its end.
async fn drive(
    spacelift: Spacelift,
    waiting: Waiting,
    order: Order,
) -> dbos::Result<Outcome, Failed> {
    let workflow = dbos::workflow_id().unwrap_or_default();
    for (applied, stack) in order.stacks.iter().enumerate() {
        waiting.note(stack, workflow.clone());
        let triggered: dbos::Result<Run, Failed> =
            dbos::step("trigger", || async { Ok(spacelift.trigger(stack, &workflow).await?) })
                .await;
        let ended = follow(&spacelift, stack, triggered?).await?;
        if !ended.is_well() {
            return Ok(Outcome { applied, failed: Some(ended) });
        }
    }
    Ok(Outcome { applied: order.stacks.len(), failed: None })
}

/// Waits for the end of a run.
async fn follow(spacelift: &Spacelift, stack: &str, triggered: Run) -> dbos::Result<Run, Failed> {
    let mut run = triggered;
    while !run.has_ended() {
        let id = run.id.clone();
        let told: dbos::Result<Option<Run>, Failed> = dbos::recv(Some(&id), SILENCE).await;
        let looked: dbos::Result<Run, Failed> = match told? {
            Some(told) => Ok(told),
            None => {
                let look = || async { Ok(spacelift.look(stack, &id).await?) };
                dbos::step("look", look).await
            }
        };
        run = looked?;
    }
    Ok(run)
}

/// Takes an order for good.
async fn order(State(inside): State<Inside>, Json(order): Json<Order>) -> StatusCode {
    let id = order.chain.clone();
    let options = StartOptions { workflow_id: Some(&id), ..StartOptions::default() };
    match inside.chain.start_with(order, options).await {
        Ok(_) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Passes the end of a run on to its chain, for good, before it is answered.
async fn report(State(inside): State<Inside>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let (stack, run) = match work::ended(&inside.webhook_secret, &headers, &body) {
        Ok(ended) => ended,
        Err(answer) => return answer,
    };
    let Some(workflow) = inside.waiting.of(&stack) else {
        return StatusCode::SERVICE_UNAVAILABLE;
    };
    let options = SendOptions {
        topic: Some(&run.id),
        idempotency_key: Some(&run.id),
        ..SendOptions::default()
    };
    match inside.dbos.send_with(&workflow, &run, options).await {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}
