//! What every request to GitHub's API says besides who asks.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// What is read, and which version of the API is meant.
pub const HEADERS: &[(&str, &str)] =
    &[("accept", "application/vnd.github+json"), ("x-github-api-version", "2022-11-28")];

/// The same for a request.
pub fn headers() -> HeaderMap {
    let header = |(name, value): &(&'static str, &'static str)| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    HEADERS.iter().map(header).collect()
}
