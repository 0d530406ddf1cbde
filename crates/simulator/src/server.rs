//! Starts the simulator and stops it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet};

use crate::{
    auth::Auth,
    blobs,
    control::{self, Control},
    graphql::{Gate, graphql},
    ids::Ids,
    listener::{Line, Listener},
    options::{ApiKey, Options},
    run::Refusal,
    schema,
    shared::Shared,
    webhook::{Route, Webhook, Webhooks, send_all},
    world::{Origin, World},
};

/// A webhook is given up on after this time without an answer.
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);
/// A workspace may be this large.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Why a simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be listened on.
    #[error("could not listen on {address}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The account contradicts itself.
    #[error("the account is not consistent: {reason}")]
    Account {
        /// What does not fit.
        reason: String,
    },
    /// Webhooks cannot be sent.
    #[error("could not make the client for webhooks")]
    Client(#[source] reqwest::Error),
}

/// A running simulator; dropping it stops it too, without waiting.
pub struct Simulator {
    url: String,
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

impl std::fmt::Debug for Simulator {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Simulator").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Simulator {
    /// Listens, seeds the account and begins to live.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let address = options.listen;
        let listen = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let url = match options.public_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("http://{}", listener.local_addr().map_err(listen)?),
        };
        let (outbox, deliveries) = mpsc::unbounded_channel();
        let mut webhooks = Webhooks::new(outbox);
        if let Some(target) = &options.webhook {
            webhooks.insert(Webhook::new("simulator", target, Route::AllBut(Vec::new())));
        }
        let origin = Origin { base: url.clone(), pace: options.pace, seed: options.seed, webhooks };
        let world = World::new(options.account, origin)
            .map_err(|Refusal(reason)| Error::Account { reason })?;
        // Another stream of the same seed, so that the token key does not shift the ids.
        let token_key = Ids::new(options.seed ^ 0x5eed).secret();
        let auth = Auth::new(options.api_key, &url, &token_key);
        let http = reqwest::Client::builder()
            .timeout(WEBHOOK_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(Error::Client)?;
        let shared = Shared::new(world, auth, http);
        let mut tasks = JoinSet::new();
        tasks.spawn(shared.clone().drive());
        tasks.spawn(send_all(shared.clone(), deliveries));
        tasks.spawn(serve(listener, shared.clone()));
        Ok(Self { url, shared, tasks })
    }

    /// `http://127.0.0.1:port` or the public URL, without `/graphql`: what `spacectl` calls the endpoint.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The API key it accepts.
    pub fn api_key(&self) -> ApiKey {
        self.shared.auth.api_key().clone()
    }

    /// What `/control` does, in process.
    pub fn control(&self) -> Control {
        Control::new(self.shared.clone())
    }

    /// Stops listening, ends the tasks, forgets everything.
    pub async fn stop(mut self) {
        self.shared.stopping.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.shared.stopping.cancel();
    }
}

fn router(shared: Arc<Shared>) -> Router {
    let gate = Gate {
        schema: schema::build(shared.clone()),
        shared: shared.clone(),
        documents: Arc::default(),
    };
    Router::new()
        .route("/graphql", post(graphql).with_state(gate))
        .route("/", get(|| async { "Spacelift in a box: POST /graphql, GET /control/journal\n" }))
        .merge(blobs::routes().with_state(shared.clone()))
        .nest("/control", control::routes().with_state(shared))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let stopping = shared.stopping.clone();
    let service = router(shared).into_make_service_with_connect_info::<Line>();
    let served = axum::serve(Listener(listener), service)
        .with_graceful_shutdown(stopping.cancelled_owned())
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the simulator stopped serving");
    }
}
