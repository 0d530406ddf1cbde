//! Tokens of a small issuer on the wire, with keys of its own that it can replace.

use jsonwebtoken::{EncodingKey, Header, encode};
use receivers::{ISSUER_AUDIENCE, Issuer as House};
use serde_json::json;

use super::*;
use crate::config::Oidc;

fn options(house: &House) -> Oidc {
    Oidc {
        issuer: house.url.clone(),
        audience: ISSUER_AUDIENCE.to_owned(),
        jwks_url: String::new(),
        keep_keys: Duration::from_secs(3_600),
        skew: Duration::from_secs(60),
        person_claim: "email".to_owned(),
        verified_mail: true,
        groups_claim: "groups".to_owned(),
    }
}

fn issuer(options: &Oidc) -> Issuer {
    let people = [("oidc:bo@acme.example".to_owned(), "bo".to_owned())].into();
    Issuer::new(options, &people).unwrap().unwrap()
}

#[tokio::test]
async fn a_token_of_the_issuer_names_a_person_and_their_groups() {
    let house = House::start().await;
    let issuer = issuer(&options(&house));
    let ann = issuer.who(&house.token(&json!({})), Utc::now()).await.unwrap();
    let groups = ["eng-net", "all"].map(str::to_owned).to_vec();
    let subject = "u-1".to_owned();
    assert_eq!(ann, Person { name: "ann@acme.example".to_owned(), groups, subject });
    let bo = house.token(&json!({ "email": "bo@acme.example", "groups": "one" }));
    let bo = issuer.who(&bo, Utc::now()).await.unwrap();
    assert_eq!((bo.name.as_str(), bo.groups.as_slice()), ("bo", &["one".to_owned()][..]));
    assert_eq!(house.asked(), 1, "keys are kept");
}

#[tokio::test]
async fn what_is_not_of_the_issuer_not_for_us_or_not_good_now_is_refused_with_why() {
    let (house, other) = (House::start().await, House::start().await);
    let issuer = issuer(&options(&house));
    let now = Utc::now();
    let at = |seconds: i64| now.timestamp() + seconds;
    for (claims, why) in [
        (json!({ "exp": at(-90) }), "expired"),
        (json!({ "nbf": at(90) }), "not valid yet"),
        (json!({ "iat": at(90) }), "in the future"),
        (json!({ "aud": "another" }), "for somebody else"),
        (json!({ "iss": other.url }), "another issuer"),
        (json!({ "email_verified": false }), "not verified"),
        (json!({ "email": null }), "no claim `email`"),
        (json!({ "email": "a\nb" }), "is not a name"),
    ] {
        let refused = issuer.who(&house.token(&claims), now).await.unwrap_err().to_string();
        assert!(refused.contains(why), "{why}: {refused}");
    }
    // A minute of skew is forgiven.
    issuer
        .who(&house.token(&json!({ "exp": at(-30), "nbf": at(30), "iat": at(30) })), now)
        .await
        .unwrap();
    let forged = other.token(&json!({ "iss": house.url }));
    let forged = issuer.who(&forged, now).await.unwrap_err().to_string();
    assert!(forged.contains("signature does not fit"), "{forged}");
    let secret = EncodingKey::from_secret(b"whatever");
    let shared =
        encode(&Header::default(), &json!({ "sub": "x", "exp": at(60) }), &secret).unwrap();
    let shared = issuer.who(&shared, now).await.unwrap_err().to_string();
    assert!(shared.contains("proves nothing"), "{shared}");
    let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.";
    assert!(issuer.who(none, now).await.is_err());
    assert!(issuer.who("nonsense", now).await.is_err());
}

#[tokio::test]
async fn a_key_that_is_new_is_fetched_once_and_old_ones_serve_while_the_issuer_is_away() {
    let house = House::start().await;
    let issuer = issuer(&Oidc { keep_keys: Duration::from_millis(1), ..options(&house) });
    issuer.who(&house.token(&json!({})), Utc::now()).await.unwrap();
    house.rotate("second");
    let second = house.token(&json!({}));
    issuer.who(&second, Utc::now()).await.unwrap();
    assert!(house.asked() >= 2);
    house.be_away(true);
    issuer.who(&second, Utc::now()).await.unwrap();
    house.rotate("third");
    let third = issuer.who(&house.token(&json!({})), Utc::now()).await.unwrap_err();
    assert!(matches!(third, Unknown::Away(_)), "{third}");
}

#[tokio::test]
async fn made_up_keys_do_not_have_the_issuer_asked_again_and_again() {
    let house = House::start().await;
    let issuer = issuer(&options(&house));
    issuer.who(&house.token(&json!({})), Utc::now()).await.unwrap();
    house.rotate("made-up");
    let token = house.token(&json!({}));
    for _ in 0..5 {
        assert!(issuer.who(&token, Utc::now()).await.is_err());
    }
    assert_eq!(house.asked(), 1, "it was asked a moment ago");
}

#[test]
fn an_issuer_without_https_or_without_an_audience_is_no_configuration() {
    let of = |issuer: &str, audience: &str| Oidc {
        issuer: issuer.to_owned(),
        audience: audience.to_owned(),
        jwks_url: String::new(),
        keep_keys: Duration::from_secs(1),
        skew: Duration::ZERO,
        person_claim: "sub".to_owned(),
        verified_mail: false,
        groups_claim: String::new(),
    };
    let new = |options: Oidc| Issuer::new(&options, &BTreeMap::new());
    assert!(new(of("", "")).unwrap().is_none());
    assert!(new(of("https://acme.example", "")).is_err());
    assert!(new(of("http://acme.example", "stackly")).is_err());
    assert!(new(of("https://acme.example", "stackly")).unwrap().is_some());
}
