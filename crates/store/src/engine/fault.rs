//! Why a batch could not be decided as a whole, by what is to be done about it.

use bus::Failure;

/// Why a batch could not be decided as a whole. Nothing was changed.
pub(super) enum Trouble {
    /// Some inputs, by their place in the batch, are to blame: decide the others without them.
    Poison(Vec<(usize, Failure)>),
    /// Somebody else answered one of these events meanwhile: recall it.
    Raced,
    /// The code around the decisions panicked.
    Panicked,
    /// The database is to blame, or what it was given.
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// What a database error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The database is away, stops, starts, or has no room: no input is to blame.
    Away,
    /// Two transactions met, and this one lost: the same again may do.
    Conflict,
    /// A row that this build cannot read: only a newer one can have written it.
    Newer,
    /// Something it was given.
    Input,
}

impl Fault {
    pub(super) fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed => Self::Away,
            sqlx::Error::Database(error) => {
                let code = error.code().unwrap_or_default();
                // Connections, resources, the system, shutting down or starting, a standby, a
                // transaction ended because we were frozen in it.
                let away = ["08", "53", "58", "57P", "25006", "25P03"];
                match &*code {
                    code if away.iter().any(|class| code.starts_with(class)) => Self::Away,
                    code if code.starts_with("40") => Self::Conflict,
                    _ => Self::Input,
                }
            }
            sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => Self::Newer,
            _ => Self::Input,
        }
    }
}

#[cfg(test)]
mod tests;
