//! An issuer of ID tokens (OpenID Connect) that signs with a key of its own and can replace it.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use chrono::Utc;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use serde_json::{Value, json};

use crate::{Shared, serve};

/// For whom its tokens are made.
pub const AUDIENCE: &str = "stackly";

/// An issuer.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// What it calls itself, and where it is.
    pub url: String,
    world: Shared<World>,
}

#[derive(Default)]
struct World {
    url: String,
    keys: Vec<(String, EncodingKey, Jwk)>,
    asked: usize,
    is_away: bool,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl Issuer {
    /// An issuer with one key.
    pub async fn start() -> Self {
        let world = Shared::new(World::default());
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discover))
            .route("/keys", get(keys))
            .with_state(world.clone());
        let url = serve(router).await;
        world.lock().url.clone_from(&url);
        let issuer = Self { url, world };
        issuer.rotate("first");
        issuer
    }

    /// From now on it signs with another key, and names no other.
    pub fn rotate(&self, id: &str) {
        let pair =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let key = EncodingKey::from_ec_der(pair.expect("there is randomness").as_ref());
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).expect("it has a public half");
        jwk.common.key_id = Some(id.to_owned());
        self.world.lock().keys = vec![(id.to_owned(), key, jwk)];
    }

    /// Its keys cannot be had for now, or can again.
    pub fn be_away(&self, is_away: bool) {
        self.world.lock().is_away = is_away;
    }

    /// How often its keys were asked for.
    pub fn asked(&self) -> usize {
        self.world.lock().asked
    }

    /// A token of ann with these claims beside those every token has, or in their place.
    pub fn token(&self, claims: &Value) -> String {
        let now = Utc::now().timestamp();
        let mut all = json!({
            "iss": self.url, "aud": [AUDIENCE, "other"], "sub": "u-1", "iat": now,
            "exp": now + 300, "email": "ann@acme.example", "email_verified": true,
            "groups": ["eng-net", "all"],
        });
        for (name, value) in claims.as_object().into_iter().flatten() {
            all[name] = value.clone();
        }
        let world = self.world.lock();
        let (id, key, _) = world.keys.first().expect("it has a key");
        let header = Header { kid: Some(id.clone()), ..Header::new(Algorithm::ES256) };
        encode(&header, &all, key).expect("claims are plain data")
    }
}

async fn discover(State(world): State<Shared<World>>) -> Json<Value> {
    let url = world.lock().url.clone();
    Json(json!({ "issuer": url, "jwks_uri": format!("{url}/keys") }))
}

/// Its keys, and one of a kind nobody knows.
async fn keys(State(world): State<Shared<World>>) -> Response {
    let mut world = world.lock();
    world.asked += 1;
    if world.is_away {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let mut all: Vec<Value> = world.keys.iter().map(|(_, _, jwk)| json!(jwk)).collect();
    all.push(json!({ "kty": "unheard-of", "kid": "odd" }));
    Json(json!({ "keys": all })).into_response()
}
