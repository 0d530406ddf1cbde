use axum::http::HeaderValue;

use super::*;

/// GitHub's own example, from its documentation.
const SECRET: &str = "It's a Secret to Everybody";
const BODY: &[u8] = b"Hello, World!";
const SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

fn keys(secrets: &[&str]) -> Keys {
    let secrets: Vec<_> = secrets.iter().map(|secret| SecretString::from(*secret)).collect();
    Keys::new(&secrets)
}

fn sha256(keys: &Keys, signature: &str, body: &[u8]) -> Result<usize, SignatureError> {
    keys.verify(Presented::Sha256(signature.as_bytes()), body)
}

#[test]
fn the_example_of_github_is_verified() {
    assert_eq!(sha256(&keys(&[SECRET]), SIGNATURE, BODY), Ok(0));
}

#[test]
fn any_of_several_secrets_fits_and_it_is_told_which() {
    let keys = keys(&["new", "newer", SECRET]);
    assert_eq!(sha256(&keys, SIGNATURE, BODY), Ok(2));
}

#[test]
fn a_flipped_bit_anywhere_is_refused() {
    let keys = keys(&[SECRET]);
    for bit in 0..BODY.len() * 8 {
        let mut body = BODY.to_vec();
        body[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(sha256(&keys, SIGNATURE, &body), Err(SignatureError::Bad), "body bit {bit}");
    }
    for bit in 0..SIGNATURE.len() * 8 {
        let mut text = SIGNATURE.as_bytes().to_vec();
        text[bit / 8] ^= 1 << (bit % 8);
        if text.eq_ignore_ascii_case(SIGNATURE.as_bytes()) && text.starts_with(b"sha256=") {
            continue; // The same digest in capitals.
        }
        let verdict = keys.verify(Presented::Sha256(&text), BODY);
        assert_eq!(verdict, Err(SignatureError::Bad), "signature bit {bit}");
    }
}

#[test]
fn what_is_no_signature_is_bad() {
    let keys = keys(&[SECRET]);
    let hex = SIGNATURE.strip_prefix("sha256=").unwrap();
    let doubled = format!("{SIGNATURE},{SIGNATURE}");
    let blank = format!(" {SIGNATURE}");
    let long = format!("{SIGNATURE}00");
    for text in [
        "",
        "sha256=",
        "sha256=zz",
        "sha256",
        hex,
        "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59",
        &SIGNATURE[..SIGNATURE.len() - 1],
        &SIGNATURE[..SIGNATURE.len() - 2],
        &doubled,
        &blank,
        &long,
    ] {
        assert_eq!(sha256(&keys, text, BODY), Err(SignatureError::Bad), "{text:?}");
    }
}

#[test]
fn without_a_secret_nothing_fits_not_even_the_empty_secret() {
    let empty = keys(&[""]);
    let signature = {
        let key: Hmac<Sha256> = keyed(b"");
        format!("sha256={}", hex::encode(key.chain_update(BODY).finalize().into_bytes()))
    };
    assert_eq!(sha256(&empty, &signature, BODY), Ok(0));
    let none = keys(&[]);
    assert!(none.is_empty());
    assert_eq!(sha256(&none, &signature, BODY), Err(SignatureError::Bad));
    assert_eq!(none.verify(Presented::Sha1(b"sha1=00"), BODY), Err(SignatureError::Bad));
}

#[test]
fn sha1_is_verified_where_it_is_asked_for() {
    let keys = keys(&[SECRET]);
    let right = Presented::Sha1(b"sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59");
    assert_eq!(keys.verify(right, BODY), Ok(0));
    assert_eq!(keys.verify(right, b"Hello, World?"), Err(SignatureError::Bad));
    assert_eq!(keys.verify(Presented::Sha1(SIGNATURE.as_bytes()), BODY), Err(SignatureError::Bad));
}

#[test]
fn two_signature_headers_are_ambiguous_even_when_equal() {
    let mut headers = HeaderMap::new();
    assert_eq!(only_value(&headers, "x-signature-256"), Ok(None));
    headers.append("x-signature-256", HeaderValue::from_static("sha256=00"));
    assert_eq!(only_value(&headers, "X-Signature-256"), Ok(Some(&b"sha256=00"[..])));
    headers.append("x-signature-256", HeaderValue::from_static("sha256=00"));
    assert_eq!(only_value(&headers, "x-signature-256"), Err(SignatureError::Ambiguous));
}
