//! `stackly connect github OWNER/REPO`.

use std::path::{Path, PathBuf};

use ::github::EVENTS;
use clap::Args;
use secrecy::ExposeSecret;

use super::{
    account,
    hooks::{Hook, Hooks},
    ingest_config::{self, ForGithub},
    spacelift::{endpoint, lost, secret, write},
    wanted::{Line, Step},
};
use crate::{
    failure::Failure,
    output::{
        connect::Given,
        hook::{self, Hooked},
    },
    print::Terminal,
};

/// Which repository.
#[derive(Debug, Args)]
pub struct Options {
    /// The repository, as owner/name
    #[arg(value_name = "OWNER/REPO", value_parser = repository)]
    repository: String,
    /// Where GitHub reaches ingest, without a path: https://webhooks.acme.example [default: what the
    /// nearest .stackly/dev.json says]
    #[arg(long, value_name = "URL", env = "STACKLY_INGEST_URL")]
    ingest_url: Option<String>,
    /// The configuration of ingest: its `reconcile.github_app` or `github_token` is used, and its
    /// secret; the environment (INGEST__RECONCILE__GITHUB_TOKEN and the like) counts, too
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Replace the secret of an existing webhook: with the one ingest has, or a new one
    #[arg(long)]
    new_secret: bool,
    /// Write a new secret to this file, which must not exist, instead of printing it
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Apply the changes; without this, only show them
    #[arg(long)]
    apply: bool,
}

fn repository(text: &str) -> Result<String, String> {
    let is_name = |name: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !name.is_empty() && name != "." && name != ".." && name.chars().all(plain)
    };
    match text.split_once('/') {
        Some((owner, name)) if is_name(owner) && is_name(name) => Ok(text.to_owned()),
        _ => Err("a repository is written owner/name".to_owned()),
    }
}

pub(super) async fn run(
    options: &Options,
    folder: &Path,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let dev = account::dev(folder);
    let base = options.ingest_url.clone().or_else(|| dev.map(|dev| dev.ingest_url));
    let url = endpoint(base.as_deref(), "github")?;
    let told = ingest_config::for_github(options.config.as_deref(), &options.repository)?;
    let mut hooked = Hooked {
        repository: options.repository.clone(),
        url,
        events: EVENTS.map(str::to_owned).to_vec(),
        line: None,
        applied: false,
        secret: None,
        has_secret: told.secret.is_some(),
        hook: None,
        is_looked_at: false,
    };
    let Some(asker) = &told.asker else {
        if options.apply {
            return Err(Failure::Usage(
                "ingest has neither a token for GitHub nor an app: set reconcile.github_token \
                 (INGEST__RECONCILE__GITHUB_TOKEN) or reconcile.github_app, or make the webhook by \
                 hand as shown without --apply"
                    .to_owned(),
            ));
        }
        return terminal.answer(&hooked, |look| hook::render(&hooked, look));
    };
    let hooks = Hooks::new(&told.api_base, &options.repository, asker)?;
    let found = hooks.find(&hooked.url).await?;
    hooked.line = Some(line(&hooked, found.as_ref(), options.new_secret));
    if options.apply {
        apply(&hooks, found.as_ref(), options, &told, &mut hooked).await?;
    } else if let Some(found) = &found {
        hooked.name(found.id, &told.hooks);
    }
    terminal.answer(&hooked, |look| hook::render(&hooked, look))
}

fn line(hooked: &Hooked, found: Option<&Hook>, new_secret: bool) -> Line {
    let secret = if hooked.has_secret { "the secret that ingest has" } else { "a fresh secret" };
    let differs = found.map(|found| {
        let mut differs = found.differs();
        differs.extend(new_secret.then(|| format!("it gets {secret}")));
        differs
    });
    let step = match differs {
        None => Step::Make,
        Some(differs) if differs.is_empty() => Step::Keep,
        Some(differs) => Step::Change { differs },
    };
    Line {
        what: "webhook",
        name: hooked.repository.clone(),
        id: found.map(|found| found.id.to_string()),
        step,
        why: format!("sends {} to {}", hooked.events.join(", "), hooked.url),
    }
}

async fn apply(
    hooks: &Hooks<'_>,
    found: Option<&Hook>,
    options: &Options,
    told: &ForGithub,
    hooked: &mut Hooked,
) -> Result<(), Failure> {
    hooked.applied = true;
    // Whatever a webhook signs with that is there works somewhere: it is replaced on demand alone.
    let is_signed_anew = found.is_none() || options.new_secret;
    // What ingest takes already is signed with; else it is told a fresh one.
    let signs = is_signed_anew.then(|| told.secret.clone().unwrap_or_else(secret));
    let fresh = signs.clone().filter(|_| told.secret.is_none());
    let file = options.secret_file.as_deref();
    if let (Some(fresh), Some(file)) = (&fresh, file) {
        write(file, fresh)?;
    }
    let lost = |failure| if fresh.is_some() && file.is_none() { lost(failure) } else { failure };
    let id = match (found, &signs) {
        (None, signs) => {
            let signs = signs.as_ref().expect("what is made is signed anew");
            hooks.create(&hooked.url, signs).await.map_err(lost)?.id
        }
        (Some(found), signs) => {
            if !found.differs_in_events().is_empty() {
                hooks.update(found).await?;
            }
            if signs.is_some() || !found.differs_in_settings().is_empty() {
                hooks.configure(found, signs.as_ref()).await.map_err(lost)?;
            }
            found.id
        }
    };
    hooked.name(id, &told.hooks);
    hooked.secret = fresh.map(|fresh| match file {
        Some(file) => Given::Written { file: file.to_owned() },
        None => Given::Shown { secret: fresh.expose_secret().to_owned() },
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::repository;

    #[test]
    fn a_repository_has_an_owner_and_a_plain_name() {
        assert!(repository("acme/infra.tf").is_ok());
        for text in ["infra", "acme/", "acme/../hooks", "acme/infra/hooks", "a b/c"] {
            assert!(repository(text).is_err(), "{text}");
        }
    }
}
