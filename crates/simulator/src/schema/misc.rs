//! Small types that several objects share.

use async_graphql::{ID, SimpleObject};

use crate::{
    record,
    stack::{self, ConfigType},
};

/// A commit.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct Commit {
    author_login: Option<String>,
    author_name: String,
    hash: String,
    message: String,
    tag: Option<String>,
    timestamp: i64,
    url: String,
}

impl From<&record::Commit> for Commit {
    fn from(commit: &record::Commit) -> Self {
        Self {
            author_login: commit.author_login.clone(),
            author_name: commit.author_name.clone(),
            hash: commit.hash.clone(),
            message: commit.message.clone(),
            tag: commit.tag.clone(),
            timestamp: commit.timestamp,
            url: commit.url.clone(),
        }
    }
}

/// An environment variable or a mounted file.
#[derive(SimpleObject, Clone, Debug)]
#[graphql(name = "ConfigElement")]
pub(crate) struct ConfigElementObject {
    id: ID,
    checksum: String,
    created_at: i64,
    runtime: bool,
    #[graphql(name = "type")]
    kind: ConfigType,
    /// Hidden when it is write-only.
    value: Option<String>,
    write_only: bool,
    description: Option<String>,
}

impl ConfigElementObject {
    /// A variable that a context gives.
    pub(super) fn variable(name: &str, value: &str) -> Self {
        Self::from(&stack::ConfigElement::variable(name, value))
    }
}

impl From<&stack::ConfigElement> for ConfigElementObject {
    fn from(element: &stack::ConfigElement) -> Self {
        use sha2::{Digest, Sha256};
        Self {
            id: ID::from(&element.id),
            checksum: hex::encode(Sha256::digest(element.value.as_bytes())),
            created_at: element.created_ms / 1_000,
            runtime: false,
            kind: element.kind,
            value: (!element.write_only).then(|| element.value.clone()),
            write_only: element.write_only,
            description: element.description.clone(),
        }
    }
}

/// A key with a value, as in HTTP headers.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct StringMapEntry {
    pub(super) key: String,
    pub(super) value: String,
}

/// Keys with values.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct StringMap {
    pub(super) entries: Vec<StringMapEntry>,
}

/// Whether this is the hosted product; an empty version says that it is.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct DebugInfo {
    pub(super) self_hosted_version: String,
}
