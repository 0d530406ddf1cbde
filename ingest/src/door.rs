//! The doors: one for each sender that is configured, with what it must know and may send.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicI64, Ordering},
};

use anyhow::Context;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use chrono::Utc;
use contracts::Trace;
use secrecy::SecretString;
use tracing::{debug, warn};

use crate::{
    answer::Answer,
    bitbucket,
    body::Limits,
    config::{Custom, Forge, Http, Rate, Senders},
    github, gitlab,
    rate::{Guesses, Lane},
    record::{self, Arrival, Proof},
    signature::{HmacScheme, Keys, Scheme, SchemeError, Secret, SignatureError, Stamp},
    slack,
    source::{Kind, Pattern, Source},
    spacelift,
    store::Delivery,
};

/// At most this often it is said that a source fails to prove itself.
const ALARM_SECONDS: i64 = 60;

/// One source: who it is, what it must know, what it may send.
pub(crate) struct Door {
    pub(crate) source: Source,
    pub(crate) scheme: Scheme,
    pub(crate) keys: Keys,
    pub(crate) limits: Limits,
    pub(crate) lane: Lane,
    /// Who guesses at its secret, where that could be guessed.
    pub(crate) guesses: Option<Guesses>,
    /// Its path; the same in spans.
    pub(crate) path: String,
    /// How its requests are called in traces.
    pub(crate) span: String,
    /// When it was last said that this source fails to prove itself; seconds of the epoch.
    alarmed_at: AtomicI64,
}

/// What a door is made of.
struct Plan<'c> {
    source: Source,
    scheme: Scheme,
    secrets: Vec<Secret>,
    body_bytes_max: usize,
    http: &'c Http,
    rate: &'c Rate,
}

impl Door {
    fn new(plan: Plan<'_>) -> Result<Self, SchemeError> {
        let Plan { source, scheme, secrets, body_bytes_max, http, rate } = plan;
        let keys = Keys::new(&scheme, &secrets)?;
        let limits = Limits {
            bytes_max: body_bytes_max,
            patience: http.body_patience,
            bytes_per_second_min: http.body_bytes_per_second_min,
        };
        let path = format!("/webhooks/{source}");
        let span = format!("POST {path}");
        let guesses = scheme.is_guessable().then(|| Guesses::new(rate.unproven_per_minute));
        Ok(Self {
            source,
            scheme,
            keys,
            limits,
            lane: Lane::new(rate.source_per_second),
            guesses,
            path,
            span,
            alarmed_at: AtomicI64::new(0),
        })
    }

    /// Whether a request of this address may come in. Whoever sends for strangers, too, is not shut
    /// out by what they guess.
    pub(crate) fn enter(&self, address: IpAddr, headers: &HeaderMap) -> Result<(), Answer> {
        if let Some(guesses) = &self.guesses
            && let Err(shut) = guesses.enter(address)
            && !self.is_proven(headers, &guesses.known(address))
        {
            return Err(shut);
        }
        self.lane.enter()
    }

    /// Whether what could be guessed is right, and there is nothing to be learned from that for who has
    /// the secrets that are known: it is in the headers alone.
    fn is_proven(&self, headers: &HeaderMap, known: &[usize]) -> bool {
        let presented = self.scheme.presented(headers);
        let verify = |presented| self.scheme.verify(&self.keys, presented, &[], Utc::now());
        let is_covered = |secret| known.iter().any(|&known| self.keys.covers(known, secret));
        presented.and_then(verify).is_ok_and(is_covered)
    }

    /// The answer to a request of this address that failed to prove itself.
    pub(crate) fn unproven(&self, address: IpAddr, error: SignatureError) -> Answer {
        if let Some(guesses) = &self.guesses {
            guesses.note_unproven(address);
        }
        debug!(source = &*self.source.name, %error, "not proved");
        match self.source.kind {
            // Whoever asks for a name that nobody has is told the same.
            Kind::Standard | Kind::Custom if error != SignatureError::Stale => Answer::unproven(),
            _ => error.into(),
        }
    }

