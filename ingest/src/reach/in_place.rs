//! What ingest sends in the place of hosts that cannot be asked to send, and the secrets that are for
//! that alone.

use std::{net::IpAddr, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Url, redirect::Policy};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sha2::Sha256;
use uuid::Uuid;

use super::{Answered, Sender};
use crate::{
    bitbucket,
    config::{Forge, Senders},
    reconcile::Hooks,
    source::Kind,
    spacelift::SIGNATURE,
};

/// A person waits for it, and asks over a line with a patience of its own.
const PATIENCE: Duration = Duration::from_secs(5);
/// More of an answer is not read.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// What is sent is called so, where it must be called something.
const PING: &str = "stackly.ping";

/// The doctor's, among those of the sources in whose place it sends.
#[derive(Clone)]
pub(crate) struct Secrets {
    spacelift: Option<SecretString>,
    bitbucket: Option<SecretString>,
    azure_devops: Option<SecretString>,
}

impl Secrets {
    /// The one for a source, if there is one.
    pub(crate) fn of(&self, kind: Kind) -> Option<&SecretString> {
        match kind {
            Kind::Spacelift => self.spacelift.as_ref(),
            Kind::Bitbucket => self.bitbucket.as_ref(),
            Kind::AzureDevops => self.azure_devops.as_ref(),
            _ => None,
        }
    }
}

/// For which repositories those count that may be read on their way: for none, because no host can
/// name one so (`payload::name`). After all others, so that those keep their places.
const NOWHERE: &str = "~stackly-doctor/\u{fffd}";

/// Adds the doctor's secrets to those of the sources in whose place it sends, if there are any: the
/// same in every process of this configuration.
pub(crate) fn admit(senders: &mut Senders, hooks: &[Hooks]) -> Secrets {
    let looks_at = |kind: Kind| hooks.iter().any(|hooks| hooks.kind == kind);
    let at = |kind: Kind, forge: &mut Forge, name: &str| {
        let configured = forge.secrets.iter().chain(forge.scoped_secrets.values().flatten()).next();
        let secret = of_doctor(configured.filter(|_| looks_at(kind))?, name);
        forge.scoped_secrets.insert(NOWHERE.to_owned(), vec![secret.clone()]);
        Some(secret)
    };
    let bitbucket = at(Kind::Bitbucket, &mut senders.bitbucket, "");
    let azure_devops = at(Kind::AzureDevops, &mut senders.azure_devops, "stackly-doctor:");
    let spacelift = senders.spacelift.secrets.first().map(|secret| of_doctor(secret, ""));
    senders.spacelift.secrets.extend(spacelift.clone());
    Secrets { spacelift, bitbucket, azure_devops }
}

fn of_doctor(secret: &SecretString, name: &str) -> SecretString {
    let mac = keyed(secret).chain_update("stackly/doctor");
    let text = hex::encode(mac.finalize().into_bytes());
    SecretString::from(format!("{name}{text}"))
}

fn keyed(secret: &SecretString) -> Hmac<Sha256> {
    let secret = secret.expose_secret().as_bytes();
    Hmac::new_from_slice(secret).expect("HMAC takes keys of any length")
}

/// What is sent in the place of somebody else: headers, and a body from which nothing follows.
pub(super) struct Request {
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Sender {
    pub(super) fn request(self, secret: &SecretString, account: &str) -> Request {
        let id = Uuid::now_v7().to_string();
        let body = match self {
            Self::AzureDevops => json!({ "id": id, "eventType": PING }),
            _ => json!({ "account": account, "stackly_ping": id }),
        };
        let body = body.to_string();
        let signature = hex::encode(keyed(secret).chain_update(&body).finalize().into_bytes());
        let signature = format!("sha256={signature}");
        let headers = match self {
            Self::AzureDevops => {
                let word = BASE64.encode(secret.expose_secret());
                vec![("authorization", format!("Basic {word}"))]
            }
            Self::Bitbucket => vec![
                (bitbucket::EVENT, PING.to_owned()),
                (bitbucket::DELIVERY, id),
                (bitbucket::SIGNATURE, signature),
            ],
            _ => vec![(SIGNATURE, signature)],
        };
        Request { headers, body }
    }
}

/// Whether anybody on the way there could read what is sent.
pub(super) fn is_overheard(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    let is_here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    url.scheme() != "https" && !is_here
}

pub(super) async fn send(url: &str, Request { headers, body }: Request) -> Answered {
    let sent = async {
        let client = reqwest::Client::builder().timeout(PATIENCE).redirect(Policy::none());
        let mut request = client.build()?.post(url).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut response = request.body(body).send().await?;
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
