use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use axum::http::{HeaderName, HeaderValue};
use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use secrecy::SecretString;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::*;

/// The examples of the senders' own documentation: secret, signed body, headers.
struct Example {
    scheme: Scheme,
    secret: &'static str,
    body: &'static [u8],
    headers: Vec<(&'static str, String)>,
    /// Seconds of the epoch.
    at: i64,
    /// The header with the signature, and what stands before its text.
    signature: (&'static str, &'static str),
}

fn mac<M: Mac + KeyInit>(secret: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(secret).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

fn slack() -> Scheme {
    Scheme::Hmac(HmacScheme {
        prefix: "v0=".to_owned(),
        stamp: Some(Stamp {
            header: HeaderName::from_static("x-slack-request-timestamp"),
            before: "v0:".to_owned(),
            between: ":".to_owned(),
        }),
        ..Scheme::sha256("x-slack-signature")
    })
}

fn sha512_base64() -> Scheme {
    Scheme::Hmac(HmacScheme {
        prefix: String::new(),
        algorithm: Algorithm::Sha512,
        encoding: Encoding::Base64,
        ..Scheme::sha256("x-scanner-signature")
    })
}

const SLACK_BODY: &[u8] = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";

fn examples() -> Vec<Example> {
    let own =
        |secret: &str, body: &[u8]| BASE64.encode(mac::<Hmac<Sha512>>(secret.as_bytes(), &[body]));
    vec![
        Example {
            scheme: Scheme::Hmac(Scheme::sha256("x-hub-signature-256")),
            secret: "It's a Secret to Everybody",
            body: b"Hello, World!",
            headers: vec![(
                "x-hub-signature-256",
                "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17".into(),
            )],
            at: 0,
            signature: ("x-hub-signature-256", "sha256="),
        },
        Example {
            scheme: Scheme::standard("webhook").unwrap(),
            secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            body: b"{\"test\": 2432232314}",
            headers: vec![
                ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek".into()),
                ("webhook-timestamp", "1614265330".into()),
                ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=".into()),
            ],
            at: 1_614_265_330,
            signature: ("webhook-signature", "v1,"),
        },
        Example {
            scheme: slack(),
            secret: "8f742231b10e8888abcd99yyyzzz85a5",
            body: SLACK_BODY,
            headers: vec![
                ("x-slack-request-timestamp", "1531420618".into()),
                (
                    "x-slack-signature",
                    "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503".into(),
                ),
            ],
            at: 1_531_420_618,
            signature: ("x-slack-signature", "v0="),
        },
        Example {
            scheme: sha512_base64(),
            secret: "a secret",
            body: b"{}",
            headers: vec![("x-scanner-signature", own("a secret", b"{}"))],
            at: 0,
            signature: ("x-scanner-signature", ""),
        },
    ]
}

fn keys(scheme: &Scheme, secrets: &[&str]) -> Keys {
    let secret = |text: &&str| Secret { text: SecretString::from(*text), scope: None };
    Keys::new(scheme, &secrets.iter().map(secret).collect::<Vec<_>>()).unwrap()
}

fn map(headers: &[(&'static str, String)]) -> HeaderMap {
    let header = |(name, value): &(&'static str, String)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    };
    headers.iter().map(header).collect()
}

fn verify(
    scheme: &Scheme,
    keys: &Keys,
    headers: &HeaderMap,
    body: &[u8],
    at: i64,
) -> Result<usize, SignatureError> {
    let now = DateTime::from_timestamp(at, 0).unwrap();
    scheme.verify(keys, scheme.presented(headers)?, body, now)
}

impl Example {
    fn verify(&self, secrets: &[&str]) -> Result<usize, SignatureError> {
        let keys = keys(&self.scheme, secrets);
        verify(&self.scheme, &keys, &map(&self.headers), self.body, self.at)
    }

    fn signed(&self) -> &str {
        let (_, text) = self.headers.iter().find(|(name, _)| *name == self.signature.0).unwrap();
        text
    }
}

#[test]
fn the_examples_of_the_senders_own_documentation_are_verified() {
    for example in examples() {
        assert_eq!(example.verify(&[example.secret]), Ok(0), "{:?}", example.scheme);
    }
}

#[test]
fn any_of_several_secrets_fits_it_is_told_which_and_its_use_is_noted() {
    for example in examples() {
        let other = format!("whsec_{}", BASE64.encode([7; 32]));
        assert_eq!(example.verify(&[&other, example.secret]), Ok(1));
        assert_eq!(example.verify(&[&other]), Err(SignatureError::Bad));
        assert_eq!(example.verify(&[]), Err(SignatureError::Bad));
        let keys = keys(&example.scheme, &[&other, example.secret]);
        keys.note_use(1, 1_700_000_000);
        let usage = keys.usage();
        assert_eq!((usage[0].used_at, usage[1].used_at, usage[1].uses), (0, 1_700_000_000, 1));
        assert_ne!(usage[0].fingerprint, usage[1].fingerprint);
        assert!(!usage[1].fingerprint.contains(example.secret));
    }
}

#[test]
fn a_signed_time_counts_for_five_minutes_both_ways() {
    for mut example in examples().into_iter().filter(|example| example.at > 0) {
        for (away, expected) in [
            (300, Ok(0)),
            (-300, Ok(0)),
            (301, Err(SignatureError::Stale)),
            (-301, Err(SignatureError::Stale)),
            (86_400 * 365, Err(SignatureError::Stale)),
        ] {
            let at = example.at;
            example.at += away;
            assert_eq!(example.verify(&[example.secret]), expected, "{away} seconds away");
            example.at = at;
        }
        // Who knows no secret is not told that it is the clock.
        example.at += 1_000;
        let other = format!("whsec_{}", BASE64.encode([7; 32]));
        assert_eq!(example.verify(&[&other]), Err(SignatureError::Bad));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_flipped_bit_anywhere_in_body_time_id_or_signature_is_refused(
        which in 0_usize..4,
        place in any::<prop::sample::Index>(),
        bit in 0_u32..8,
        in_body in any::<bool>(),
    ) {
        let example = &examples()[which];
        let keys = keys(&example.scheme, &[example.secret]);
        let mut body = example.body.to_vec();
        let mut headers = map(&example.headers);
        if in_body {
            let place = place.index(body.len());
            body[place] ^= 1 << bit;
        } else {
            let (name, text) = &example.headers[place.index(example.headers.len())];
            let mut bytes = text.as_bytes().to_vec();
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
            let Ok(value) = HeaderValue::from_bytes(&bytes) else { return Ok(()) };
            // The same digits in capitals are the same signature.
            let same = *name == example.signature.0
                && which % 2 == 0
                && bytes.eq_ignore_ascii_case(text.as_bytes())
                && bytes.starts_with(example.signature.1.as_bytes());
            if same {
                return Ok(());
            }
            headers.insert(*name, value);
        }
        let verdict = verify(&example.scheme, &keys, &headers, &body, example.at);
        prop_assert!(
            matches!(verdict, Err(SignatureError::Bad | SignatureError::Stale)),
            "{verdict:?}"
        );
    }
}

#[test]
fn what_is_no_signature_is_bad() {
    for example in examples() {
        let keys = keys(&example.scheme, &[example.secret]);
        let (name, prefix) = example.signature;
        let right = example.signed();
        let bare = right.strip_prefix(prefix).unwrap();
        let mut wrong = vec![
            String::new(),
            prefix.to_owned() + "zz",
            format!("{right},{right}"),
            format!("{right}00"),
            right[..right.len() - 1].to_owned(),
            right[..right.len() - 2].to_owned(),
            format!("sha1={}", "0".repeat(40)),
            format!("v1a,{bare}"),
        ];
        if !prefix.is_empty() {
            wrong.extend([bare.to_owned(), prefix.to_owned(), prefix.to_uppercase() + bare]);
        }
        for text in wrong {
            let mut headers = map(&example.headers);
            headers.insert(name, HeaderValue::from_str(&text).unwrap());
            let verdict = verify(&example.scheme, &keys, &headers, example.body, example.at);
            assert_eq!(verdict, Err(SignatureError::Bad), "{text:?}");
        }
    }
}

#[test]
fn any_of_the_signatures_of_a_standard_webhook_may_fit_but_not_endlessly_many() {
    let example = &examples()[1];
    let keys = keys(&example.scheme, &[example.secret]);
    let wrong = format!("v1,{}", BASE64.encode([0; 32]));
    let right = example.signed().to_owned();
    for (list, expected) in [
        (format!("v1a,xyz {wrong} {right}"), Ok(0)),
        (format!("{} {right}", [wrong.as_str(); 3].join(" ")), Ok(0)),
        (format!("{} {right}", [wrong.as_str(); 4].join(" ")), Err(SignatureError::Bad)),
    ] {
        let mut headers = map(&example.headers);
        headers.insert("webhook-signature", HeaderValue::from_str(&list).unwrap());
        let verdict = verify(&example.scheme, &keys, &headers, example.body, example.at);
        assert_eq!(verdict, expected, "{list}");
    }
}

#[test]
fn a_header_that_comes_twice_is_ambiguous_even_when_equal() {
    for example in examples() {
        let keys = keys(&example.scheme, &[example.secret]);
        for (name, value) in &example.headers {
            let mut headers = map(&example.headers);
            headers.append(*name, HeaderValue::from_str(value).unwrap());
            let verdict = verify(&example.scheme, &keys, &headers, example.body, example.at);
            assert_eq!(verdict, Err(SignatureError::Ambiguous), "{name}");
            headers.remove(*name);
            let verdict = verify(&example.scheme, &keys, &headers, example.body, example.at);
            assert_eq!(verdict, Err(SignatureError::Missing), "{name}");
        }
    }
}

#[test]
fn sha1_is_verified_only_where_it_is_asked_for_and_only_alone() {
    let body = b"Hello, World!";
    let sha1 = format!("sha1={}", hex::encode(mac::<Hmac<Sha1>>(b"secret", &[body])));
    let headers = map(&[("x-signature", sha1.clone())]);
    let strict = Scheme::Hmac(Scheme::sha256("x-signature-256"));
    let lax = Scheme::Hmac(HmacScheme {
        sha1_fallback: Some(HeaderName::from_static("x-signature")),
        ..Scheme::sha256("x-signature-256")
    });
    let secret = &["secret"];
    let verdict = |scheme: &Scheme, headers: &HeaderMap| {
        verify(scheme, &keys(scheme, secret), headers, body, 0)
    };
    assert_eq!(verdict(&strict, &headers), Err(SignatureError::Missing));
    assert_eq!(verdict(&lax, &headers), Ok(0));
    let both = map(&[("x-signature", sha1.clone()), ("x-signature-256", "sha256=00".to_owned())]);
    assert_eq!(verdict(&lax, &both), Err(SignatureError::Bad));
    let confused = map(&[("x-signature-256", sha1)]);
    assert_eq!(verdict(&lax, &confused), Err(SignatureError::Bad));
}

#[test]
fn a_token_or_a_password_fits_as_a_whole_or_not_at_all() {
    let token = Scheme::Token(HeaderName::from_static("x-gitlab-token"));
    let secrets = &["old token", "new token"];
    for (text, expected) in [
        ("new token", Ok(1)),
        ("old token", Ok(0)),
        ("new toke", Err(SignatureError::Bad)),
        ("new token ", Err(SignatureError::Bad)),
        ("", Err(SignatureError::Bad)),
    ] {
        let headers = map(&[("x-gitlab-token", text.to_owned())]);
        assert_eq!(verify(&token, &keys(&token, secrets), &headers, b"", 0), expected, "{text:?}");
    }
    let basic = Scheme::Basic;
    let secrets = &["stackly:correct horse"];
    let encoded = |text: &str| BASE64.encode(text);
    for (text, expected) in [
        (format!("Basic {}", encoded("stackly:correct horse")), Ok(0)),
        (format!("basic {}", encoded("stackly:correct horse")), Ok(0)),
        (format!("Basic {}", encoded("stackly:wrong")), Err(SignatureError::Bad)),
        (format!("Bearer {}", encoded("stackly:correct horse")), Err(SignatureError::Bad)),
        ("Basic %%%".to_owned(), Err(SignatureError::Bad)),
    ] {
        let headers = map(&[("authorization", text.clone())]);
        assert_eq!(verify(&basic, &keys(&basic, secrets), &headers, b"", 0), expected, "{text:?}");
    }
    assert_eq!(
        Keys::new(&basic, &[Secret { text: "no colon".into(), scope: None }]).err(),
        Some(SchemeError::Basic(1))
    );
}

#[test]
fn secrets_that_cannot_be_those_of_the_scheme_are_refused_at_the_start() {
    let standard = Scheme::standard("webhook").unwrap();
    for bad in ["plain", "whsec_", "whsec_%%", &format!("whsec_{}", BASE64.encode([1; 23]))] {
        let secret = Secret { text: SecretString::from(bad), scope: None };
        assert_eq!(Keys::new(&standard, &[secret]).err(), Some(SchemeError::Secret(1)), "{bad}");
    }
    Scheme::standard("no header").unwrap_err();
}

#[test]
fn without_a_secret_nothing_fits_not_even_the_empty_secret() {
    let scheme = Scheme::Hmac(Scheme::sha256("x-hub-signature-256"));
    let empty = hex::encode(mac::<Hmac<Sha256>>(b"", &[b"{}"]));
    let headers = map(&[("x-hub-signature-256", format!("sha256={empty}"))]);
    assert_eq!(verify(&scheme, &keys(&scheme, &[""]), &headers, b"{}", 0), Ok(0));
    assert_eq!(verify(&scheme, &keys(&scheme, &[]), &headers, b"{}", 0), Err(SignatureError::Bad));
}

#[test]
fn one_secret_under_several_scopes_counts_for_all_of_them() {
    let scheme = Scheme::Hmac(Scheme::sha256("x-hub-signature-256"));
    let secret = |text: &str, scope: Option<&str>| Secret {
        text: SecretString::from(text),
        scope: scope.map(str::to_owned),
    };
    let keys = Keys::new(
        &scheme,
        &[
            secret("shared", Some("acme/infra")),
            secret("other", Some("acme/shop")),
            secret("shared", Some("acme-labs/*")),
            secret("open", Some("acme/infra")),
            secret("open", None),
        ],
    )
    .unwrap();
    assert_eq!(keys.scopes(0), ["acme/infra", "acme-labs/*"]);
    assert_eq!(keys.scopes(1), ["acme/shop"]);
    assert!(keys.scopes(3).is_empty(), "it counts for everything, too");
}

/// A key pair of Ed25519, and its public half as a sender shows it.
fn pair(seed: u8) -> (Ed25519KeyPair, String) {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
    let public = format!("whpk_{}", BASE64.encode(pair.public_key().as_ref()));
    (pair, public)
}

#[test]
fn a_public_key_fits_the_signature_of_its_pair_alone_wherever_it_stands_in_the_list() {
    let (at, body) = (1_700_000_000, &b"{\"type\":\"ping\"}"[..]);
    let scheme = Scheme::standard("webhook").unwrap();
    let ((pair, public), (_, other)) = (pair(1), pair(2));
    let signed = [b"msg_1.1700000000.".as_slice(), body].concat();
    let v1a = format!("v1a,{}", BASE64.encode(pair.sign(&signed)));
    let secret = format!("whsec_{}", BASE64.encode([7; 32]));
    let v1 = format!("v1,{}", BASE64.encode(mac::<Hmac<Sha256>>(&[7; 32], &[&signed])));
    let verified = |secrets: &[&str], list: &str, body: &[u8]| {
        let headers = [("webhook-id", "msg_1"), ("webhook-timestamp", "1700000000")];
        let headers = headers.map(|(name, text)| (name, text.to_owned()));
        let headers = [&headers[..], &[("webhook-signature", list.to_owned())]].concat();
        verify(&scheme, &keys(&scheme, secrets), &map(&headers), body, at)
    };
    assert_eq!(verified(&[&public], &v1a, body), Ok(0));
    assert_eq!(verified(&[&other, &secret, &public], &format!("v1,AAAA {v1a}"), body), Ok(2));
    assert_eq!(verified(&[&public, &secret], &v1, body), Ok(1), "both ways beside each other");
    let bad = Err(SignatureError::Bad);
    assert_eq!(verified(&[&other], &v1a, body), bad);
    assert_eq!(verified(&[&secret], &v1a, body), bad);
    assert_eq!(verified(&[&public], &v1a, b"{}"), bad);
    assert_eq!(verified(&[&public], &v1a.replace("v1a,", "v1,"), body), bad);
    assert_eq!(verified(&[&public], &format!("v1a,{}", BASE64.encode([0; 64])), body), bad);
    assert_eq!(verified(&[&public], "v1a,AAAA", body), bad);
    // Whoever knows the public key, which is everybody, signs nothing with it.
    let known = BASE64.decode(public.strip_prefix("whpk_").unwrap()).unwrap();
    for key in [known.as_slice(), public.as_bytes()] {
        let forged = format!("v1,{}", BASE64.encode(mac::<Hmac<Sha256>>(key, &[&signed])));
        assert_eq!(verified(&[&public], &forged, body), bad);
    }
    let fourth = format!("v1,AAAA v1a,AAAA v1,AAAA v1a,AAAA {v1a}");
    assert_eq!(verified(&[&public], &fourth, body), bad, "four are tried");
    for wrong in ["whpk_", "whpk_%%", &format!("whpk_{}", BASE64.encode([1; 31]))] {
        let secret = Secret { text: SecretString::from(wrong), scope: None };
        assert_eq!(Keys::new(&scheme, &[secret]).err(), Some(SchemeError::Secret(1)), "{wrong}");
    }
}
