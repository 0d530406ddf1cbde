//! Webhooks at hosts that cannot be asked to try them: Bitbucket has no such call, and the test of
//! Azure DevOps is a push that was made up. What the host says of a webhook is read; that its address
//! leads here is seen by what ingest sends there in its place.

use github::Asker;
use secrecy::ExposeSecret;
use serde::{Deserialize, de::DeserializeOwned};

use super::api::{Api, Trouble};
use crate::{config, source::Kind};

/// The version of Azure's API that is asked.
pub(super) const VERSION: &str = "api-version=7.0";
/// Without this nothing begins.
const PUSHED: &str = "repo:push";

/// The webhooks of one host, and who asks about them.
pub(crate) struct Hooks {
    pub(crate) kind: Kind,
    pub(crate) names: Vec<String>,
    api: Api,
}

/// A webhook.
#[derive(Debug)]
pub(crate) struct Hook {
    /// Where it sends to.
    pub(crate) url: String,
    /// Why it does not do what it should, as its host knows.
    pub(crate) trouble: Option<String>,
}

/// `GET /repositories/{workspace}/{repository}/hooks/{uid}`, as far as it is used.
#[derive(Deserialize)]
struct AtBitbucket {
    url: String,
    active: bool,
    #[serde(default)]
    events: Vec<String>,
    /// Older answers do not tell.
    #[serde(default)]
    secret_set: Option<bool>,
}

/// `GET /_apis/hooks/subscriptions/{id}`, as far as it is used.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AtAzure {
    status: String,
    #[serde(default)]
    consumer_inputs: Inputs,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Inputs {
    url: String,
    basic_auth_username: Option<String>,
}

/// `GET /_apis/hooks/subscriptions/{id}/notifications`, as far as it is used.
#[derive(Deserialize)]
struct Notifications {
    value: Vec<Notification>,
}

#[derive(Deserialize)]
struct Notification {
    id: u64,
    #[serde(default)]
    result: String,
    #[serde(default)]
    details: Details,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Details {
    error_message: Option<String>,
}

/// The API of one of these hosts, if there is a token for it.
pub(super) fn api(kind: Kind, options: &config::Reconcile) -> anyhow::Result<Option<Api>> {
    let (host, base, token) = match kind {
        Kind::AzureDevops => {
            ("Azure DevOps", &options.azure_devops_api_base, &options.azure_devops_token)
        }
        Kind::BitbucketServer => (
            "Bitbucket Data Center",
            &options.bitbucket_server_api_base,
            &options.bitbucket_server_token,
        ),
        _ => ("Bitbucket", &options.bitbucket_api_base, &options.bitbucket_token),
    };
    if token.expose_secret().is_empty() {
        return Ok(None);
    }
    let api = Api::new(host, base, Asker::Token(token.clone()), &[])?;
    // Personal access tokens of Azure are passwords.
    Ok(Some(if kind == Kind::AzureDevops { api.with_basic() } else { api }))
}

impl Hooks {
    /// Those that configuration names, a host each.
    pub(crate) fn all(options: &config::Reconcile) -> anyhow::Result<Vec<Self>> {
        let mut all = Vec::new();
        for (kind, names) in [
            (Kind::Bitbucket, &options.bitbucket_hooks),
            (Kind::AzureDevops, &options.azure_devops_hooks),
        ] {
            let api = api(kind, options)?.filter(|_| !names.is_empty());
            all.extend(api.map(|api| Self { kind, names: names.clone(), api }));
        }
        Ok(all)
    }

    /// What the host says of a webhook.
    pub(crate) async fn look(&self, name: &str) -> Result<Hook, String> {
        let looked = match self.kind {
            Kind::Bitbucket => self.ask(name).await.map(AtBitbucket::hook),
            _ => self.at_azure(name).await,
        };
        looked.map_err(|trouble| trouble.text(name))
    }

    async fn ask<T: DeserializeOwned>(&self, path: &str) -> Result<T, Trouble> {
        Ok(self.api.ask(&self.api.url(path)).await?.content)
    }

    async fn at_azure(&self, id: &str) -> Result<Hook, Trouble> {
        let path = format!("_apis/hooks/subscriptions/{id}");
        let found: AtAzure = self.ask(&format!("{path}?{VERSION}")).await?;
        let sent = format!("{path}/notifications?maxResults=20&{VERSION}");
        let Notifications { value } = self.ask(&sent).await?;
        Ok(found.hook(value.into_iter().max_by_key(|one| one.id)))
    }
}

impl AtBitbucket {
    fn hook(self) -> Hook {
        let trouble = match self {
            Self { active: false, .. } => {
                Some("it is switched off at Bitbucket; make it active on its page")
            }
            Self { secret_set: Some(false), .. } => Some(
                "it has no secret at Bitbucket, so all it sends is refused; give it one of \
                 bitbucket.secrets",
            ),
            Self { ref events, .. } if !events.iter().any(|event| event == PUSHED) => {
                Some("it does not tell of pushes; give it the trigger repository push")
            }
            _ => None,
        };
        Hook { url: self.url, trouble: trouble.map(str::to_owned) }
    }
}

impl AtAzure {
    fn hook(self, last: Option<Notification>) -> Hook {
        let failed = last.filter(|last| last.result == "failed");
        let trouble = match (self.status.as_str(), &self.consumer_inputs.basic_auth_username) {
            ("enabled", Some(name)) if !name.is_empty() => failed.map(|last| {
                let why = last.details.error_message.unwrap_or_else(|| "for no reason".to_owned());
                format!("the last that Azure DevOps sent did not come in: {why}")
            }),
            ("enabled", _) => Some(
                "it sends no user name, so all it sends is refused; give it one of \
                 azure_devops.secrets"
                    .to_owned(),
            ),
            (status, _) => Some(format!(
                "it is switched off at Azure DevOps, or about to be ({status}); enable it on the \
                 page of service hooks"
            )),
        };
        Hook { url: self.consumer_inputs.url, trouble }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_host_says_of_a_webhook_says_what_is_wrong_with_it() {
        let at_bitbucket = |more: serde_json::Value| {
            let mut hook = json!({ "url": "https://x.example", "active": true,
                "events": ["repo:push"], "secret_set": true });
            hook.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::from_value::<AtBitbucket>(hook).unwrap().hook().trouble.unwrap_or_default()
        };
        assert_eq!(at_bitbucket(json!({})), "");
        assert_eq!(at_bitbucket(json!({ "secret_set": null })), "", "an older answer");
        assert!(at_bitbucket(json!({ "active": false })).contains("switched off"));
        assert!(at_bitbucket(json!({ "secret_set": false })).contains("has no secret"));
        let silent = at_bitbucket(json!({ "events": ["pullrequest:created"] }));
        assert!(silent.contains("does not tell of pushes"), "{silent}");

        let at_azure = |status: &str, name: &str, result: &str| {
            let found = json!({ "status": status,
                "consumerInputs": { "url": "https://x.example", "basicAuthUsername": name } });
            let last = json!({ "id": 7, "result": result,
                "details": { "errorMessage": "Unauthorized (401)" } });
            let found: AtAzure = serde_json::from_value(found).unwrap();
            let last = serde_json::from_value(last).unwrap();
            found.hook(Some(last)).trouble.unwrap_or_default()
        };
        assert_eq!(at_azure("enabled", "stackly", "succeeded"), "");
        assert!(at_azure("enabled", "stackly", "failed").contains("Unauthorized (401)"));
        assert!(at_azure("enabled", "", "succeeded").contains("no user name"));
        assert!(at_azure("disabledBySystem", "stackly", "failed").contains("(disabledBySystem)"));
    }
}
