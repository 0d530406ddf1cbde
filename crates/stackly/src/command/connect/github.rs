//! `stackly connect github OWNER/REPO`.

use std::path::{Path, PathBuf};

use clap::Args;
use secrecy::ExposeSecret;

use super::{
    account,
    hooks::{EVENTS, Hook, Hooks},
    ingest_config::{self, ForGithub},
    spacelift::{endpoint, secret, write},
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
    /// Write a fresh secret into this file, which must not exist, instead of showing it
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Make it so; without this, only say what would be made and changed
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
    hooked.line = Some(line(&hooked, found.as_ref()));
    if options.apply {
        apply(&hooks, found.as_ref(), options.secret_file.as_deref(), &told, &mut hooked).await?;
    } else if let Some(found) = &found {
        hooked.name(found.id, &told.hooks);
    }
    terminal.answer(&hooked, |look| hook::render(&hooked, look))
}

fn line(hooked: &Hooked, found: Option<&Hook>) -> Line {
    let step = match found.map(Hook::differs) {
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
    file: Option<&Path>,
    told: &ForGithub,
    hooked: &mut Hooked,
) -> Result<(), Failure> {
    hooked.applied = true;
    if let Some(found) = found.filter(|found| found.differs().is_empty()) {
        hooked.name(found.id, &told.hooks);
        return Ok(());
    }
    // What ingest takes already is signed with; else it is told a fresh one.
    let signs = told.secret.clone().unwrap_or_else(secret);
    let is_fresh = told.secret.is_none();
    if let (true, Some(file)) = (is_fresh, file) {
        write(file, &signs)?;
    }
    let made = match found {
        Some(found) => hooks.update(found, &signs).await?,
        None => hooks.create(&hooked.url, &signs).await?,
    };
    hooked.name(made.id, &told.hooks);
    hooked.secret = is_fresh.then(|| match file {
        Some(file) => Given::Written { file: file.to_owned() },
        None => Given::Shown { secret: signs.expose_secret().to_owned() },
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
