//! Whether the addresses that senders were given lead here: something real is sent through each, for
//! `stackly doctor`, and what it was answered is told in a sentence.
//!
//! GitHub and GitLab are asked to try their webhooks. Spacelift can be asked for nothing without
//! touching a stack, so ingest sends in its place, to the address that Spacelift has, and signs with
//! a secret that is the doctor's alone: it is no proof that Spacelift knows ours.

use std::{sync::Arc, time::Duration};

use futures::future::{join_all, join3};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::redirect::Policy;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::Sha256;
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    config,
    reconcile::{Recent, Reconciler, Sent, Tried, webhooks::Watch},
    spacelift::SIGNATURE,
    store::read,
};

/// A person waits for it, and asks over a line with a patience of its own.
const PATIENCE: Duration = Duration::from_secs(5);
/// More of an answer is not read.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// More of what somebody else says is not told.
const SAID_CHARS_MAX: usize = 200;

/// Who finds out. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reach {
    pub(crate) pool: PgPool,
    pub(crate) reconciler: Option<Arc<Reconciler>>,
    pub(crate) recent: Option<Arc<Recent>>,
    pub(crate) watch: Option<Arc<Watch>>,
    /// The doctor's, among those of Spacelift.
    pub(crate) secret: Option<SecretString>,
}

/// What is known of one webhook.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Told {
    name: String,
    /// Nothing while it is on its way.
    sound: Option<bool>,
    text: String,
    /// What to ask on with.
    #[serde(skip_serializing_if = "Option::is_none")]
    sent: Option<Sent>,
}

impl Told {
    fn under_way(sender: Sender, sent: Sent) -> Self {
        let text = format!("{} has not tried to deliver to {} yet", sender.who(), sent.url);
        Self { name: sender.name(&sent.hook), sound: None, text, sent: Some(sent) }
    }
}

/// What came back from an address.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    /// The HTTP status; nought if there was no answer.
    pub(crate) status: u16,
    /// What the sender says of it.
    pub(crate) said: String,
    /// What was answered.
    pub(crate) body: String,
}

/// An answer of ingest's, this one's or another's.
#[derive(Default, Deserialize)]
struct OfIngest {
    code: Option<String>,
    #[serde(default)]
    message: String,
    delivery: Option<Uuid>,
}

/// Through whom something was sent.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Sender {
    Github,
    Gitlab,
    Spacelift,
}

impl Sender {
    fn name(self, webhook: &str) -> String {
        match self {
            Self::Github | Self::Gitlab => format!("address of {webhook}"),
            Self::Spacelift => format!("address of the webhook `{webhook}` at Spacelift"),
        }
    }

    const fn who(self) -> &'static str {
        match self {
            Self::Github => "GitHub",
            Self::Gitlab => "GitLab",
            Self::Spacelift => "ingest",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Github => "/webhooks/github",
            Self::Gitlab => "/webhooks/gitlab",
            Self::Spacelift => "/webhooks/spacelift",
        }
    }

    const fn about_secret(self) -> &'static str {
        match self {
            Self::Github => {
                "GitHub signs with another secret than those of github.secrets; `stackly connect \
                 github OWNER/REPO --apply --new-secret` gives it ours, and an app has its own on \
                 its page"
            }
            Self::Gitlab => {
                "GitLab sends another token than those of gitlab.secrets, or signs where \
                 gitlab.signed says that it does not; set it on the page of the webhook"
            }
            Self::Spacelift => {
                "another ingest than this one stands there, or a proxy changes bodies"
            }
        }
    }
}

/// Adds the doctor's secret to those of Spacelift, if there are any: the same in every process of
/// this configuration.
pub(crate) fn admit(spacelift: &mut config::Spacelift) -> Option<SecretString> {
    let mac = keyed(spacelift.secrets.first()?).chain_update("stackly/doctor");
    let secret = SecretString::from(hex::encode(mac.finalize().into_bytes()));
    spacelift.secrets.push(secret.clone());
    Some(secret)
}

fn keyed(secret: &SecretString) -> Hmac<Sha256> {
    let secret = secret.expose_secret().as_bytes();
    Hmac::new_from_slice(secret).expect("HMAC takes keys of any length")
}

impl Reach {
    /// Sends something through every webhook that is known.
    pub(crate) async fn all(&self) -> Vec<Told> {
        let through_github = self.reconciler.iter().flat_map(|github| {
            let hooks = github.hooks().iter();
            hooks.map(async move |hook| {
                self.tried(Sender::Github, hook, github.ping(hook).await).await
            })
        });
        let through_gitlab = self.recent.iter().flat_map(|gitlab| {
            let hooks = gitlab.hooks().iter();
            hooks.map(async move |hook| {
                self.tried(Sender::Gitlab, hook, gitlab.ping(hook).await).await
            })
        });
        let (through_github, through_gitlab) = (join_all(through_github), join_all(through_gitlab));
        let (github, gitlab, spacelift) =
            join3(through_github, through_gitlab, self.through_spacelift()).await;
        [github, gitlab, spacelift].concat()
    }

    async fn tried(&self, sender: Sender, hook: &str, tried: Result<Tried, String>) -> Told {
        let name = sender.name(hook);
        match tried {
            Ok(Tried::Sent(sent)) => Told::under_way(sender, sent),
            Ok(Tried::Not { why, last: None }) => {
                Told { name, sound: Some(true), text: format!("not tried: {why}"), sent: None }
            }
            Ok(Tried::Not { why, last: Some((url, answered)) }) => {
                let last = self.told(sender, hook, (&url, &answered)).await;
                Told { text: format!("{why}; of the last it sent: {}", last.text), ..last }
            }
            Err(text) => {
                let text = format!("{} cannot be asked to try it: {text}", sender.who());
                Told { name, sound: Some(false), text, sent: None }
            }
        }
    }

