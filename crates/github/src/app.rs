//! An app of GitHub: it proves itself by a signature, and is given a token for an hour.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::{
    Method, StatusCode,
    blocking::{Client, Response},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

use crate::{AppError, AppKey, BadApp, headers};

/// How long GitHub may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// For how long a signature counts; GitHub takes ten minutes at most.
const SIGNED_FOR: TimeDelta = TimeDelta::minutes(8);
/// How much our clock may be ahead of GitHub's.
const SKEW: TimeDelta = TimeDelta::minutes(1);
/// A token that runs out before this is not used any more: a fetch may take a while.
const SPARE: TimeDelta = TimeDelta::minutes(10);

/// An app of GitHub, as it is configured.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppOptions {
    /// Its id or client id; empty for none.
    pub id: String,
    /// Its private key, as PEM.
    pub key: SecretString,
    /// The file with its private key, in place of the key itself.
    pub key_file: String,
    /// GitHub's API.
    pub api_base: String,
}

impl AppOptions {
    /// The app, if there is one.
    pub fn app(&self) -> Result<Option<App>, BadApp> {
        let Self { id, key, key_file, api_base } = self.clone();
        AppKey { id, key, key_file }.app(&api_base)
    }
}

/// An app of GitHub that was installed where the repositories are.
pub struct App {
    id: String,
    key: EncodingKey,
    api_base: String,
    /// Tokens by the owner of the repositories. The lock is held while one is asked for, so that
    /// one is asked for once.
    tokens: Mutex<HashMap<String, Token>>,
}

#[derive(Deserialize)]
struct Token {
    token: SecretString,
    expires_at: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Installation {
    id: u64,
}

impl App {
    /// The app of this id (or client id), with its private key as the PEM that GitHub gives out.
    pub fn new(id: &str, key: &SecretString, api_base: &str) -> Result<Self, BadKey> {
        let key = EncodingKey::from_rsa_pem(key.expose_secret().as_bytes())
            .map_err(|error| BadKey(error.to_string()))?;
        let (id, api_base) = (id.to_owned(), api_base.trim_end_matches('/').to_owned());
        Ok(Self { id, key, api_base, tokens: Mutex::default() })
    }

    /// A token that may read this repository (`owner/name`). Blocks.
    pub fn token(&self, repository: &str) -> Result<SecretString, AppError> {
        self.token_of(owner(repository), &format!("repos/{repository}"))
    }

    /// Lets go of the token for this repository; whether there was one.
    pub fn forget(&self, repository: &str) -> bool {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.remove(owner(repository)).is_some()
    }

    /// What proves the app for a path of the API: a token of the installation where it leads, or the
    /// signature where it leads to the app itself. Blocks.
    pub fn token_at(&self, path: &str) -> Result<SecretString, AppError> {
        match Place::of(path) {
            Place::Repository(repository) => self.token(repository),
            Place::Organisation(name) => self.token_of(name, &format!("orgs/{name}")),
            Place::Itself => {
                let signature = self.signature(Utc::now()).map_err(|error| self.away(error))?;
                Ok(signature.into())
            }
        }
    }

    /// Lets go of the token for a path of the API; whether there was one.
    pub fn forget_at(&self, path: &str) -> bool {
        match Place::of(path) {
            Place::Repository(place) | Place::Organisation(place) => self.forget(place),
            Place::Itself => false,
        }
    }

    fn token_of(&self, owner: &str, place: &str) -> Result<SecretString, AppError> {
        let now = Utc::now();
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = tokens.get(owner)
            && now + SPARE < known.expires_at
        {
            return Ok(known.token.clone());
        }
        let token = self.ask(place, now)?;
        let given = token.token.clone();
        tokens.insert(owner.to_owned(), token);
        Ok(given)
    }

    fn ask(&self, place: &str, now: DateTime<Utc>) -> Result<Token, AppError> {
        let call = Call {
            client: Client::builder()
                .timeout(PATIENCE)
                .redirect(reqwest::redirect::Policy::none())
                .user_agent(concat!("stackly/", env!("CARGO_PKG_VERSION")))
                .build()
                .map_err(|error| self.away(error))?,
            signature: self.signature(now).map_err(|error| self.away(error))?,
        };
        let at = format!("{}/{place}/installation", self.api_base);
        let Installation { id } = self.answer(call.send(Method::GET, &at))?;
        let at = format!("{}/app/installations/{id}/access_tokens", self.api_base);
        self.answer(call.send(Method::POST, &at))
    }

    fn signature(&self, now: DateTime<Utc>) -> Result<String, jsonwebtoken::errors::Error> {
        let (from, until) = ((now - SKEW).timestamp(), (now + SIGNED_FOR).timestamp());
        let claims = json!({ "iss": self.id, "iat": from, "exp": until });
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key)
    }

    fn answer<T: DeserializeOwned>(
        &self,
        answer: reqwest::Result<Response>,
    ) -> Result<T, AppError> {
        let answer = answer.map_err(|error| self.away(error))?;
        let advice = match answer.status() {
            StatusCode::UNAUTHORIZED => {
                "the id of the app and its private key do not belong together"
            }
            StatusCode::FORBIDDEN => "the app may not do this; look whether it is suspended",
            StatusCode::NOT_FOUND => {
                "the app is not installed where the repository is, or the repository does not exist"
            }
            _ => {
                return answer
                    .error_for_status()
                    .and_then(Response::json)
                    .map_err(|e| self.away(e));
            }
        };
        let (url, status) = (self.api_base.clone(), answer.status());
        Err(AppError::Refused { url, advice, source: format!("GitHub answered {status}").into() })
    }

    fn away(&self, error: impl std::error::Error + Send + Sync + 'static) -> AppError {
        AppError::Unreachable { url: self.api_base.clone(), source: Box::new(error) }
    }
}

/// A client that signs.
struct Call {
    client: Client,
    signature: String,
}

impl Call {
    fn send(&self, method: Method, url: &str) -> reqwest::Result<Response> {
        self.client.request(method, url).bearer_auth(&self.signature).headers(headers()).send()
    }
}

/// A private key that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("it is not a private key of an app of GitHub, which is RSA and written as PEM: {0}")]
pub struct BadKey(String);

/// Where a path of the API leads.
#[derive(Debug, PartialEq, Eq)]
enum Place<'p> {
    /// `repos/{owner}/{name}`.
    Repository(&'p str),
    /// `orgs/{name}`.
    Organisation(&'p str),
    /// `app`, and whatever belongs to no installation.
    Itself,
}

impl<'p> Place<'p> {
    fn of(path: &'p str) -> Self {
        let path = path.trim_start_matches('/');
        let (kind, rest) = path.split_once('/').unwrap_or((path, ""));
        let mut slashes = rest.match_indices('/').map(|(at, _)| at);
        match kind {
            "orgs" => Self::Organisation(&rest[..slashes.next().unwrap_or(rest.len())]),
            "repos" => Self::Repository(&rest[..slashes.nth(1).unwrap_or(rest.len())]),
            _ => Self::Itself,
        }
    }
}

/// Apps are installed at owners.
fn owner(repository: &str) -> &str {
    repository.split('/').next().unwrap_or_default()
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("id", &self.id).finish_non_exhaustive()
    }
}