    /// Verifies and reads an arrival; gives what is kept, and the answer once it is.
    pub(crate) fn verified(&self, arrival: Arrival) -> Result<(Delivery, Answer), SignatureError> {
        let presented = self.scheme.presented(&arrival.headers)?;
        let (body, now) = (&arrival.body, arrival.received_at);
        let secret = self.scheme.verify(&self.keys, presented, body, now)?;
        self.keys.note_use(secret, now.timestamp());
        if let (Some(guesses), Some(address)) = (&self.guesses, arrival.address) {
            guesses.note_proven(address, secret);
        }
        let proof = Proof { secret, scopes: self.keys.scopes(secret) };
        Ok(record::record(&self.source, arrival, proof))
    }

    /// Says that a source fails to prove itself, but not each time: the likeliest cause is a secret
    /// that was mistyped, and strangers must not be able to fill the log.
    pub(crate) fn alarm(&self, answer: &Answer) {
        if answer.status != StatusCode::UNAUTHORIZED {
            return;
        }
        let (now, last) = (Utc::now().timestamp(), self.alarmed_at.load(Ordering::Relaxed));
        if now - last < ALARM_SECONDS {
            return;
        }
        let first =
            self.alarmed_at.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed);
        if first.is_ok() {
            warn!(
                source = &*self.source.name,
                code = answer.code,
                "refused a delivery; is the webhook's secret among those configured here?"
            );
        }
    }

    /// The trace a sender says its request is part of.
    pub(crate) fn trace(headers: &HeaderMap) -> Option<Trace> {
        let traceparent = headers.get("traceparent")?.to_str().ok()?;
        Some(Trace(traceparent.to_owned()))
    }
}

/// A door for everybody who may send, in the order of the configuration.
pub(crate) fn doors(senders: &Senders, http: &Http, rate: &Rate) -> anyhow::Result<Vec<Door>> {
    let mut doors = Vec::new();
    let gitlab = senders.gitlab.forge();
    let forges: [(Kind, &Forge, &str); 5] = [
        (Kind::Github, &senders.github, "github"),
        (Kind::Gitlab, &gitlab, "gitlab"),
        (Kind::Bitbucket, &senders.bitbucket, "bitbucket"),
        (Kind::BitbucketServer, &senders.bitbucket_server, "bitbucket_server"),
        (Kind::AzureDevops, &senders.azure_devops, "azure_devops"),
    ];
    for (kind, forge, table) in forges {
        let door = || {
            let scheme = forge_scheme(kind, senders.gitlab.signed)?;
            let source = Source::forge(kind, senders, forge)?;
            let secrets = forge_secrets(forge)?;
            let body_bytes_max = forge.body_bytes_max;
            Door::new(Plan { source, scheme, secrets, body_bytes_max, http, rate })
        };
        doors.push(door().with_context(|| format!("[{table}] of the configuration"))?);
    }
    let anywhere = |secrets: &[SecretString]| secrets.iter().map(Secret::anywhere).collect();
    let spacelift = &senders.spacelift;
    let spacelift_scheme = HmacScheme {
        sha1_fallback: spacelift
            .sha1_fallback
            .then(|| HeaderName::from_static(spacelift::SIGNATURE_SHA1)),
        sha1_beside: Some(HeaderName::from_static(spacelift::SIGNATURE_SHA1)),
        ..Scheme::sha256(spacelift::SIGNATURE)
    };
    let slack = &senders.slack;
    for (kind, scheme, secrets, body_bytes_max) in [
        (Kind::Spacelift, spacelift_scheme, &spacelift.secrets, spacelift.body_bytes_max),
        (Kind::Slack, slack_scheme(), &slack.secrets, slack.body_bytes_max),
    ] {
        let (source, scheme) = (Source::new(kind, senders), Scheme::Hmac(scheme));
        let secrets = anywhere(secrets);
        let plan = Plan { source, scheme, secrets, body_bytes_max, http, rate };
        doors.push(Door::new(plan)?);
    }
    for (name, standard) in &senders.standard {
        let door = || {
            let mut source = named(Source::new(Kind::Standard, senders), name)?;
            let scheme = Scheme::standard(&standard.header_prefix)?;
            source.id_header = scheme.signed_id().cloned();
            let (secrets, body_bytes_max) = (anywhere(&standard.secrets), standard.body_bytes_max);
            Door::new(Plan { source, scheme, secrets, body_bytes_max, http, rate })
        };
        doors.push(door().with_context(|| format!("[standard.{name}] of the configuration"))?);
    }
    for (name, custom) in &senders.custom {
        let door = || {
            let mut source = named(Source::new(Kind::Custom, senders), name)?;
            source.id_header = header(custom.id_header.as_deref())?;
            source.kind_header = header(custom.kind_header.as_deref())?;
            source.stamp_header = header(custom.timestamp_header.as_deref())?;
            let scheme = Scheme::Hmac(custom_scheme(custom)?);
            let (secrets, body_bytes_max) = (anywhere(&custom.secrets), custom.body_bytes_max);
            Door::new(Plan { source, scheme, secrets, body_bytes_max, http, rate })
        };
        doors.push(door().with_context(|| format!("[custom.{name}] of the configuration"))?);
    }
    Ok(doors)
}

