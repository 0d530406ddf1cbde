//! What the files of one folder say as a module of Terraform or OpenTofu.

mod merge;
mod reads;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::{
    edge::Spot,
    syntax::{Body, Expr},
};

pub(crate) use merge::{Part, precedence};
pub(crate) use reads::{Read, reads_files};

/// A module: all files of a folder, overrides applied.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Module {
    /// Its folder, from the root of the repository.
    pub folder: String,
    /// The files it was read from, in the order in which they count.
    pub files: Vec<String>,
    /// The versions of Terraform or OpenTofu it asks for.
    pub required_version: Vec<String>,
    /// What can be given to it.
    pub variables: BTreeMap<String, Variable>,
    /// What it gives.
    pub outputs: BTreeMap<String, Output>,
    /// The modules it calls.
    pub calls: BTreeMap<String, Call>,
    /// The providers it needs, by local name.
    pub providers: BTreeMap<String, Requirement>,
    /// Where its state lies, if it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<Backend>,
    /// What it manages, by address.
    pub managed: BTreeMap<String, Resource>,
    /// What it looks up, by address.
    pub data: BTreeMap<String, Resource>,
    #[serde(skip)]
    pub(crate) locals: BTreeMap<String, Expr>,
    /// Files that it reads by `file(…)` and its like.
    #[serde(skip)]
    pub(crate) reads: BTreeSet<Read>,
}

/// A variable.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Variable {
    /// Its type, as it is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its value if none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// Whether a value must be given.
    pub required: bool,
    /// Whether its value is kept from the logs.
    pub sensitive: bool,
    /// Where it is.
    pub spot: Spot,
}

/// An output.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Output {
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether its value is kept from the logs.
    pub sensitive: bool,
    /// Where it is.
    pub spot: Spot,
    #[serde(skip)]
    pub(crate) value: Option<Expr>,
}

/// A call of another module.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Call {
    /// Where the module comes from, as it is written; absent if it is computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Which versions may be taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its folder, if it lies in the same repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Where it is.
    pub spot: Spot,
    #[serde(skip)]
    pub(crate) body: Body,
}

/// What is asked of a provider.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Requirement {
    /// Where it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Which versions may be taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
    /// Other configurations of it that a caller must give.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
}

impl Requirement {
    /// What kind of provider it is, whatever a module calls it: `aws` of `hashicorp/aws`.
    pub(crate) fn kind<'a>(&'a self, name: &'a str) -> &'a str {
        let source = self.source.as_deref().and_then(|source| source.rsplit('/').next());
        source.filter(|kind| !kind.is_empty()).unwrap_or(name)
    }
}

/// Where a state lies.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Backend {
    /// `s3`, `gcs`, `remote`; `cloud` for the block of that name.
    pub kind: String,
    /// Where it is.
    pub spot: Spot,
    #[serde(skip)]
    pub(crate) body: Body,
}

/// A resource that is managed or looked up.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Resource {
    /// Its type.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its provider, with the alias if one is given: `aws` or `aws.west`.
    pub provider: String,
    /// Where it is.
    pub spot: Spot,
    #[serde(skip)]
    pub(crate) body: Body,
}

#[cfg(test)]
mod tests;
