//! `.stackly/dev.json`: where everything is, for scripts, for the CLI and for people.

use std::{
    collections::BTreeMap, fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt, path::Path,
};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::{DevArguments, DevFolder, Stage, address, health_listen, running::Running, say, shown};
use crate::{
    system::{Environment, Installation, SERVICES},
    target::nearest_file,
};

/// The name of the file.
const FILE: &str = "dev.json";

/// Where everything is while `stackly dev` runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DevState {
    /// The process of `stackly dev` itself.
    pub pid: u32,
    /// Every process it started, by name.
    pub processes: BTreeMap<String, u32>,
    /// The broker.
    pub nats_url: String,
    /// In front of every subject and stream.
    pub prefix: String,
    /// The database.
    pub database_url: String,
    /// Where the senders of webhooks reach ingest.
    pub ingest_url: String,
    /// Where processes of this machine reach it.
    #[serde(default)]
    pub local_url: String,
    /// Where GitHub would deliver to.
    pub github_webhook_url: String,
    /// Where each service shows how it is: `/live`, `/ready`, `/metrics`.
    #[serde(default)]
    pub health_urls: BTreeMap<String, String>,
    /// The Slack workspace on this machine.
    #[serde(default)]
    pub slack_url: String,
    /// The GitHub on this machine that takes commit statuses.
    #[serde(default)]
    pub github_url: String,
    /// What GitHub would sign with.
    pub github_secret: String,
    /// Where Spacelift delivers to.
    pub spacelift_webhook_url: String,
    /// What Spacelift signs with.
    pub spacelift_secret: String,
    /// The Spacelift account: what `spacectl` takes as its endpoint.
    pub spacelift_url: String,
    /// Its GraphQL door.
    pub spacelift_graphql_url: String,
    /// The simulator's door for tests; absent for a real account.
    pub spacelift_control_url: Option<String>,
    /// The API key's id.
    pub api_key_id: String,
    /// The API key's secret.
    pub api_key_secret: String,
    /// The sample repository, as its host would name it; absent for a real account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The clone to work in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository_path: Option<String>,
    /// The folder of policies.
    pub policies_path: String,
    /// The folder of log files.
    #[serde(default)]
    pub logs_path: String,
}

/// Writes the file.
pub(super) fn write(stage: &Stage<'_>, running: &Running) -> anyhow::Result<DevState> {
    let Stage { arguments, folder, servers, installation, repository, .. } = stage;
    let processes = servers.processes().into_iter().chain(running.processes());
    let local_url = local_url(installation)?;
    let ingest_url = arguments.public_url.clone().unwrap_or_else(|| local_url.clone());
    let simulated = servers.is_simulated();
    let state = DevState {
        pid: std::process::id(),
        processes: processes.map(|(name, pid)| (name.to_owned(), pid)).collect(),
        nats_url: installation.nats_url.clone(),
        prefix: installation.prefix.clone(),
        database_url: installation.database_url.clone(),
        github_webhook_url: format!("{ingest_url}/webhooks/github"),
        github_secret: installation.github_secret.clone(),
        spacelift_webhook_url: format!("{ingest_url}/webhooks/spacelift"),
        spacelift_secret: installation.spacelift_secret.clone(),
        ingest_url,
        local_url,
        health_urls: health_urls(stage.environment),
        slack_url: servers.slack_url().to_owned(),
        github_url: servers.github_url().to_owned(),
        spacelift_graphql_url: format!("{}/graphql", installation.spacelift_url),
        spacelift_control_url: simulated.then(|| format!("{}/control", installation.spacelift_url)),
        spacelift_url: installation.spacelift_url.clone(),
        api_key_id: installation.api_key_id.clone(),
        api_key_secret: installation.api_key_secret.clone(),
        repository: simulated.then(|| servers.repository_name().to_owned()),
        repository_path: repository.map(|repository| shown(&repository.clone)),
        policies_path: installation.policies.clone(),
        logs_path: shown(&folder.path("logs")),
    };
    let path = folder.path(FILE);
    write_private(&path, &serde_json::to_vec_pretty(&state)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(state)
}

/// Where processes of this machine reach ingest.
pub(super) fn local_url(installation: &Installation) -> anyhow::Result<String> {
    Ok(format!("http://{}", address::from_here(installation.ingest.parse()?)))
}

/// Where each service shows how it is, as far as that is known beforehand.
fn health_urls(environment: &Environment) -> BTreeMap<String, String> {
    let told = |service: &str| {
        let listen = environment.get(&health_listen(service))?;
        (!listen.is_empty()).then(|| (service.to_owned(), format!("http://{listen}")))
    };
    SERVICES.into_iter().filter_map(told).collect()
}

/// The file holds secrets, so only its owner reads it.
fn write_private(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)?.write_all(text)
}

