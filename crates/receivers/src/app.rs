//! An app of GitHub: it proves itself by a signature, and is given tokens.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
    signature::KeyPair as _,
};
use axum::http::HeaderMap;
use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

use crate::bearer;

/// The id of the app that is known.
pub const APP: &str = "Iv23lioftheapp";
/// What the app's installation is called.
pub(crate) const INSTALLATION: u64 = 4_711;

/// A private key as PEM, and the public one that goes with it.
pub(crate) fn key() -> (String, Vec<u8>) {
    let key = KeyPair::generate(KeySize::Rsa2048).expect("there is randomness");
    let pem = AsDer::<Pkcs8V1Der<'_>>::as_der(&key).expect("it can be written");
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(pem.as_ref())
    );
    (pem, key.public_key().as_ref().to_owned())
}

/// Whether it is the app that asks, with a signature that is good now.
pub(crate) fn is_app(public: &[u8], headers: &HeaderMap) -> bool {
    let key = DecodingKey::from_rsa_der(public);
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_required_spec_claims(&["exp", "iss"]);
    validation.set_issuer(&[APP]);
    let Some(signed) = bearer(headers) else { return false };
    let Ok(read) = jsonwebtoken::decode::<Value>(signed, &key, &validation) else { return false };
    let second = |name: &str| read.claims[name].as_i64().unwrap_or_default();
    (1..=600).contains(&(second("exp") - second("iat")))
}
