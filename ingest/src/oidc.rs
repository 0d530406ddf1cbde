//! Who somebody is, by an ID token of OpenID Connect: signed by an issuer that is configured, made
//! for us, and good now.

mod keys;

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, bail};
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, errors::ErrorKind};
use serde_json::Value;

use crate::{config, payload::plain};

use keys::Keys;

/// Longer tokens are none.
const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// The most groups of one person that count.
const GROUPS_MAX: usize = 500;
/// What a person may be called.
const NAME_BYTES_MAX: usize = 200;
/// Signatures that are taken: those whose key nobody but the issuer has.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// A person, as an issuer vouches for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    /// The name policies know.
    pub(crate) name: String,
    /// The groups the issuer says they belong to, by its own names.
    pub(crate) groups: Vec<String>,
    /// Who they are to the issuer.
    pub(crate) subject: String,
}

/// Why a token tells nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unknown {
    /// There is none.
    #[error("there is no ID token; send one as `Authorization: Bearer …`")]
    Missing,
    /// It is none that we take.
    #[error("the ID token is refused: {0}")]
    Refused(String),
    /// The issuer's keys cannot be had.
    #[error("the keys of the issuer cannot be fetched now ({0}); try again")]
    Away(String),
}

/// An issuer whose tokens are taken.
#[derive(Debug)]
pub(crate) struct Issuer {
    issuer: String,
    audience: String,
    leeway: Duration,
    person_claim: String,
    groups_claim: String,
    verified_mail: bool,
    people: BTreeMap<String, String>,
    keys: Keys,
}

impl Issuer {
    /// The issuer as configured, if there is one; `people` are names by `oidc:<claim>`.
    pub(crate) fn new(
        options: &config::Oidc,
        people: &BTreeMap<String, String>,
    ) -> anyhow::Result<Option<Self>> {
        if options.issuer.is_empty() {
            return Ok(None);
        }
        if options.audience.is_empty() || options.person_claim.is_empty() {
            bail!("`oidc.issuer` needs `oidc.audience` and `oidc.person_claim`");
        }
        Ok(Some(Self {
            issuer: options.issuer.clone(),
            audience: options.audience.clone(),
            leeway: options.skew,
            person_claim: options.person_claim.clone(),
            groups_claim: options.groups_claim.clone(),
            verified_mail: options.verified_mail,
            people: people.clone(),
            keys: Keys::new(options).context("the table [oidc]")?,
        }))
    }

    /// Who a token is of.
    pub(crate) async fn who(&self, token: &str, now: DateTime<Utc>) -> Result<Person, Unknown> {
        let refused = |why: &str| Unknown::Refused(why.to_owned());
        if token.len() > TOKEN_BYTES_MAX {
            return Err(refused("it is too long to be one"));
        }
        let header =
            decode_header(token).map_err(|_| refused("it is not a signed JSON web token"))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(refused("it is signed in a way that proves nothing"));
        }
        let key = self.keys.key(header.kid.as_deref(), header.alg).await?;
        let key = DecodingKey::from_jwk(&key).map_err(|_| refused("its key cannot be used"))?;
        let claims = decode::<Value>(token, &key, &self.validation(header.alg));
        let claims = claims.map_err(|error| refused(why(error.kind())))?.claims;
        let issued = claims["iat"].as_f64().and_then(|at| DateTime::from_timestamp(at as i64, 0));
        let skew = TimeDelta::from_std(self.leeway).unwrap_or_default();
        if issued.is_some_and(|issued| issued > now + skew) {
            return Err(refused("it was issued in the future"));
        }
        self.person(&claims)
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.leeway = self.leeway.as_secs();
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation
    }

    fn person(&self, claims: &Value) -> Result<Person, Unknown> {
        let refused = |why: String| Err(Unknown::Refused(why));
        let claim = &self.person_claim;
        let Some(given) = found(claims, claim).and_then(Value::as_str).filter(|it| !it.is_empty())
        else {
            return refused(format!("it has no claim `{claim}`, by which people are known here"));
        };
        if given.len() > NAME_BYTES_MAX || given.chars().any(char::is_control) {
            return refused(format!("its claim `{claim}` is not a name"));
        }
        // Where an issuer lets people write any address, it is nobody's.
        let is_mail = claim == "email" && self.verified_mail;
        if is_mail && claims["email_verified"] != true {
            return refused("its address was not verified by the issuer".to_owned());
        }
        let name = self.people.get(&format!("oidc:{given}")).cloned();
        let groups = match found(claims, &self.groups_claim) {
            Some(Value::Array(groups)) => groups.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(group)) => vec![group.as_str()],
            _ => Vec::new(),
        };
        Ok(Person {
            name: name.unwrap_or_else(|| given.to_owned()),
            groups: groups.into_iter().take(GROUPS_MAX).map(plain).collect(),
            subject: plain(claims["sub"].as_str().unwrap_or_default()),
        })
    }
}

/// A claim by its way: `realm_access.roles`. A claim that has dots in its name is found first.
fn found<'c>(claims: &'c Value, way: &str) -> Option<&'c Value> {
    if way.is_empty() {
        return None;
    }
    let whole = claims.get(way);
    whole.or_else(|| way.split('.').try_fold(claims, |value, name| value.get(name)))
}

fn why(error: &ErrorKind) -> &'static str {
    match error {
        ErrorKind::ExpiredSignature => "it has expired; log in again",
        ErrorKind::ImmatureSignature => "it is not valid yet",
        ErrorKind::InvalidIssuer => "it is of another issuer",
        ErrorKind::InvalidAudience => "it was made for somebody else",
        ErrorKind::MissingRequiredClaim(_) => "it lacks one of the claims exp, iss, aud and sub",
        ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm => "its signature does not fit",
        _ => "it cannot be read",
    }
}

#[cfg(test)]
mod tests;
