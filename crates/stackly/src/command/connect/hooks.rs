//! GitHub's API of repository webhooks: `GET` and `POST /repos/{owner}/{repo}/hooks`, `PATCH
//! /repos/{owner}/{repo}/hooks/{id}` and the same with `/config`, as
//! <https://docs.github.com/rest/repos/webhooks> has them.

use std::time::Duration;

use github::{AppError, Asker, EVENTS, missing_events};
use reqwest::{Client, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, json};

use crate::failure::Failure;

const PATIENCE: Duration = Duration::from_secs(20);
/// A hundred hooks each; GitHub allows twenty for each event.
const PAGES_MAX: usize = 5;

/// A webhook, without its secret.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Hook {
    pub(super) id: u64,
    pub(super) active: bool,
    pub(super) events: Vec<String>,
    pub(super) config: Settings,
}

/// Where and how it is sent.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Settings {
    #[serde(default)]
    pub(super) url: String,
    #[serde(default)]
    pub(super) content_type: String,
    /// "1" if the certificate is not looked at; some answers have it as a number.
    #[serde(default)]
    insecure_ssl: Value,
}

impl Hook {
    /// In what it differs from what ingest needs.
    pub(super) fn differs(&self) -> Vec<String> {
        [self.differs_in_events(), self.differs_in_settings()].concat()
    }

    /// In how it is sent.
    pub(super) fn differs_in_settings(&self) -> Vec<String> {
        let mut differs = Vec::new();
        if self.config.content_type != "json" {
            differs.push(format!("it sends {}", self.config.content_type));
        }
        if self.config.insecure_ssl == json!("1") || self.config.insecure_ssl == json!(1) {
            differs.push("it does not look at the certificate".to_owned());
        }
        differs
    }

    /// In whether it is sent, and in what it tells of.
    pub(super) fn differs_in_events(&self) -> Vec<String> {
        let mut differs = Vec::new();
        if !self.active {
            differs.push("it is switched off".to_owned());
        }
        let missing = missing_events(&self.events);
        if !missing.is_empty() {
            differs.push(format!("it does not tell of {}", missing.join(", ")));
        }
        differs
    }
}

/// The webhooks of one repository.
pub(super) struct Hooks<'a> {
    client: Client,
    base: &'a str,
    repository: &'a str,
    asker: &'a Asker,
}

impl<'a> Hooks<'a> {
    pub(super) fn new(
        base: &'a str,
        repository: &'a str,
        asker: &'a Asker,
    ) -> Result<Self, Failure> {
        let client = Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("stackly/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Failure::Failed(error.into()))?;
        Ok(Self { client, base: base.trim_end_matches('/'), repository, asker })
    }

    /// The webhook that is sent to this address, if there is one.
    pub(super) async fn find(&self, url: &str) -> Result<Option<Hook>, Failure> {
        for page in 1..=PAGES_MAX {
            let path = format!("hooks?per_page=100&page={page}");
            let hooks: Vec<Hook> = self.call(Method::GET, &path, None).await?;
            let is_last = hooks.len() < 100;
            if let Some(hook) = hooks.into_iter().find(|hook| hook.config.url == url) {
                return Ok(Some(hook));
            }
            if is_last {
                break;
            }
        }
        Ok(None)
    }

    /// Makes one.
    pub(super) async fn create(&self, url: &str, secret: &SecretString) -> Result<Hook, Failure> {
        let body = json!({
            "name": "web",
            "active": true,
            "events": EVENTS,
            "config": settings(url, Some(secret)),
        });
        self.call(Method::POST, "hooks", Some(body)).await
    }

    /// Makes one tell of what it should. Of `config` nothing is said, because GitHub would replace the
    /// whole of it, and the secret with it.
    pub(super) async fn update(&self, hook: &Hook) -> Result<(), Failure> {
        let mut events = hook.events.clone();
        events.extend(missing_events(&hook.events).into_iter().map(str::to_owned));
        let body = json!({ "active": true, "events": events });
        let path = format!("hooks/{}", hook.id);
        self.call::<IgnoredAny>(Method::PATCH, &path, Some(body)).await?;
        Ok(())
    }

    /// Makes one be sent as it should, and signed with this secret, if one is given: else with the
    /// one it has.
    pub(super) async fn configure(
        &self,
        hook: &Hook,
        secret: Option<&SecretString>,
    ) -> Result<(), Failure> {
        let path = format!("hooks/{}/config", hook.id);
        let body = settings(&hook.config.url, secret);
        self.call::<IgnoredAny>(Method::PATCH, &path, Some(body)).await?;
        Ok(())
    }

    async fn call<T: serde::de::DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<T, Failure> {
        let path = format!("repos/{}/{path}", self.repository);
        let bearer = self.asker.bearer(&path).await.map_err(no_token)?;
        let mut request = self
            .client
            .request(method, format!("{}/{path}", self.base))
            .bearer_auth(bearer.expose_secret())
            .headers(github::headers());
        if let Some(body) = &body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|error| Failure::Unavailable {
            message: format!("GitHub's API at {} does not answer", self.base),
            source: Some(error.without_url().into()),
        })?;
        let status = answer.status();
        if !status.is_success() {
            return Err(self.refused(status));
        }
        let text = answer.text().await.map_err(|error| Failure::Failed(error.into()))?;
        serde_json::from_str(&text)
            .map_err(|source| Failure::Garbled { service: "GitHub".to_owned(), source })
    }

    fn refused(&self, status: StatusCode) -> Failure {
        let repository = self.repository;
        let (who, needs) = match self.asker {
            Asker::Token(_) => ("the token", "`admin:repo_hook`, or Webhooks: write"),
            Asker::App(_) => ("the app", "the repository permission Webhooks: write"),
        };
        match status.as_u16() {
            401 => Failure::Refused {
                code: "unauthorized".to_owned(),
                message: match self.asker {
                    Asker::Token(_) => "GitHub does not accept reconcile.github_token".to_owned(),
                    Asker::App(_) => {
                        "GitHub does not accept what it gave reconcile.github_app".to_owned()
                    }
                },
            },
            // GitHub does not tell whoever may not see it from what is not there.
            404 => Failure::NotFound(format!(
                "GitHub shows no webhooks of {repository}: there is no such repository, or {who} \
                 may not administer its webhooks ({needs})"
            )),
            403 | 429 => Failure::unavailable(format!(
                "GitHub limits or forbids it (HTTP {status}); {who} needs {needs}"
            )),
            500..=599 => Failure::unavailable(format!("GitHub is in trouble (HTTP {status})")),
            _ => Failure::Refused {
                code: "refused".to_owned(),
                message: format!("GitHub refused it (HTTP {status})"),
            },
        }
    }
}

/// An app that is given no token.
fn no_token(error: AppError) -> Failure {
    match error {
        AppError::Refused { advice, source, .. } => Failure::Refused {
            code: "app_refused".to_owned(),
            message: format!("GitHub gives reconcile.github_app nothing: {advice} ({source})"),
        },
        AppError::Unreachable { url, source } => Failure::Unavailable {
            message: format!("GitHub's API at {url} does not answer"),
            source: Some(anyhow::Error::from_boxed(source)),
        },
    }
}

fn settings(url: &str, secret: Option<&SecretString>) -> Value {
    let mut settings = json!({ "url": url, "content_type": "json", "insecure_ssl": "0" });
    if let Some(secret) = secret {
        settings["secret"] = json!(secret.expose_secret());
    }
    settings
}
