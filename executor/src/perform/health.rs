//! Health checks after a wave. They change nothing, so they may be repeated; one that does not hold
//! is made a few times before it counts.

use std::time::Duration;

use contracts::{Code, Reason};
use reqwest::{Client, RequestBuilder, Response};
use secrecy::ExposeSecret;
use serde_json::Value;
use store::{Claim, Performed};

use super::PAUSE;
use crate::{
    checks::{Asks, Check, Checks, HealthCall},
    input::{Checked, Input},
};

/// More is not read of an answer of Prometheus.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// The most values that are named.
const NAMED: usize = 3;

/// Makes health checks.
pub(crate) struct Prober {
    client: Client,
    checks: Checks,
}

impl Prober {
    pub(crate) fn new(checks: Checks) -> anyhow::Result<Self> {
        let client = Client::builder()
            .timeout(checks.timeout)
            .redirect(reqwest::redirect::Policy::limited(3))
            .user_agent(concat!("stackly-executor/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, checks })
    }

    pub(super) async fn perform(&self, claim: &Claim) -> Performed<Input> {
        let call: HealthCall = match claim.read() {
            Ok(call) => call,
            Err(why) => return Performed::Later { after: PAUSE, why, uncertain: false },
        };
        let found = match self.checks.named.get(&call.check) {
            None => Err("is not configured, at `checks.named` of the executor".to_owned()),
            Some(check) => self.look(check).await,
        };
        let attempts = i32::try_from(self.checks.attempts).unwrap_or(i32::MAX);
        if let Err(said) = &found
            && claim.attempt < attempts
        {
            let text = format!(
                "{} {said}; it is looked at again, {} of {attempts} times so far",
                call.check, claim.attempt
            );
            return later(self.checks.pause, text);
        }
        let HealthCall { chain, check, look } = call;
        let failed = found.err().map(|said| format!("{check} {said}"));
        Performed::Done(Input::Checked(Checked { chain, check, look, failed }))
    }

    /// Whether a check holds; if not, why, as what follows its name in a sentence.
    async fn look(&self, check: &Check) -> Result<(), String> {
        match check.asks()? {
            Asks::Http { url, status } => {
                let answer = send(check, self.client.get(url)).await?;
                let got = answer.status();
                let holds = match status {
                    Some(wanted) => got.as_u16() == wanted,
                    None => got.is_success(),
                };
                let wanted = status.map_or_else(|| "2xx".to_owned(), |wanted| wanted.to_string());
                if holds { Ok(()) } else { Err(format!("answers {got} and not {wanted}")) }
            }
            // It was no hook when it was to be looked at.
            Asks::Hook { .. } => Err("is answered from outside; look again".to_owned()),
            Asks::Prometheus { url, query, min, max } => {
                let url = format!("{}/api/v1/query", url.trim_end_matches('/'));
                let answer = send(check, self.client.get(url).query(&[("query", query)])).await?;
                let status = answer.status();
                let body: Value = serde_json::from_slice(&read(answer).await?)
                    .map_err(|_| format!("is asked of something that answers {status}, no JSON"))?;
                within(&values(&body)?, min, max)
            }
        }
    }
}

fn later(after: Duration, text: String) -> Performed<Input> {
    Performed::Later { after, why: Reason::new(Code::Unhealthy, text), uncertain: false }
}

async fn send(check: &Check, request: RequestBuilder) -> Result<Response, String> {
    let request = match &check.token {
        Some(token) => request.bearer_auth(token.expose_secret()),
        None => request,
    };
    request.send().await.map_err(|error| unanswered(&error))
}

/// Without the address, which may hold a secret.
fn unanswered(error: &reqwest::Error) -> String {
    match error.is_timeout() {
        true => "gives no answer in time".to_owned(),
        false if error.is_connect() => "cannot be reached".to_owned(),
        false => "gives no whole answer".to_owned(),
    }
}

async fn read(mut answer: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| unanswered(&error))? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(format!("is answered with more than {ANSWER_BYTES_MAX} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The values in an answer of Prometheus to an instant query.
fn values(body: &Value) -> Result<Vec<f64>, String> {
    if body["status"] != "success" {
        let error = body["error"].as_str().unwrap_or("it does not say why");
        return Err(format!("cannot be evaluated: {error}"));
    }
    let result = &body["data"]["result"];
    let samples: Vec<&Value> = match body["data"]["resultType"].as_str() {
        Some("scalar") => vec![&result[1]],
        Some("vector") => {
            result.as_array().into_iter().flatten().map(|one| &one["value"][1]).collect()
        }
        other => {
            let kind = other.unwrap_or("nothing");
            return Err(format!("gives {kind}, where values of one moment are wanted"));
        }
    };
    let number = |sample: &Value| sample.as_str().and_then(|text| text.parse().ok());
    let values: Option<Vec<f64>> = samples.into_iter().map(number).collect();
    values.ok_or_else(|| "gives what is not a number".to_owned())
}

/// Whether all values are within the bounds. No value, and what is no number, is not.
fn within(values: &[f64], min: Option<f64>, max: Option<f64>) -> Result<(), String> {
    if values.is_empty() {
        return Err("gives no value".to_owned());
    }
    let holds = |value: f64| {
        !value.is_nan() && min.is_none_or(|min| value >= min) && max.is_none_or(|max| value <= max)
    };
    let beyond: Vec<String> =
        values.iter().filter(|value| !holds(**value)).map(f64::to_string).collect();
    if beyond.is_empty() {
        return Ok(());
    }
    let bounds =
        [min.map(|min| format!("at least {min}")), max.map(|max| format!("at most {max}"))];
    let bounds: Vec<String> = bounds.into_iter().flatten().collect();
    let more = if beyond.len() > NAMED {
        format!(" and {} more", beyond.len() - NAMED)
    } else {
        String::new()
    };
    let named = beyond.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    Err(format!("is {named}{more}, and must be {}", bounds.join(" and ")))
}

#[cfg(test)]
mod tests;
