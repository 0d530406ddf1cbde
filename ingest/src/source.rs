//! Who sends: what kind of sender, under which name, and what it may say.

use std::{collections::BTreeMap, fmt, sync::Arc};

use axum::http::HeaderName;

use crate::{
    config::{Forge, Senders},
    delivery::{About, Verdict},
    signature::SchemeError,
};

/// What kind of sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// GitHub, github.com or Enterprise.
    Github,
    /// GitLab.
    Gitlab,
    /// Bitbucket Cloud.
    Bitbucket,
    /// Bitbucket Data Center.
    BitbucketServer,
    /// Azure DevOps.
    AzureDevops,
    /// Spacelift.
    Spacelift,
    /// Slack.
    Slack,
    /// Whoever follows Standard Webhooks.
    Standard,
    /// Whoever signs in a way of their own.
    Custom,
}

impl Kind {
    /// The hosts of repositories.
    pub(crate) const HOSTS: [&str; 5] = [
        Self::Github.as_str(),
        Self::Gitlab.as_str(),
        Self::Bitbucket.as_str(),
        Self::BitbucketServer.as_str(),
        Self::AzureDevops.as_str(),
    ];

    /// As in the path, the database and the metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Bitbucket => "bitbucket",
            Self::BitbucketServer => "bitbucket-server",
            Self::AzureDevops => "azure-devops",
            Self::Spacelift => "spacelift",
            Self::Slack => "slack",
            Self::Standard => "standard",
            Self::Custom => "custom",
        }
    }
}

/// One sender.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// What kind of sender.
    pub(crate) kind: Kind,
    /// Its name: that of its kind, or `standard/<name>` and `custom/<name>`.
    pub(crate) name: Arc<str>,
    /// Where a custom sender writes its id of the delivery.
    pub(crate) id_header: Option<HeaderName>,
    /// Where a custom sender writes what happened.
    pub(crate) kind_header: Option<HeaderName>,
    /// Where a custom sender writes the time that it signs with the body.
    pub(crate) stamp_header: Option<HeaderName>,
    people: Arc<BTreeMap<String, String>>,
    commanders: Vec<String>,
    repositories: Vec<Pattern>,
    forks: bool,
}

impl Source {
    /// A sender of which nothing more is known.
    pub(crate) fn bare(kind: Kind) -> Self {
        Self {
            kind,
            name: kind.as_str().into(),
            id_header: None,
            kind_header: None,
            stamp_header: None,
            people: Arc::default(),
            commanders: Vec::new(),
            repositories: Vec::new(),
            forks: true,
        }
    }

    /// A sender that may say everything.
    pub(crate) fn new(kind: Kind, senders: &Senders) -> Self {
        Self { people: Arc::new(senders.people.clone()), ..Self::bare(kind) }
    }

    /// A host of repositories, with what it may say of which.
    pub(crate) fn forge(kind: Kind, senders: &Senders, forge: &Forge) -> Result<Self, SchemeError> {
        let patterns = forge.repositories.iter().map(|text| Pattern::read(text));
        Ok(Self {
            commanders: forge.commanders.clone(),
            repositories: patterns.collect::<Result<_, _>>()?,
            forks: forge.forks,
            ..Self::new(kind, senders)
        })
    }

    /// One of several of its kind.
    pub(crate) fn named(self, name: &str) -> Self {
        Self { name: format!("{}/{name}", self.kind.as_str()).into(), ..self }
    }

    /// What policies call a person whom this source knows by an id that names nobody elsewhere.
    pub(crate) fn person(&self, id: &str) -> String {
        let full = format!("{}:{id}", self.name);
        self.people.get(&full).cloned().unwrap_or(full)
    }

    /// Whether configuration lets this person command in comments.
    pub(crate) fn may_command(&self, by: &str) -> bool {
        self.commanders.iter().any(|known| known.eq_ignore_ascii_case(by))
    }

    /// Why a fact is not taken from this source, although it is signed and can be read.
    pub(crate) fn objection(&self, about: About<'_>, scopes: &[String]) -> Option<Verdict> {
        let repository = about.repository.unwrap_or_default();
        if !scopes.is_empty() && !scopes.iter().any(|scope| is_in_scope(repository, scope)) {
            let scopes = scopes.join("`, `");
            let text = format!("the secret it is signed with counts for `{scopes}` alone");
            return Some(Verdict::Refused { code: "secret_out_of_scope", text });
        }
        if !self.repositories.is_empty()
            && !self.repositories.iter().any(|pattern| pattern.fits(repository))
        {
            let text = format!(
                "`{repository}` is not among the repositories that are listened to; the delivery \
                 is kept"
            );
            return Some(Verdict::kept("repository_not_allowed", text));
        }
        if about.fork && !self.forks {
            let text = "it comes from a fork, and forks are not listened to; the delivery is kept";
            return Some(Verdict::kept("fork_not_allowed", text));
        }
        None
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Whether a secret that counts for `*`, `owner/*` or `owner/name` counts for a repository.
pub fn is_in_scope(repository: &str, scope: &str) -> bool {
    Pattern::read(scope).is_ok_and(|pattern| pattern.fits(repository))
}

/// Which repositories: one, those of an owner, or all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pattern {
    All,
    Below(String),
    One(String),
}

impl Pattern {
    /// `*`, `owner/*` or `owner/name`.
    pub(crate) fn read(text: &str) -> Result<Self, SchemeError> {
        let bad = || SchemeError::Pattern(text.to_owned());
        if text == "*" {
            return Ok(Self::All);
        }
        let (owner, name) = text.rsplit_once('/').ok_or_else(bad)?;
        if owner.is_empty() || name.is_empty() || owner.contains('*') {
            return Err(bad());
        }
        match name {
            "*" => Ok(Self::Below(format!("{}/", owner.to_ascii_lowercase()))),
            _ if name.contains('*') => Err(bad()),
            _ => Ok(Self::One(text.to_ascii_lowercase())),
        }
    }

    /// Whether the repository is meant. Hosts do not tell capitals from small letters.
    pub(crate) fn fits(&self, repository: &str) -> bool {
        let repository = repository.to_ascii_lowercase();
        match self {
            Self::All => true,
            Self::Below(owner) => repository.starts_with(owner.as_str()),
            Self::One(name) => repository == *name,
        }
    }
}

#[cfg(test)]
mod tests;
