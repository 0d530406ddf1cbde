//! What is found in stack code before anything is planned with it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Message, Reason,
    change::{Change, is_zero},
};

/// How much a finding weighs. Any failure rejects the change.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Good to know.
    Notice,
    /// Somebody should look.
    Warning,
    /// It must not be delivered.
    Failure,
}

impl Level {
    /// The level as written in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }
}

/// What found something.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The code cannot be read as it should.
    Syntax,
    /// The policies in force say something about it.
    Policy,
    /// A security rule of our own fits.
    Security,
    /// A scanner from elsewhere reports it.
    Scanner,
}

/// Something that was found in one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Annotation {
    /// The file, from the root of the repository.
    pub file: String,
    /// Counts from one.
    pub line: usize,
    /// The last line, if it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_line: Option<usize>,
    /// How much it weighs.
    pub level: Level,
    /// What found it.
    pub stage: Stage,
    /// The rule that fits, by its name.
    pub rule: String,
    /// What was found, and if it helps, what to do.
    pub message: String,
    /// The stack it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
}

/// What becomes of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Nothing found speaks against it.
    Deploy,
    /// It must not be delivered as it is.
    Reject,
}

/// How many findings there are of each weight.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Those that reject.
    pub failures: usize,
    /// Those somebody should look at.
    pub warnings: usize,
    /// Those that are good to know.
    pub notices: usize,
}

impl Counts {
    /// How many there are of these.
    pub fn of<'a>(annotations: impl IntoIterator<Item = &'a Annotation>) -> Self {
        let mut counts = Self::default();
        for annotation in annotations {
            match annotation.level {
                Level::Failure => counts.failures += 1,
                Level::Warning => counts.warnings += 1,
                Level::Notice => counts.notices += 1,
            }
        }
        counts
    }

    /// What follows from them.
    pub const fn decision(self) -> Decision {
        if self.failures == 0 { Decision::Deploy } else { Decision::Reject }
    }
}

/// The stack code that a pull request, or a group of a merge queue, touches was validated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeValidated {
    /// What is proposed.
    pub change: Change,
    /// What becomes of it.
    pub decision: Decision,
    /// Why, in a sentence.
    pub reason: Reason,
    /// The stacks whose code was looked at, by what the code calls them.
    pub stacks: Vec<String>,
    /// How much was found, of which weight.
    pub counts: Counts,
    /// What was found, the weightiest first.
    pub annotations: Vec<Annotation>,
    /// How many findings there are besides those listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: usize,
}

impl ChangeValidated {
    /// The most findings that are listed.
    pub const MOST: usize = 300;
}

impl Message for ChangeValidated {
    const TYPE: &'static str = "change.validated";
    const MEANING: &'static str =
        "The stack code touched by a proposed change was validated: deploy or reject, and why.";

    fn key(&self) -> String {
        self.change.repository.clone()
    }
}
