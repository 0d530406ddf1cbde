//! The REST API of a host of repositories: how it is asked, and what its answers mean.

use std::time::Duration;

use anyhow::ensure;
use chrono::{DateTime, Utc};
use reqwest::{Client, Method, RequestBuilder, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    config,
    forge::Forge,
    http::{self, Answer, Brake, Trouble},
    status::{Status, is_plain},
};

/// What to wait when a host limits us and does not say for how long.
const LIMITED: Duration = Duration::from_secs(60);
/// Where hosts say what is wrong.
const SAID: [&str; 5] =
    ["/message", "/error_description", "/error/message", "/errors/0/message", "/error"];
/// Where they say until when they want to be left alone, in seconds since 1970.
const RESETS: [&str; 2] = ["ratelimit-reset", "x-ratelimit-reset"];

/// The REST API, and who asks it.
pub(crate) struct Rest {
    pub(crate) forge: Forge,
    client: Client,
    token: SecretString,
    base: Url,
    brake: Brake,
}

impl Rest {
    pub(crate) fn new(
        forge: Forge,
        options: &config::Host,
        timeout: Duration,
    ) -> anyhow::Result<Self> {
        let mut base = Url::parse(&options.api_base)?;
        ensure!(!base.cannot_be_a_base(), "{}.api_base is not an address", forge.channel());
        base.path_segments_mut().expect("it can be a base").pop_if_empty();
        Ok(Self {
            forge,
            client: http::client(timeout)?,
            token: options.token.clone(),
            base,
            brake: Brake::default(),
        })
    }

    /// How long it asked everybody to wait still.
    pub(crate) fn braked(&self, who: Uuid) -> Option<Duration> {
        self.brake.left(who)
    }

    /// A request to a place below the base. Each part is one segment of the address, whatever is in
    /// it.
    pub(crate) fn request(&self, method: Method, place: &[&str]) -> RequestBuilder {
        let request = self.client.request(method, self.address(place));
        match self.forge {
            // A personal access token is the password of nobody in particular.
            Forge::AzureDevops => request.basic_auth("", Some(self.token.expose_secret())),
            _ => request.bearer_auth(self.token.expose_secret()),
        }
    }

    /// The address of a place below the base, for people.
    pub(crate) fn page(&self, place: &[&str]) -> String {
        self.address(place).into()
    }

    fn address(&self, place: &[&str]) -> Url {
        let mut address = self.base.clone();
        address.path_segments_mut().expect("it can be a base").extend(place);
        address
    }

    pub(crate) async fn call(
        &self,
        what: &str,
        request: RequestBuilder,
    ) -> Result<Answer, Trouble> {
        let answer = http::call(&format!("{} {what}", self.forge.channel()), request).await?;
        let judged = judge(self.forge, &answer, Utc::now());
        if let Err(Trouble::NotNow { after: Some(after), .. }) = &judged {
            self.brake.pull(*after);
        }
        judged.map(|()| answer)
    }

    /// The parts of a repository's name. Nothing from a push may choose another path.
    pub(crate) fn parts<'r>(&self, repository: &'r str) -> Result<Vec<&'r str>, Trouble> {
        let parts: Vec<&str> = repository.split('/').collect();
        let is_sound = |part: &&str| match self.forge {
            Forge::Gitlab | Forge::Bitbucket => is_plain(part),
            // The project of a person.
            Forge::BitbucketServer => is_plain(part.strip_prefix('~').unwrap_or(part)),
            Forge::AzureDevops => {
                part.chars().any(|c| c != '.') && !part.chars().any(char::is_control)
            }
        };
        let fits = match self.forge {
            Forge::Gitlab => parts.len() >= 2,
            _ => parts.len() == 2,
        };
        match fits && parts.iter().all(is_sound) {
            true => Ok(parts),
            false => {
                let name = self.forge.name();
                Err(Trouble::never(format!("{repository} is not a repository of {name}")))
            }
        }
    }

    /// The commit a status is of, if it is one.
    pub(crate) fn commit<'s>(&self, status: &'s Status) -> Result<&'s str, Trouble> {
        let commit = status.commit.as_str();
        let is_short = self.forge.cuts_commits()
            && (7..=40).contains(&commit.len())
            && commit.chars().all(|c| c.is_ascii_hexdigit());
        match is_short || status.commit.is_whole() {
            true => Ok(commit),
            false => Err(Trouble::never(format!("{commit} is not a commit"))),
        }
    }

    /// That an answer does not say what every answer of its kind says.
    pub(crate) fn garbled(&self, what: &str) -> Trouble {
        let text = format!("{} does not say {what}", self.forge.name());
        Trouble::NotNow { text, status: None, after: None, uncertain: true }
    }
}

/// What an answer means.
fn judge(forge: Forge, answer: &Answer, now: DateTime<Utc>) -> Result<(), Trouble> {
    let status = answer.status;
    let body = answer.json();
    let said = SAID.iter().find_map(|place| match body.pointer(place)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    });
    let said = said.as_deref().unwrap_or("no reason");
    let text = format!("{} says {said} (HTTP {status})", forge.name());
    match status {
        // Azure shows whom it does not know the page where people sign in.
        203 | 302 if forge == Forge::AzureDevops => {
            Err(Trouble::Barred { text, status: Some(status), credential: true })
        }
        200..=299 => Ok(()),
        401 => Err(Trouble::Barred { text, status: Some(status), credential: true }),
        403 => Err(Trouble::Barred { text, status: Some(status), credential: false }),
        429 => {
            let after = Some(limit(answer, now).unwrap_or(LIMITED));
            Err(Trouble::NotNow { text, status: Some(status), after, uncertain: false })
        }
        500.. => {
            let after = answer.retry_after();
            Err(Trouble::NotNow { text, status: Some(status), after, uncertain: true })
        }
        _ => Err(Trouble::Never { text, status: Some(status) }),
    }
}

/// For how long a host wants to be left alone.
fn limit(answer: &Answer, now: DateTime<Utc>) -> Option<Duration> {
    answer.retry_after().or_else(|| {
        let reset = RESETS.iter().find_map(|header| answer.number(header))?;
        let reset = i64::try_from(reset).ok()?;
        let seconds = u64::try_from(reset.saturating_sub(now.timestamp())).unwrap_or(0);
        Some(http::heeded(seconds.max(1)))
    })
}

#[cfg(test)]
mod tests;