    /// What was answered to something that is on its way; nothing if nobody asked for it here.
    pub(crate) async fn pinged(&self, sent: Sent) -> Option<Told> {
        let github = self.reconciler.as_ref().filter(|host| host.hooks().contains(&sent.hook));
        let (sender, answered) = match github {
            Some(github) => (Sender::Github, github.pinged(&sent).await),
            None => {
                let gitlab = self.recent.as_ref();
                let gitlab = gitlab.filter(|host| host.hooks().contains(&sent.hook))?;
                (Sender::Gitlab, gitlab.pinged(&sent).await)
            }
        };
        Some(match answered {
            Ok(Some(answered)) => self.told(sender, &sent.hook, (&sent.url, &answered)).await,
            Ok(None) => Told::under_way(sender, sent),
            Err(text) => {
                let text = format!("{} does not say what it was answered: {text}", sender.who());
                Told { name: sender.name(&sent.hook), sound: Some(false), text, sent: None }
            }
        })
    }

    async fn through_spacelift(&self) -> Vec<Told> {
        let (Some(watch), Some(secret)) = (&self.watch, &self.secret) else { return Vec::new() };
        // What is wrong with the account itself, the watch tells.
        let Ok(addresses) = watch.addresses().await else { return Vec::new() };
        let told = addresses.iter().map(|(id, url)| async move {
            let answered = send(url, secret, watch.account()).await;
            self.told(Sender::Spacelift, id, (url, &answered)).await
        });
        join_all(told).await
    }

    async fn told(
        &self,
        sender: Sender,
        webhook: &str,
        (url, answered): (&str, &Answered),
    ) -> Told {
        let of_ingest = serde_json::from_str::<OfIngest>(&answered.body).unwrap_or_default();
        let delivery = match of_ingest.delivery {
            Some(delivery) => read::by_ids(&self.pool, &[delivery]).await,
            None => Ok(Vec::new()),
        };
        let told = match delivery {
            Ok(known) => judge(sender, (url, answered), &of_ingest, !known.is_empty()),
            Err(error) => Err(format!("the database says: {error}; try again")),
        };
        let sound = Some(told.is_ok());
        let (Ok(text) | Err(text)) = told;
        Told { name: sender.name(webhook), sound, text, sent: None }
    }
}

/// What an answer means, and how it is mended where it is not the one it should be. Pure.
fn judge(
    sender: Sender,
    (url, answered): (&str, &Answered),
    of_ingest: &OfIngest,
    is_ours: bool,
) -> Result<String, String> {
    let Answered { status, said, .. } = answered;
    let who = sender.who();
    match (*status, of_ingest.code.as_deref()) {
        // Also where configuration will not have it: it was signed, and is kept.
        _ if is_ours => Ok(format!("what {who} sent to {url} came in here (HTTP {status})")),
        (200..=299, _) => Err(format!(
            "{url} answers {who} HTTP {status}, but nothing came in here: it leads to something \
             else; correct the address at the sender, or where the proxy sends it"
        )),
        (300..=399, _) => Err(format!(
            "{url} redirects (HTTP {status}), and senders do not follow; give them the address it \
             leads to"
        )),
        (_, Some("bad_signature" | "no_signature")) => {
            let why = sender.about_secret();
            Err(format!("{url} refuses what {who} sent (HTTP {status}): {why}"))
        }
        (404 | 405, _) => Err(format!(
            "{url} leads to no source (HTTP {status}); the address ends with {}",
            sender.path()
        )),
        (_, Some(code)) => {
            let message: String = of_ingest.message.chars().take(SAID_CHARS_MAX).collect();
            Err(format!("{url} refuses what {who} sent (HTTP {status}, {code}): {message}"))
        }
        (0 | 502..=504, None) => Err(format!(
            "{who} does not get through to {url} ({}): its name must resolve, its port be open to \
             the sender, its certificate be good, and a proxy lead to http.listen",
            if said.is_empty() { format!("HTTP {status}") } else { said.clone() }
        )),
        (_, None) => Err(format!(
            "{url} is not answered by ingest (HTTP {status}); whatever stands there must let \
             senders through"
        )),
    }
}

/// Sends as Spacelift would.
async fn send(url: &str, secret: &SecretString, account: &str) -> Answered {
    let body = json!({ "account": account, "stackly_ping": Uuid::now_v7() }).to_string();
    let signature = hex::encode(keyed(secret).chain_update(&body).finalize().into_bytes());
    let sent = async {
        let client = reqwest::Client::builder().timeout(PATIENCE).redirect(Policy::none());
        let request = client.build()?.post(url).header("content-type", "application/json");
        let request = request.header(SIGNATURE, format!("sha256={signature}")).body(body);
        let mut response = request.send().await?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await?
            && body.len() < ANSWER_BYTES_MAX
        {
            body.extend_from_slice(&chunk);
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Answered { status: response.status().as_u16(), said: String::new(), body })
    };
    sent.await.unwrap_or_else(|error: reqwest::Error| {
        let said = format!("{:#}", anyhow::Error::from(error.without_url()));
        Answered { said, ..Answered::default() }
    })
}

#[cfg(test)]
mod tests;
