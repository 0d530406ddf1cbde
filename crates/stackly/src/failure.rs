//! Why a command did not do what was asked, by what the caller can do about it.

use std::{io, path::Path};

use bus::{BusError, Problem, ProblemKind};
use contracts::phrase::with_causes;
use serde_json::{Value, json};

/// What `--help` says about exit statuses.
pub const STATUSES: &str = "\
Exit status:
  0  done
  1  failed
  2  the command line cannot be used, or names more than one thing
  3  there is no such thing
  4  refused by policy, or because it does not fit how things stand
  5  nats-server, a service or what it needs cannot be reached now; try again";

/// Why a command did not do what was asked. The variant decides the exit status.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Something else must be typed.
    #[error("{0}")]
    Usage(String),
    /// What was named does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The policies do not allow it, or how things stand.
    #[error("{message}")]
    Refused {
        /// For machines.
        code: String,
        /// For people.
        message: String,
    },
    /// Something needed cannot be reached now.
    #[error("{message}")]
    Unavailable {
        /// For people.
        message: String,
        /// What the last try said.
        #[source]
        source: Option<anyhow::Error>,
    },
    /// A service answered that it could not.
    #[error("{message}")]
    Problem {
        /// For machines.
        code: String,
        /// For people.
        message: String,
    },
    /// A service answered in a way this build cannot read.
    #[error(
        "the {service} service answers in a way this program cannot read; \
         are they of the same version?"
    )]
    Garbled {
        /// The service.
        service: String,
        /// What does not fit.
        #[source]
        source: serde_json::Error,
    },
    /// Whoever reads our output went away.
    #[error("the output cannot be written")]
    Output(#[from] io::Error),
    /// Anything else.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

impl Failure {
    /// Something cannot be reached now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::Unavailable { message: message.into(), source: None }
    }

    /// A file or folder that was named cannot be read.
    pub fn unread(path: &Path, error: io::Error) -> Self {
        let shown = path.display();
        match error.kind() {
            io::ErrorKind::NotFound => {
                Self::NotFound(format!("there is no file or folder {shown}"))
            }
            _ => Self::Failed(anyhow::anyhow!("{shown} cannot be read: {error}")),
        }
    }

    /// The failure that a service's answer means.
    pub fn answered(problem: Problem) -> Self {
        let Problem { kind, code, message } = problem;
        match kind {
            ProblemKind::Malformed => Self::Usage(message),
            ProblemKind::NotFound => Self::NotFound(message),
            ProblemKind::Refused | ProblemKind::Conflict => Self::Refused { code, message },
            ProblemKind::Unavailable => Self::unavailable(message),
            ProblemKind::Internal => Self::Problem { code, message },
        }
    }

    /// The exit status.
    pub fn status(&self) -> u8 {
        match self {
            // Nobody reads on, as with `| head`: nothing went wrong.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Problem { .. } | Self::Garbled { .. } | Self::Output(_) | Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::NotFound(_) => 3,
            Self::Refused { .. } => 4,
            Self::Unavailable { .. } => 5,
        }
    }

    /// The code for machines.
    pub fn code(&self) -> &str {
        match self {
            Self::Usage(_) => "usage",
            Self::NotFound(_) => "not_found",
            Self::Refused { code, .. } | Self::Problem { code, .. } => code,
            Self::Unavailable { .. } => "unavailable",
            Self::Garbled { .. } => "garbled",
            Self::Output(_) | Self::Failed(_) => "failed",
        }
    }

    /// The failure with all its causes, in one text.
    pub fn text(&self) -> String {
        with_causes(self)
    }

    /// What is written to standard error with `--json`.
    pub fn json(&self) -> Value {
        json!({ "code": self.code(), "message": self.text() })
    }
}

impl From<BusError> for Failure {
    fn from(error: BusError) -> Self {
        match error {
            error @ (BusError::Unreachable { .. } | BusError::Request { .. }) => {
                let message = error.to_string();
                let (BusError::Unreachable { source, .. } | BusError::Request { source, .. }) =
                    error
                else {
                    unreachable!("matched above");
                };
                Self::Unavailable { message, source: Some(source) }
            }
            error @ BusError::Address { .. } => Self::Usage(with_causes(&error)),
            error @ BusError::NobodyAnswers { .. } => Self::unavailable(error.to_string()),
            error @ BusError::NotPermitted { .. } => {
                Self::Refused { code: "not_permitted".to_owned(), message: error.to_string() }
            }
            error => Self::Failed(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_service_answers_has_the_status_that_the_help_names() {
        for (kind, status) in [
            (ProblemKind::Malformed, 2),
            (ProblemKind::NotFound, 3),
            (ProblemKind::Refused, 4),
            (ProblemKind::Conflict, 4),
            (ProblemKind::Unavailable, 5),
            (ProblemKind::Internal, 1),
        ] {
            let problem = Problem::new(kind, "so", "it is so");
            assert_eq!(Failure::answered(problem).status(), status, "{kind:?}");
        }
    }
}