/// Reads the file of a running `stackly dev`.
pub(super) fn read(folder: &Path) -> anyhow::Result<DevState> {
    let path = folder.join(FILE);
    let text = std::fs::read(&path).with_context(|| {
        format!("cannot read {}; does `stackly dev` run in that folder?", path.display())
    })?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not ours", path.display()))
}

impl DevState {
    /// Where ingest takes connections.
    pub(super) fn local_address(&self) -> &str {
        self.local_url.trim_start_matches("http://")
    }

    /// Tells a person where everything is.
    pub(super) fn introduce(&self, arguments: &DevArguments, folder: &DevFolder) {
        let file = shown(&folder.path(FILE));
        let rows = [
            ("webhooks", Some(&self.ingest_url)),
            ("Spacelift", Some(&self.spacelift_url)),
            ("GraphQL", Some(&self.spacelift_graphql_url)),
            ("NATS", Some(&self.nats_url)),
            ("Postgres", Some(&self.database_url)),
            ("repository", self.repository_path.as_ref()),
            ("policies", Some(&self.policies_path)),
            ("logs", Some(&self.logs_path)),
            ("all of it", Some(&file)),
        ];
        say("\nStackly runs.");
        for (name, value) in rows {
            if let Some(value) = value {
                say(&format!("  {name:<11} {value}"));
            }
        }
        if self.repository.is_some() {
            say("\nTo push again: edit a file in the repository, `git commit -a`, `git push`.");
        } else {
            self.advise(arguments.public_url.is_some(), &file);
        }
        say(&format!(
            "To look: `cargo run --bin stackly -- chains{}`. To end: Ctrl-C.",
            self.at(folder)
        ));
    }

    /// What a command has to be told to find the system from here; nothing if it finds the file.
    fn at(&self, folder: &DevFolder) -> String {
        let found = std::env::current_dir().ok().and_then(|here| nearest_file(&here));
        let found = found.and_then(|file| file.canonicalize().ok());
        if found.is_some() && found == folder.path(FILE).canonicalize().ok() {
            return String::new();
        }
        let prefix = &self.prefix;
        let prefix = if prefix.is_empty() { String::new() } else { format!(" --prefix {prefix}") };
        format!(" --nats {}{prefix}", self.nats_url)
    }

    /// Tells a person how a real account and its repositories come to tell of what happens.
    fn advise(&self, is_public: bool, file: &str) {
        say("\nTwo webhooks tell Stackly of pushes and of runs; their secrets are in");
        say(&format!("{file} and stay the same at every start:"));
        say(&format!("  GitHub      {}  (github_secret)", self.github_webhook_url));
        say(&format!("  Spacelift   {}  (spacelift_secret)", self.spacelift_webhook_url));
        say("`stackly connect github OWNER/REPO` and `stackly connect spacelift` make them.");
        if !is_public {
            say("This address is of this machine alone: lead a tunnel or a proxy to it (--listen");
            say("fixes its port), and say with --public-url how the outside reaches that.");
        }
        say("What is known of the account stays in the folder, and is there at the next start.\n");
    }
}
