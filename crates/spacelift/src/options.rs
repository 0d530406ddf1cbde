//! What a client is made from.

use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;
use serde::Deserialize;

use crate::Error;

/// What a client is made from.
#[derive(Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The address of the account, such as `https://acme.app.spacelift.io`; `/graphql` at its end
    /// is tolerated.
    pub endpoint: String,
    /// The API key's id.
    pub api_key_id: String,
    /// The API key's secret.
    pub api_key_secret: SecretString,
    /// How long one call may take, waiting for our own rate and for a token included. A mutation is
    /// one call; a query may be repeated a few times, each time for as long.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// How many requests a second this process sends on the long run.
    pub requests_per_second: u32,
    /// How many requests it may send at once after a pause.
    pub requests_burst: u32,
    /// After how many failures in a row no calls are made for a while.
    #[serde(default = "breaker_failures")]
    pub breaker_failures: u32,
    /// For how long none are made then; doubled each time one is tried in vain, up to 16 times.
    #[serde(default = "breaker_wait", with = "humantime_serde")]
    pub breaker_wait: Duration,
}

fn breaker_failures() -> u32 {
    10
}

fn breaker_wait() -> Duration {
    Duration::from_secs(10)
}

impl Options {
    /// The endpoint without `/graphql` and without a slash at its end.
    pub(crate) fn base(&self) -> Result<String, Error> {
        let misconfigured = |reason: String| Error::Misconfigured { reason };
        let base = self.endpoint.trim_end_matches('/');
        let base = base.strip_suffix("/graphql").unwrap_or(base).trim_end_matches('/');
        let url = Url::parse(base).map_err(|error| {
            misconfigured(format!("the endpoint `{}` is not an address: {error}", self.endpoint))
        })?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(misconfigured(format!(
                "the endpoint `{}` should look like https://acme.app.spacelift.io",
                self.endpoint
            )));
        }
        if self.timeout.is_zero() || self.requests_per_second == 0 || self.requests_burst == 0 {
            return Err(misconfigured(
                "timeout, requests_per_second and requests_burst must be more than zero".into(),
            ));
        }
        Ok(base.to_owned())
    }
}

/// The name of the account at this address, its first word at Spacelift; of another address, the host.
pub fn account_name(endpoint: &str) -> String {
    let host = Url::parse(endpoint).ok().and_then(|url| url.host_str().map(str::to_owned));
    let host = host.unwrap_or_else(|| "spacelift".to_owned());
    match host.strip_suffix(".spacelift.io").and_then(|rest| rest.split('.').next()) {
        Some(name) => name.to_owned(),
        None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::account_name;

    #[test]
    fn an_account_is_known_by_its_address() {
        assert_eq!(account_name("https://acme.app.spacelift.io"), "acme");
        assert_eq!(account_name("https://acme.app.us.spacelift.io/graphql"), "acme");
        assert_eq!(account_name("https://spacelift.acme.example"), "spacelift.acme.example");
        assert_eq!(account_name("http://127.0.0.1:8180"), "127.0.0.1");
    }
}
