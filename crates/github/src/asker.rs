//! Whoever asks, for callers who must not block.

use std::{fmt, path::PathBuf, sync::Arc};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::{App, AppError, BadKey};

/// An app as configuration names it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppKey {
    /// Its id or client id; empty for none.
    pub id: String,
    /// Its private key, as PEM.
    pub key: SecretString,
    /// The file with its private key, in place of the key itself.
    pub key_file: String,
}

/// Why an app cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadApp {
    /// The file with the key cannot be read.
    #[error("key_file: {}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The key is none.
    #[error(transparent)]
    Key(#[from] BadKey),
}

impl AppKey {
    /// The app, if there is one.
    pub fn app(&self, api_base: &str) -> Result<Option<App>, BadApp> {
        if self.id.is_empty() {
            return Ok(None);
        }
        let key = match self.key_file.as_str() {
            "" => self.key.clone(),
            file => std::fs::read_to_string(file)
                .map_err(|source| BadApp::File { file: file.into(), source })?
                .into(),
        };
        Ok(Some(App::new(&self.id, &key, api_base)?))
    }
}

/// Who asks.
#[derive(Clone)]
pub enum Asker {
    /// Whoever has this token.
    Token(SecretString),
    /// An app, as installed where what is asked for lies.
    App(Arc<App>),
}

impl Asker {
    /// The app if there is one, else whoever has the token; nobody without either.
    pub fn new(app: &AppKey, token: &SecretString, api_base: &str) -> Result<Option<Self>, BadApp> {
        Ok(match app.app(api_base)? {
            Some(app) => Some(Self::App(Arc::new(app))),
            None if token.expose_secret().is_empty() => None,
            None => Some(Self::Token(token.clone())),
        })
    }

    /// What proves who asks for this path of the API (`repos/acme/infra/…`).
    pub async fn bearer(&self, path: &str) -> Result<SecretString, AppError> {
        match self {
            Self::Token(token) => Ok(token.clone()),
            Self::App(app) => {
                let (app, path) = (app.clone(), path.to_owned());
                let asked = tokio::task::spawn_blocking(move || app.token_at(&path)).await;
                asked.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
            }
        }
    }

    /// Lets go of what may have been taken back; whether asking again makes sense.
    pub fn forget(&self, path: &str) -> bool {
        match self {
            Self::Token(_) => false,
            Self::App(app) => app.forget_at(path),
        }
    }
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token",
            Self::App(_) => "App",
        })
    }
}

#[cfg(test)]
mod tests;
