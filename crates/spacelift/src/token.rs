//! The token our API key is worth, fetched by one request however many wait for it.

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;
use tokio::{sync::Mutex, time::Instant};

use crate::Error;

/// A token is given up this long before its end, as Spacelift's own command line does.
const PADDING: Duration = Duration::from_secs(30);

/// What a request is authorised with.
pub(crate) struct Token {
    pub(crate) jwt: SecretString,
    usable_until: Instant,
}

impl Token {
    /// A token that ends in `life`.
    pub(crate) fn new(jwt: SecretString, life: Duration) -> Self {
        Self { jwt, usable_until: Instant::now() + life.saturating_sub(PADDING) }
    }
}

/// The newest token.
#[derive(Default)]
pub(crate) struct Tokens {
    newest: Mutex<Newest>,
}

#[derive(Default)]
struct Newest {
    token: Option<Arc<Token>>,
    refused_at: Option<Instant>,
}

impl Tokens {
    /// The newest token, exchanged for now if there is none, if it has ended, or if it is the one
    /// that was just `rejected`. Whoever waits while another exchanges gets the other's outcome.
    pub(crate) async fn get<F, Fut>(
        &self,
        rejected: Option<&Arc<Token>>,
        exchange: F,
    ) -> Result<Arc<Token>, Error>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<Token, Error>>,
    {
        let asked_at = Instant::now();
        let mut newest = self.newest.lock().await;
        if let Some(token) = &newest.token
            && Instant::now() < token.usable_until
            && !rejected.is_some_and(|rejected| Arc::ptr_eq(rejected, token))
        {
            return Ok(token.clone());
        }
        if newest.refused_at.is_some_and(|refused_at| refused_at >= asked_at) {
            return Err(Error::Unauthorized);
        }
        match exchange().await {
            Ok(token) => {
                let token = Arc::new(token);
                *newest = Newest { token: Some(token.clone()), refused_at: None };
                Ok(token)
            }
            Err(error) => {
                if matches!(error, Error::Unauthorized) {
                    *newest = Newest { token: None, refused_at: Some(Instant::now()) };
                }
                Err(error)
            }
        }
    }
}
