//! Outputs that are carried to a step: which ones it asks for, and what becomes of their values.
//!
//! A value is read right before the run is asked for and goes nowhere but into that request: it is
//! in no row, no event and no log.

use contracts::{
    Code, Reason, StackId,
    chain::{EdgeOrigin, PlannedEdge},
    label,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use spacelift::{Output, Override};

use crate::Chain;

/// The kernel's limit for one variable of the environment.
const VALUE_BYTES_MAX: usize = 128 * 1024;

/// A variable of a step that gets its value from an output of another stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// The variable of the code.
    pub variable: String,
    /// The stack that has the output.
    pub stack: StackId,
    /// The output.
    pub output: String,
    /// Also if it is a secret.
    #[serde(default)]
    pub sensitive: bool,
}

impl Carried {
    fn of(label: &str) -> Option<Self> {
        let (text, sensitive) = match label.strip_prefix(label::SENSITIVE_INPUT) {
            Some(text) => (text, true),
            None => (label.strip_prefix(label::INPUT)?, false),
        };
        let (variable, source) = text.split_once(':')?;
        let (stack, output) = source.rsplit_once('/')?;
        let is_whole = ![variable, stack, output].contains(&"");
        let (variable, output) = (variable.to_owned(), output.to_owned());
        is_whole.then(|| Self { variable, stack: stack.into(), output, sensitive })
    }

    /// The variable of the environment by which Terraform and OpenTofu take it.
    fn name(&self) -> String {
        format!("TF_VAR_{}", self.variable)
    }

    /// Whether Spacelift hands it on by itself.
    fn is_native(&self, edge: &PlannedEdge) -> bool {
        let name = self.name();
        edge.origins.iter().any(|origin| match origin {
            EdgeOrigin::Native { references } => references
                .iter()
                .any(|reference| reference.rsplit_once("-> ").is_some_and(|(_, to)| to == name)),
            _ => false,
        })
    }

    /// The override for a run, or why there can be none.
    pub(crate) fn found(&self, outputs: &[Output]) -> Result<Override, Missing> {
        let Self { variable, stack, output: name, .. } = self;
        let Some(output) = outputs.iter().find(|output| output.name == *name) else {
            let text = format!("{stack} has no output `{name}`, which variable `{variable}` takes");
            return Err(Missing::NotYet(text));
        };
        if output.sensitive && !self.sensitive {
            return Err(Missing::Never(format!(
                "output `{name}` of {stack} is sensitive, and is handed on to `{variable}` only if \
                 its `input` says `sensitive = true`"
            )));
        }
        let Some(value) = &output.value else {
            return Err(Missing::Never(format!(
                "Spacelift does not show output `{name}` of {stack}; hand it on to `{variable}` by \
                 a dependency of Spacelift's own, with the upload of sensitive outputs enabled"
            )));
        };
        let value = plain(value.expose_secret());
        if value.len() > VALUE_BYTES_MAX {
            return Err(Missing::Never(format!(
                "output `{name}` of {stack} is larger than the 128 KiB that `{variable}` can take"
            )));
        }
        Ok(Override { name: self.name(), value: SecretString::from(value) })
    }
}

/// Why a value cannot be carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It may come.
    NotYet(String),
    /// People must mend something.
    Never(String),
}

impl Missing {
    pub(crate) fn reason(self) -> Reason {
        let (Self::NotYet(text) | Self::Never(text)) = self;
        Reason::new(Code::OutputMissing, text)
    }
}

/// Spacelift keeps a text as JSON; a variable takes it without its quotation marks, and everything
/// else as it is.
fn plain(value: &str) -> String {
    serde_json::from_str::<String>(value).unwrap_or_else(|_| value.to_owned())
}

impl Chain {
    /// What a step takes of other stacks and Spacelift does not hand on by itself.
    pub(crate) fn carried(&self, at: usize) -> Vec<Carried> {
        let planned = &self.steps[at].planned;
        let wanted = planned.labels.iter().filter_map(|label| Carried::of(label));
        let wanted = wanted.map(|mut carried| {
            // Code names a stack as people do.
            let named = self.steps.iter().find(|step| step.planned.name == carried.stack.as_str());
            if self.place(&carried.stack).is_none()
                && let Some(named) = named
            {
                carried.stack = named.planned.stack.clone();
            }
            carried
        });
        let is_native = |carried: &Carried| {
            self.edges.iter().any(|edge| {
                edge.child == planned.stack
                    && edge.parent == carried.stack
                    && carried.is_native(edge)
            })
        };
        wanted.filter(|carried| !is_native(carried)).collect()
    }
}

#[cfg(test)]
mod tests;