/// A name that can stand in a path.
fn named(source: Source, name: &str) -> Result<Source, SchemeError> {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    let fit = !name.is_empty() && name.len() <= 64 && name.bytes().all(plain);
    if fit { Ok(source.named(name)) } else { Err(SchemeError::Name(name.to_owned())) }
}

fn forge_scheme(kind: Kind, signed: bool) -> Result<Scheme, SchemeError> {
    Ok(match kind {
        Kind::Gitlab if signed => Scheme::standard("webhook")?,
        Kind::Gitlab => Scheme::Token(HeaderName::from_static(gitlab::TOKEN)),
        Kind::AzureDevops => Scheme::Basic,
        Kind::Bitbucket | Kind::BitbucketServer => {
            Scheme::Hmac(Scheme::sha256(bitbucket::SIGNATURE))
        }
        _ => Scheme::Hmac(HmacScheme {
            sha1_beside: Some(HeaderName::from_static(github::SIGNATURE_SHA1)),
            ..Scheme::sha256(github::SIGNATURE)
        }),
    })
}

fn forge_secrets(forge: &Forge) -> Result<Vec<Secret>, SchemeError> {
    let mut secrets: Vec<_> = forge.secrets.iter().map(Secret::anywhere).collect();
    for (scope, texts) in &forge.scoped_secrets {
        Pattern::read(scope)?;
        let scoped =
            |text: &SecretString| Secret { text: text.clone(), scope: Some(scope.clone()) };
        secrets.extend(texts.iter().map(scoped));
    }
    Ok(secrets)
}

fn slack_scheme() -> HmacScheme {
    let stamp = Stamp {
        header: HeaderName::from_static(slack::TIMESTAMP),
        before: "v0:".to_owned(),
        between: ":".to_owned(),
    };
    HmacScheme { prefix: "v0=".to_owned(), stamp: Some(stamp), ..Scheme::sha256(slack::SIGNATURE) }
}

fn custom_scheme(custom: &Custom) -> Result<HmacScheme, SchemeError> {
    let required = crate::signature::header(&custom.header)?;
    let stamp = header(custom.timestamp_header.as_deref())?.map(|header| Stamp {
        header,
        before: custom.signed_before.clone(),
        between: custom.signed_between.clone(),
    });
    Ok(HmacScheme {
        header: required,
        prefix: custom.prefix.clone(),
        algorithm: custom.algorithm,
        encoding: custom.encoding,
        stamp,
        sha1_fallback: None,
        sha1_beside: None,
    })
}

fn header(name: Option<&str>) -> Result<Option<HeaderName>, SchemeError> {
    name.map(crate::signature::header).transpose()
}
