//! What ingest is told, read as it reads it: what it has need not be said again.

use std::path::Path;

use ingest::Config;
use secrecy::{ExposeSecret, SecretString};
use service::config::{Layers, environment};

use crate::failure::Failure;

/// What of it concerns GitHub.
pub(super) struct ForGithub {
    pub(super) token: Option<SecretString>,
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
    let scoped = config.github.scoped_secrets.iter().find(|(scope, _)| fits(scope, repository));
    let secrets = scoped.map_or(&config.github.secrets, |(_, secrets)| secrets);
    Ok(ForGithub {
        token: Some(config.reconcile.github_token)
            .filter(|token| !token.expose_secret().is_empty()),
        api_base: config.reconcile.github_api_base,
        secret: secrets.first().cloned(),
        hooks: config.reconcile.github_hooks,
    })
}

fn fits(scope: &str, repository: &str) -> bool {
    match scope.strip_suffix("/*") {
        Some(owner) => repository.split_once('/').is_some_and(|(of, _)| of == owner),
        None => scope.eq_ignore_ascii_case(repository),
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_secret_of_a_repository_or_of_its_owner_fits() {
        assert!(fits("acme/infra", "acme/infra") && fits("acme/*", "acme/infra"));
        assert!(!fits("acme-labs/*", "acme/infra") && !fits("acme/other", "acme/infra"));
    }
}
