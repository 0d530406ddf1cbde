//! What ingest is told, read as it reads it: what it has need not be said again.

use std::path::Path;

use contracts::phrase::with_causes;
use github::Asker;
use ingest::{Config, config::Reconcile};
use secrecy::SecretString;
use service::config::{Layers, environment};

use crate::failure::Failure;

/// What of it concerns GitHub.
pub(super) struct ForGithub {
    /// Who asks: the app, if there is one, else whoever has the token.
    pub(super) asker: Option<Asker>,
    pub(super) api_base: String,
    /// What it takes signatures of this repository with.
    pub(super) secret: Option<SecretString>,
    /// The hooks that are looked at for missed deliveries.
    pub(super) hooks: Vec<String>,
}

/// Reads the file, if one is named, and the environment.
pub(super) fn for_github(file: Option<&Path>, repository: &str) -> Result<ForGithub, Failure> {
    let usage = |error: service::config::ConfigError| Failure::Usage(error.to_string());
    let layers = Layers::merge("ingest", ingest::DEFAULTS, file, &environment());
    let config: Config = layers.and_then(Layers::read).map_err(usage)?;
    let scoped = config.github.scoped_secrets.iter();
    // The narrowest: what is said of one repository before what is said of its owner or of all.
    let scoped = scoped
        .filter(|(scope, _)| ingest::is_in_scope(repository, scope))
        .max_by_key(|(scope, _)| (!scope.ends_with('*'), scope.len()));
    let secrets = scoped.map_or(&config.github.secrets, |(_, secrets)| secrets);
    let Reconcile { github_app, github_token, github_api_base, .. } = config.reconcile.clone();
    let asker = Asker::new(&github_app, &github_token, &github_api_base).map_err(|error| {
        Failure::Usage(format!("reconcile.github_app: {}", with_causes(&error)))
    })?;
    Ok(ForGithub {
        asker,
        api_base: github_api_base,
        secret: secrets.first().cloned(),
        hooks: config.reconcile.github_hooks,
    })
}
