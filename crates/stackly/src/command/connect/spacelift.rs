//! `stackly connect spacelift`.

use std::{collections::HashSet, fs::OpenOptions, io::Write, path::Path, path::PathBuf};

use std::os::unix::fs::OpenOptionsExt;

use clap::Args;
use contracts::SpaceId;
use rand::RngCore;
use secrecy::{ExposeSecret, SecretString};
use spacelift::{Client, Error, PolicyShape, Stack};

use super::{
    account::{self, Account, failure},
    wanted::{self, Line, Step, Wish},
};
use crate::{
    failure::Failure,
    output::connect::{self, Connected, Given},
    print::Terminal,
};

/// Which space is connected, with what.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    account: Account,
    /// The space; what is created there also applies to spaces below that inherit from it
    #[arg(long, value_name = "ID", default_value = "root")]
    space: String,
    /// Where Spacelift reaches ingest, without a path: https://webhooks.acme.example [default: what
    /// the nearest .stackly/dev.json says]
    #[arg(long, value_name = "URL", env = "STACKLY_INGEST_URL")]
    ingest_url: Option<String>,
    /// The name of the webhook, and the prefix of the names of the policies
    #[arg(long, default_value = "stackly")]
    name: String,
    /// The label of the stacks that Stackly manages
    #[arg(long, default_value = "stackly")]
    label: String,
    /// Replace the secret of an existing webhook
    #[arg(long)]
    new_secret: bool,
    /// Be told at once that a run plans or applies, and not only when it waits or has ended; without
    /// this, a run that takes its time is asked about every few seconds
    #[arg(long)]
    progress: bool,
    /// Write a new secret to this file, which must not exist, instead of printing it
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Apply the changes; without this, only show them
    #[arg(long)]
    apply: bool,
}

/// What the account has.
struct Found {
    webhooks: Vec<spacelift::NamedWebhook>,
    policies: Vec<spacelift::Policy>,
    stacks: Vec<Stack>,
    reach: HashSet<SpaceId>,
}

pub(super) async fn run(
    options: &Options,
    folder: &Path,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let dev = account::dev(folder);
    let (client, account) = options.account.client(dev.as_ref())?;
    let base = options.ingest_url.clone().or_else(|| dev.map(|dev| dev.ingest_url));
    let endpoint = endpoint(base.as_deref(), "spacelift")?;
    let space = SpaceId::from(options.space.as_str());
    let wish = Wish {
        name: options.name.trim(),
        space: &space,
        endpoint: &endpoint,
        label: options.label.trim(),
        new_secret: options.new_secret,
        progress: options.progress,
    };
    if wish.name.is_empty() || wish.label.is_empty() {
        return Err(Failure::Usage("--name and --label must not be empty".to_owned()));
    }
    let found = look(&client, &space).await?;
    let webhook = wish.find(&found.webhooks);
    if let Some(elsewhere) = webhook.filter(|webhook| webhook.is.space != space) {
        return Err(Failure::Refused {
            code: "name_taken".to_owned(),
            message: format!(
                "the space `{}` has a named webhook `{}` already; connect that space, or take \
                 another name with --name",
                elsewhere.is.space, wish.name
            ),
        });
    }
    let mut connected = Connected {
        account,
        space: options.space.clone(),
        label: wish.label.to_owned(),
        stacks: labelled(&found, wish.label),
        lines: lines(&wish, &found),
        applied: false,
        webhook: webhook.map(|webhook| webhook.id.clone()),
        secret: None,
    };
    if options.apply {
        apply(&client, &wish, &found, options.secret_file.as_deref(), &mut connected).await?;
    }
    terminal.answer(&connected, |look| connect::render(&connected, look))
}

/// Where the senders of a source knock.
pub(super) fn endpoint(base: Option<&str>, source: &str) -> Result<String, Failure> {
    let Some(base) = base else {
        return Err(Failure::Usage(
            "say where ingest is reached from outside: --ingest-url https://webhooks.acme.example"
                .to_owned(),
        ));
    };
    let url = reqwest::Url::parse(base).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none()
    });
    match url {
        Some(url) => Ok(format!("{}/webhooks/{source}", url.as_str().trim_end_matches('/'))),
        None => Err(Failure::Usage(format!(
            "`{base}` is not an address; it should look like https://webhooks.acme.example"
        ))),
    }
}

async fn look(client: &Client, space: &SpaceId) -> Result<Found, Failure> {
    let spaces = client.spaces().await.map_err(failure)?;
    if !spaces.iter().any(|one| one.id == *space) {
        let names: Vec<_> = spaces.iter().map(|one| one.id.as_str()).collect();
        let names = names.join(", ");
        return Err(Failure::NotFound(format!("there is no space `{space}`; there are {names}")));
    }
    // What belongs to a space reaches down as far as spaces inherit.
    let mut reach = HashSet::from([space.clone()]);
    loop {
        let more: Vec<_> = spaces
            .iter()
            .filter(|one| one.inherits && !reach.contains(&one.id))
            .filter(|one| one.parent.as_ref().is_some_and(|parent| reach.contains(parent)))
            .map(|one| one.id.clone())
            .collect();
        if more.is_empty() {
            break;
        }
        reach.extend(more);
    }
    Ok(Found {
        webhooks: client.named_webhooks().await.map_err(failure)?,
        policies: client.policies().await.map_err(failure)?,
        stacks: client.stacks().await.map_err(failure)?,
        reach,
    })
}

