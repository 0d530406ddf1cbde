//! Whether the addresses that senders were given lead here: something real is sent through each, for
//! `stackly doctor`, and what it was answered is told in a sentence.
//!
//! GitHub and GitLab are asked to try their webhooks. Spacelift can be asked for nothing without
//! touching a stack, Bitbucket for nothing at all, and Azure DevOps for nothing but a push that was made
//! up. So ingest sends in their place, to the address that they have, and signs with a secret that is
//! the doctor's alone: it is no proof that they know ours. At Azure that is a password, which whoever
//! stands at the address can read: nothing follows from what is sent with it.

use std::sync::Arc;

use futures::future::{join_all, join4};
use serde::Deserialize;
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    page::Reached,
    reconcile::{Hook, Hooks, Recent, Reconciler, Sent, Tried, webhooks::Watch},
    source::Kind,
    store::read,
};

mod in_place;

pub(crate) use in_place::{Secrets, admit};
use in_place::{is_overheard, send};

/// More of what somebody else says is not told.
const SAID_CHARS_MAX: usize = 200;

/// Who finds out. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reach {
    pub(crate) pool: PgPool,
    pub(crate) reconciler: Option<Arc<Reconciler>>,
    pub(crate) recent: Option<Arc<Recent>>,
    pub(crate) watch: Option<Arc<Watch>>,
    /// The webhooks of hosts that try none.
    pub(crate) hooks: Arc<Vec<Hooks>>,
    pub(crate) secrets: Secrets,
}

impl Reached {
    fn under_way(sender: Sender, sent: Sent) -> Self {
        let text = format!("{} has not tried to deliver to {} yet", sender.who(), sent.url);
        Self { name: sender.name(&sent.hook), sound: None, text, sent: Some(sent) }
    }

    /// The same of a webhook that does not tell of these; without pushes nothing begins.
    fn lacking(self, events: &[String]) -> Self {
        if events.is_empty() {
            return self;
        }
        let tells_of_pushes = !events.iter().any(|event| event == "push");
        let text = format!(
            "{}; the webhook does not tell of {}: `stackly connect github OWNER/REPO --apply` has \
             it do so",
            self.text,
            events.join(", ")
        );
        Self { sound: self.sound.map(|sound| sound && tells_of_pushes), text, ..self }
    }
}

/// What came back from an address.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    /// The HTTP status; 0 if there was no answer.
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
    Bitbucket,
    AzureDevops,
    Spacelift,
}

impl Sender {
    fn name(self, webhook: &str) -> String {
        match self {
            Self::Github | Self::Gitlab => format!("address of {webhook}"),
            Self::Bitbucket => format!("address of {webhook} at Bitbucket"),
            Self::AzureDevops => format!("address of {webhook} at Azure DevOps"),
            Self::Spacelift => format!("address of the webhook `{webhook}` at Spacelift"),
        }
    }

    const fn who(self) -> &'static str {
        match self {
            Self::Github => "GitHub",
            Self::Gitlab => "GitLab",
            Self::Bitbucket | Self::AzureDevops | Self::Spacelift => "ingest",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Github => "/webhooks/github",
            Self::Gitlab => "/webhooks/gitlab",
            Self::Bitbucket => "/webhooks/bitbucket",
            Self::AzureDevops => "/webhooks/azure-devops",
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
            Self::Bitbucket | Self::AzureDevops | Self::Spacelift => {
                "another ingest than this one stands there, or a proxy changes bodies"
            }
        }
    }
}

impl Reach {
    /// Sends something through every webhook that is known.
    pub(crate) async fn all(&self) -> Vec<Reached> {
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
        let in_place = self.hooks.iter().flat_map(|hooks| {
            hooks.names.iter().map(async move |name| self.in_place_of(hooks, name).await)
        });
        let (github, gitlab, others, spacelift) =
            join4(through_github, through_gitlab, join_all(in_place), self.through_spacelift())
                .await;
        [github, gitlab, others, spacelift].concat()
    }

    /// What a host says of a webhook, and, if that is well, what its address answers.
    async fn in_place_of(&self, hooks: &Hooks, webhook: &str) -> Reached {
        let sender = match hooks.kind {
            Kind::Bitbucket => Sender::Bitbucket,
            _ => Sender::AzureDevops,
        };
        let broken =
            |text| Reached { name: sender.name(webhook), sound: Some(false), text, sent: None };
        let Some(secret) = self.secrets.of(hooks.kind) else {
            return broken("no secret is configured, so all it sends is refused".to_owned());
        };
        match hooks.look(webhook).await {
            Err(text) | Ok(Hook { trouble: Some(text), .. }) => broken(text),
            Ok(Hook { url, trouble: None })
                if sender == Sender::AzureDevops && is_overheard(&url) =>
            {
                broken(format!(
                    "{url} is not HTTPS, so whoever is on the way reads the password that Azure \
                     DevOps sends, and could send as it does; give the subscription an address \
                     with HTTPS. Nothing was sent there"
                ))
            }
            Ok(Hook { url, trouble: None }) => {
                let answered = send(&url, sender.request(secret, "")).await;
                self.told(sender, webhook, (&url, &answered)).await
            }
        }
    }

    async fn tried(&self, sender: Sender, hook: &str, tried: Result<Tried, String>) -> Reached {
        let name = sender.name(hook);
        match tried {
            Ok(Tried::Sent(sent)) => Reached::under_way(sender, sent),
            Ok(Tried::Not { why, last: None }) => {
                Reached { name, sound: Some(true), text: format!("not tried: {why}"), sent: None }
            }
            Ok(Tried::Not { why, last: Some((url, answered)) }) => {
                let last = self.told(sender, hook, (&url, &answered)).await;
                Reached { text: format!("{why}; of the last it sent: {}", last.text), ..last }
            }
            Err(text) => {
                let text = format!("{} cannot be asked to try it: {text}", sender.who());
                Reached { name, sound: Some(false), text, sent: None }
            }
        }
    }

    /// What was answered to something that is on its way; nothing if nobody asked for it here.
    pub(crate) async fn pinged(&self, sent: Sent) -> Option<Reached> {
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
            Ok(Some(answered)) => {
                let told = self.told(sender, &sent.hook, (&sent.url, &answered)).await;
                told.lacking(&sent.lacks)
            }
            Ok(None) => Reached::under_way(sender, sent),
            Err(text) => {
                let text = format!("{} does not say what it was answered: {text}", sender.who());
                Reached { name: sender.name(&sent.hook), sound: Some(false), text, sent: None }
            }
        })
    }

    async fn through_spacelift(&self) -> Vec<Reached> {
        let secret = self.secrets.of(Kind::Spacelift);
        let (Some(watch), Some(secret)) = (&self.watch, secret) else { return Vec::new() };
        // What is wrong with the account itself, the watch tells.
        let Ok(addresses) = watch.addresses().await else { return Vec::new() };
        let told = addresses.iter().map(|(id, url)| async move {
            let answered = send(url, Sender::Spacelift.request(secret, watch.account())).await;
            self.told(Sender::Spacelift, id, (url, &answered)).await
        });
        join_all(told).await
    }

    async fn told(
        &self,
        sender: Sender,
        webhook: &str,
        (url, answered): (&str, &Answered),
    ) -> Reached {
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
        Reached { name: sender.name(webhook), sound, text, sent: None }
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

#[cfg(test)]
mod tests;
