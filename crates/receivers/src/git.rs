//! A host of Git: one repository over smart HTTP, served by the `git` program, for those who have
//! the right token; and an app of GitHub that is given such tokens.

use std::{
    collections::BTreeMap,
    path::{Path as FilePath, PathBuf},
    process::Stdio,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use tokio::{io::AsyncWriteExt, process::Command};

use crate::{
    Shared,
    app::{INSTALLATION, is_app, key},
    serve,
};

/// A host with one repository, `acme/infra`.
#[derive(Debug, Clone)]
pub struct GitHost {
    /// Where it is; the repository is at `/acme/infra.git`, the API at the root.
    pub base: String,
    /// The private key of the app, as PEM.
    pub app_key: String,
    world: Shared<World>,
}

#[derive(Debug, Default)]
struct World {
    folder: PathBuf,
    /// The tokens that let in, and until when.
    tokens: BTreeMap<String, DateTime<Utc>>,
    is_open: bool,
    app: Vec<u8>,
    /// For how long a token of the app is good.
    lifetime: TimeDelta,
    given: usize,
    asked: usize,
}

impl GitHost {
    /// Serves the repository in this folder to whoever has a token; nobody has one yet.
    pub async fn start(folder: &FilePath) -> Self {
        let (app_key, app) = key();
        let world = Shared::new(World {
            folder: folder.to_owned(),
            app,
            lifetime: TimeDelta::hours(1),
            ..World::default()
        });
        let router = Router::new()
            .route("/acme/infra.git/info/refs", get(advertise))
            .route("/acme/infra.git/git-upload-pack", post(upload))
            .route("/repos/{owner}/{name}/installation", get(of_repository))
            .route("/orgs/{owner}/installation", get(of_organisation))
            .route("/app/installations/{id}/access_tokens", post(give))
            .layer(DefaultBodyLimit::disable())
            .with_state(world.clone());
        Self { base: serve(router).await, app_key, world }
    }

    /// Where the repository is.
    pub fn url(&self) -> String {
        format!("{}/acme/infra.git", self.base)
    }

    /// This token lets in, too.
    pub fn admit(&self, token: &str) {
        self.world.lock().tokens.insert(token.to_owned(), DateTime::<Utc>::MAX_UTC);
    }

    /// Everybody may read.
    pub fn open(&self) {
        self.world.lock().is_open = true;
    }

    /// No token given so far lets in any more.
    pub fn take_back(&self) {
        self.world.lock().tokens.clear();
    }

    /// From now on, what the app is given is good for so long.
    pub fn tokens_last(&self, lifetime: TimeDelta) {
        self.world.lock().lifetime = lifetime;
    }

    /// How many tokens the app was given.
    pub fn given(&self) -> usize {
        self.world.lock().given
    }

    /// How often something of the repository was asked for.
    pub fn asked(&self) -> usize {
        self.world.lock().asked
    }
}

/// The folder of the repository, for those who may read it.
fn admitted(world: &Shared<World>, headers: &HeaderMap) -> Result<PathBuf, Box<Response>> {
    let mut world = world.lock();
    world.asked += 1;
    let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let pair = sent.and_then(|sent| STANDARD.decode(sent.strip_prefix("Basic ")?).ok());
    let pair = pair.and_then(|pair| String::from_utf8(pair).ok()).unwrap_or_default();
    let token = pair.split_once(':').map_or("", |(_, token)| token);
    let is_known = world.tokens.get(token).is_some_and(|until| Utc::now() < *until);
    if world.is_open || is_known {
        return Ok(world.folder.clone());
    }
    let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"Git\"")];
    Err(Box::new((StatusCode::UNAUTHORIZED, challenge, "Bad credentials").into_response()))
}

async fn advertise(
    State(world): State<Shared<World>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if query.as_deref() != Some("service=git-upload-pack") {
        return StatusCode::FORBIDDEN.into_response();
    }
    let folder = match admitted(&world, &headers) {
        Ok(folder) => folder,
        Err(refused) => return *refused,
    };
    let mut body = b"001e# service=git-upload-pack\n0000".to_vec();
    body.extend(git(&folder, &headers, &["--advertise-refs"], &[]).await);
    ([(header::CONTENT_TYPE, "application/x-git-upload-pack-advertisement")], body).into_response()
}

async fn upload(State(world): State<Shared<World>>, headers: HeaderMap, asked: Bytes) -> Response {
    let folder = match admitted(&world, &headers) {
        Ok(folder) => folder,
        Err(refused) => return *refused,
    };
    let body = git(&folder, &headers, &[], &asked).await;
    ([(header::CONTENT_TYPE, "application/x-git-upload-pack-result")], body).into_response()
}

/// What `git upload-pack` answers.
async fn git(folder: &FilePath, headers: &HeaderMap, more: &[&str], asked: &[u8]) -> Vec<u8> {
    let mut command = Command::new("git");
    command.args(["-c", "uploadpack.allowAnySHA1InWant=true", "upload-pack", "--stateless-rpc"]);
    command.args(more).arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    if let Some(protocol) = headers.get("git-protocol").and_then(|value| value.to_str().ok()) {
        command.env("GIT_PROTOCOL", protocol);
    }
    let mut program = command.spawn().expect("git is installed");
    let mut input = program.stdin.take().expect("it was piped");
    // What it does not read, it does not need.
    let _ = input.write_all(asked).await;
    drop(input);
    program.wait_with_output().await.expect("it ends").stdout
}

fn says(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "message": message }))).into_response()
}

async fn of_repository(
    State(world): State<Shared<World>>,
    Path((owner, _)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    installation(&world, &owner, &headers)
}

async fn of_organisation(
    State(world): State<Shared<World>>,
    Path(owner): Path<String>,
    headers: HeaderMap,
) -> Response {
    installation(&world, &owner, &headers)
}

fn installation(world: &Shared<World>, owner: &str, headers: &HeaderMap) -> Response {
    match (is_app(&world.lock().app, headers), owner) {
        (false, _) => says(StatusCode::UNAUTHORIZED, "A JSON web token could not be decoded"),
        (true, "acme") => Json(json!({ "id": INSTALLATION })).into_response(),
        (true, _) => says(StatusCode::NOT_FOUND, "Not Found"),
    }
}

async fn give(
    State(world): State<Shared<World>>,
    Path(id): Path<u64>,
    headers: HeaderMap,
) -> Response {
    let mut world = world.lock();
    if !is_app(&world.app, &headers) {
        return says(StatusCode::UNAUTHORIZED, "A JSON web token could not be decoded");
    }
    if id != INSTALLATION {
        return says(StatusCode::NOT_FOUND, "Not Found");
    }
    world.given += 1;
    let (token, expires_at) = (format!("ghs_{}", world.given), Utc::now() + world.lifetime);
    world.tokens.insert(token.clone(), expires_at);
    let body = json!({ "token": token, "expires_at": expires_at });
    (StatusCode::CREATED, Json(body)).into_response()
}