fn labelled(found: &Found, label: &str) -> Vec<String> {
    let stacks = found.stacks.iter().filter(|stack| {
        found.reach.contains(&stack.space) && stack.labels.iter().any(|one| one == label)
    });
    stacks.map(|stack| stack.id.to_string()).collect()
}

fn lines(wish: &Wish<'_>, found: &Found) -> Vec<Line> {
    let webhook = wish.find(&found.webhooks);
    // Spacelift makes the id of the name; what it really is, is known once it is there.
    let id = webhook.map_or(wish.name, |webhook| webhook.id.as_str());
    let (notification, push) = (wish.notification(id), wish.push());
    let feeds = format!("feeds the webhook `{id}` with run updates and internal errors");
    let hands = format!(
        "a push moves the head of stacks labelled `{}`, and Stackly starts their runs",
        wish.label
    );
    vec![
        wish.webhook_line(webhook),
        wanted::policy_line(&notification, wanted::policy(&notification, &found.policies), feeds),
        wanted::policy_line(&push, wanted::policy(&push, &found.policies), hands),
    ]
}

/// The webhook first, for the policy names it; the push policy last, so that nothing is handed
/// over before it can be heard of.
async fn apply(
    client: &Client,
    wish: &Wish<'_>,
    found: &Found,
    file: Option<&Path>,
    connected: &mut Connected,
) -> Result<(), Failure> {
    let there = wish.find(&found.webhooks);
    let secret = (there.is_none() || wish.new_secret).then(secret);
    if let (Some(secret), Some(file)) = (&secret, file) {
        write(file, secret)?;
    }
    let webhook = match there {
        None => {
            let secret = secret.as_ref().expect("what is made has a fresh secret");
            let made = client.create_named_webhook(&wish.webhook(), secret).await;
            made.map_err(|error| unheard(error, file))?
        }
        Some(found) if connected.lines[0].step == Step::Keep => found.clone(),
        Some(found) => {
            let shape = wish.changed_webhook(found);
            let changed = client.update_named_webhook(&found.id, &shape, secret.as_ref()).await;
            let is_shown = secret.is_some();
            changed.map_err(|error| if is_shown { unheard(error, file) } else { failure(error) })?
        }
    };
    connected.webhook = Some(webhook.id.clone());
    connected.lines[0].id = Some(webhook.id.clone());
    connected.secret = secret.map(|secret| match file {
        Some(file) => Given::Written { file: file.to_owned() },
        None => Given::Shown { secret: secret.expose_secret().to_owned() },
    });
    for (place, shape) in [(1, wish.notification(&webhook.id)), (2, wish.push())] {
        let made = put(client, &shape, wanted::policy(&shape, &found.policies)).await;
        connected.lines[place].id = Some(made.map_err(|error| stopped(error, connected))?);
    }
    connected.applied = true;
    Ok(())
}

/// Makes a policy, or changes it where it differs; gives its id.
async fn put(
    client: &Client,
    shape: &PolicyShape,
    found: Option<&spacelift::Policy>,
) -> Result<String, Error> {
    let Some(found) = found else { return Ok(client.create_policy(shape).await?.id) };
    if wanted::policy_line(shape, Some(found), String::new()).step == Step::Keep {
        return Ok(found.id.clone());
    }
    let mut shape = shape.clone();
    let theirs = found.is.labels.iter().filter(|label| !shape.labels.contains(label));
    let theirs: Vec<_> = theirs.cloned().collect();
    shape.labels.extend(theirs);
    Ok(client.update_policy(&found.id, &shape).await?.id)
}

/// The secret would be lost with the failure: Spacelift never shows it again.
fn stopped(error: Error, connected: &Connected) -> Failure {
    let failure = failure(error);
    match &connected.secret {
        Some(Given::Shown { secret }) => Failure::Problem {
            code: failure.code().to_owned(),
            message: format!(
                "the webhook is there and signs with {secret}, but not all policies are: {}; run \
                 the command again",
                failure.text()
            ),
        },
        _ => failure,
    }
}

/// A change with a fresh secret that failed: where the secret is in no file, it is lost with an answer
/// that was not heard.
fn unheard(error: Error, file: Option<&Path>) -> Failure {
    let is_uncertain = matches!(error, Error::Uncertain { .. });
    let failure = failure(error);
    if is_uncertain && file.is_none() { lost(failure) } else { failure }
}

/// The same failure, with what to do where the webhook may sign with a secret that nobody was told.
pub(super) fn lost(failure: Failure) -> Failure {
    match failure {
        Failure::Unavailable { message, source } => Failure::Unavailable {
            message: format!(
                "{message}; if the webhook is there then, it signs with a secret that nobody was \
                 told: run the command with --apply --new-secret"
            ),
            source,
        },
        failure => failure,
    }
}

/// 32 bytes of chance, as hexadecimal digits.
pub(super) fn secret() -> SecretString {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    SecretString::from(hex::encode(bytes))
}

/// Before anything is made: what cannot be kept must not be used.
pub(super) fn write(file: &Path, secret: &SecretString) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let written =
        options.open(file).and_then(|mut file| writeln!(file, "{}", secret.expose_secret()));
    written.map_err(|error| {
        Failure::Usage(format!("the secret cannot be written to {}: {error}", file.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_whose_answer_was_lost_is_to_be_replaced_unless_it_is_in_a_file() {
        let advice = "--apply --new-secret";
        let uncertain = || Error::Uncertain { source: "the connection broke".into() };
        assert!(unheard(uncertain(), None).text().contains(advice));
        assert!(!unheard(uncertain(), Some(Path::new("secret"))).text().contains(advice));
        assert!(!unheard(Error::Unauthorized, None).text().contains(advice));
    }
}
