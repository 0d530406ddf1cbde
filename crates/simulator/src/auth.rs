//! API keys become tokens, tokens become callers.

use std::{
    collections::HashSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::{clock::wall_ms, options::ApiKey};

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Vec<String>,
    exp: i64,
    iat: i64,
    jti: u64,
}

/// A token and how long it is good.
pub(crate) struct Token {
    pub(crate) jwt: String,
    pub(crate) valid_until: i64,
}

/// A caller whose token is good.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) login: String,
    pub(crate) token: u64,
}

#[derive(Debug, Default)]
struct Revoked {
    up_to: u64,
    single: HashSet<u64>,
}

/// Issues and judges tokens. They follow the machine's clock, not the simulator's, because
/// clients compare `validUntil` with their own.
pub(crate) struct Auth {
    api_key: ApiKey,
    audience: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    issued: AtomicU64,
    revoked: Mutex<Revoked>,
}

impl Auth {
    pub(crate) fn new(api_key: ApiKey, audience: &str, secret: &str) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[audience]);
        validation.leeway = 0;
        Self {
            api_key,
            audience: audience.into(),
            encoding: EncodingKey::from_secret(secret.as_bytes()),
            decoding: DecodingKey::from_secret(secret.as_bytes()),
            validation,
            issued: AtomicU64::new(0),
            revoked: Mutex::default(),
        }
    }

    pub(crate) fn api_key(&self) -> &ApiKey {
        &self.api_key
    }

    /// The login a key is known by.
    pub(crate) fn login_of(id: &str) -> String {
        format!("api::{id}")
    }

    /// A token for the key, if id and secret are right.
    pub(crate) fn exchange(&self, id: &str, secret: &str, lifetime_s: u64) -> Option<Token> {
        let known = id.as_bytes().ct_eq(self.api_key.id.as_bytes())
            & secret.as_bytes().ct_eq(self.api_key.secret.as_bytes());
        if !bool::from(known) {
            return None;
        }
        let now = wall_ms() / 1_000;
        let valid_until = now.saturating_add(i64::try_from(lifetime_s).unwrap_or(i64::MAX / 2));
        let claims = Claims {
            iss: "api-key".into(),
            sub: Self::login_of(id),
            aud: vec![self.audience.clone()],
            exp: valid_until,
            iat: now,
            jti: self.issued.fetch_add(1, Ordering::Relaxed) + 1,
        };
        match encode(&Header::new(Algorithm::HS256), &claims, &self.encoding) {
            Ok(jwt) => Some(Token { jwt, valid_until }),
            Err(error) => {
                tracing::error!(%error, "could not sign a token");
                None
            }
        }
    }

    /// The caller behind an `Authorization` header, if its token is good.
    pub(crate) fn session(&self, authorization: Option<&str>) -> Option<Session> {
        let jwt = authorization?.strip_prefix("Bearer ")?;
        let claims = decode::<Claims>(jwt, &self.decoding, &self.validation).ok()?.claims;
        let revoked = self.revoked();
        if claims.jti <= revoked.up_to || revoked.single.contains(&claims.jti) {
            return None;
        }
        Some(Session { login: claims.sub, token: claims.jti })
    }

    /// Makes one token worthless.
    pub(crate) fn revoke(&self, token: u64) {
        self.revoked().single.insert(token);
    }

    /// Makes every token worthless that was issued until now.
    pub(crate) fn revoke_all(&self) {
        let mut revoked = self.revoked();
        revoked.up_to = self.issued.load(Ordering::Relaxed);
        revoked.single.clear();
    }

    fn revoked(&self) -> std::sync::MutexGuard<'_, Revoked> {
        self.revoked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
