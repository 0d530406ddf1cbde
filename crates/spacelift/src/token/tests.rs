use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};

use super::{Token, Tokens};
use crate::Error;

const HOUR: Duration = Duration::from_secs(3600);

/// An exchange that lets everybody else go first, and counts.
async fn exchange(count: &AtomicUsize, life: Option<Duration>) -> Result<Token, Error> {
    let number = count.fetch_add(1, Ordering::SeqCst);
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    let life = life.ok_or(Error::Unauthorized)?;
    Ok(Token::new(SecretString::from(format!("token-{number}")), life))
}

#[tokio::test]
async fn a_crowd_exchanges_the_key_once() {
    let (tokens, count) = (Tokens::default(), AtomicUsize::new(0));
    let crowd = (0..50).map(|_| tokens.get(None, || exchange(&count, Some(HOUR))));
    for token in futures::future::join_all(crowd).await {
        assert_eq!(token.unwrap().jwt.expose_secret(), "token-0");
    }
    assert_eq!(count.into_inner(), 1);
}

#[tokio::test]
async fn a_crowd_with_a_bad_key_asks_once_and_the_next_one_asks_again() {
    let (tokens, count) = (Tokens::default(), AtomicUsize::new(0));
    let crowd = (0..50).map(|_| tokens.get(None, || exchange(&count, None)));
    for token in futures::future::join_all(crowd).await {
        assert!(matches!(token, Err(Error::Unauthorized)));
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
    assert!(tokens.get(None, || exchange(&count, Some(HOUR))).await.is_ok());
}

#[tokio::test]
async fn a_crowd_whose_token_was_rejected_exchanges_once_more() {
    let (tokens, count) = (Tokens::default(), AtomicUsize::new(0));
    let old = tokens.get(None, || exchange(&count, Some(HOUR))).await.unwrap();
    let crowd = (0..50).map(|_| tokens.get(Some(&old), || exchange(&count, Some(HOUR))));
    for token in futures::future::join_all(crowd).await {
        assert_eq!(token.unwrap().jwt.expose_secret(), "token-1");
    }
    let still = tokens.get(None, || exchange(&count, Some(HOUR))).await.unwrap();
    assert!(!Arc::ptr_eq(&still, &old));
    assert_eq!(count.into_inner(), 2);
}

#[tokio::test]
async fn a_token_is_given_up_half_a_minute_before_its_end() {
    let (tokens, count) = (Tokens::default(), AtomicUsize::new(0));
    for life in [29, 31, 31] {
        let life = Some(Duration::from_secs(life));
        tokens.get(None, || exchange(&count, life)).await.unwrap();
    }
    assert_eq!(count.into_inner(), 2);
}
