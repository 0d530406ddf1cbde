//! A delivery to oneself: through the real door, signed with a secret that only this process knows,
//! so that anybody may see that the way in is whole.

use std::{net::SocketAddr, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use bus::Problem;
use chrono::Utc;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use crate::{
    config::{Senders, Standard},
    page::Pinged,
};

/// The sender's name among those that follow Standard Webhooks.
pub(crate) const SENDER: &str = "doctor";
/// As in the list of sources.
pub(crate) const SOURCE: &str = "standard/doctor";
const PATIENCE: Duration = Duration::from_secs(5);
const BODY_BYTES_MAX: usize = 1024;

/// Sends deliveries to oneself.
#[derive(Clone)]
pub(crate) struct Pinger {
    url: String,
    key: Vec<u8>,
    client: reqwest::Client,
}

/// Adds the sender, with a secret of this process alone; gives the secret.
pub(crate) fn admit(senders: &mut Senders) -> Vec<u8> {
    let key = [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat();
    let secret = format!("whsec_{}", BASE64.encode(&key));
    let sender = Standard {
        secrets: vec![SecretString::from(secret)],
        header_prefix: "webhook".to_owned(),
        body_bytes_max: BODY_BYTES_MAX,
    };
    let taken = senders.standard.entry(SENDER.to_owned()).or_insert(sender);
    // Whoever has a sender of this name has it still, and its secret will do.
    let text = taken.secrets.first().map_or("", |secret| secret.expose_secret());
    BASE64.decode(text.trim_start_matches("whsec_")).unwrap_or(key)
}

impl Pinger {
    /// `address` is where this process listens.
    pub(crate) fn new(mut address: SocketAddr, key: Vec<u8>) -> anyhow::Result<Self> {
        if address.ip().is_unspecified() {
            let loopback = match address {
                SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            };
            address.set_ip(loopback);
        }
        let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build()?;
        Ok(Self { url: format!("http://{address}/webhooks/{SOURCE}"), key, client })
    }

    /// Sends one; tells what the door answered.
    pub(crate) async fn send(&self) -> Result<Pinged, Problem> {
        let (id, time) = (Uuid::now_v7().to_string(), Utc::now().timestamp().to_string());
        let body = json!({ "type": "ping", "data": {} }).to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("any length will do");
        mac.update(format!("{id}.{time}.{body}").as_bytes());
        let signature = format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()));
        let answer = self
            .client
            .post(&self.url)
            .header("content-type", "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", &time)
            .header("webhook-signature", signature)
            .body(body)
            .send()
            .await;
        let away = |error: reqwest::Error| {
            let error = error.without_url();
            Problem::unavailable(format!("ingest does not hear itself: {error}"))
        };
        let answer = answer.map_err(away)?;
        let status = answer.status().as_u16();
        let text = answer.text().await.map_err(away)?;
        let told: Value = serde_json::from_str(&text).unwrap_or_default();
        Ok(Pinged {
            status,
            code: told["code"].as_str().unwrap_or("unknown").to_owned(),
            message: told["message"].as_str().unwrap_or_default().to_owned(),
            event: told["event"].as_str().and_then(|event| event.parse().ok()),
        })
    }
}
