//! The one trait that makes a struct a message of the pipeline.

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::Envelope;

/// One message of the pipeline, in its current shape.
///
/// A new optional field is no new version. A changed meaning is, and so is a field that was always
/// there and may be missing now, because who reads the old shape would miss it: raise
/// [`Message::VERSION`], freeze the old shape as a snapshot and teach [`Message::upgrade`] to read
/// it. Who reads older shapes alone gets such a message again until a newer build takes it.
///
/// A new value of a closed list is no new version either: who does not know it gets that one message
/// again, and goes on reading all the others ([`UpgradeError::NewValue`], ADR 34).
pub trait Message: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// Noun and past participle (events: `chain.planned`) or imperative (commands:
    /// `gate.approve`).
    const TYPE: &'static str;
    /// The shape this build writes; older shapes are raised to it by [`Message::upgrade`].
    const VERSION: u32 = 1;
    /// The oldest shape whose bodies can be read as those of this one: nothing but what it may leave
    /// out has changed since.
    const READ_AS_IS_SINCE: u32 = Self::VERSION;
    /// What the message means, in one sentence, for `docs/EVENTS.md`.
    const MEANING: &'static str;

    /// What people would ask for to find this message: the last subject token.
    fn key(&self) -> String;

    /// Raises a body written as `version` to the current shape.
    fn upgrade(version: u32, body: Value) -> Result<Self, UpgradeError> {
        if version > Self::VERSION {
            return Err(UpgradeError::Newer { kind: Self::TYPE, version });
        }
        if version < Self::READ_AS_IS_SINCE {
            return Err(UpgradeError::Unsupported { kind: Self::TYPE, version });
        }
        serde_json::from_value(body).map_err(|source| UpgradeError::unread(Self::TYPE, source))
    }
}

/// Everything one consumer takes: usually an enum with a variant for each message type.
pub trait Inbound: Sized + Send + Sync + 'static {
    /// The message types this consumer subscribes to.
    const TAKES: &'static [&'static str];

    /// Reads an envelope whose type is one of [`Inbound::TAKES`].
    fn read(kind: &str, version: u32, body: Value) -> Result<Self, UpgradeError>;
}

/// Writes an [`Inbound`] enum: its variants, the types it takes, and how each is read.
///
/// Variants after `also` never come over the bus (results of effects, wake-ups); they are read
/// from nowhere and exist so that one `match` decides everything.
#[macro_export]
macro_rules! inbound {
    ($(#[$meta:meta])* $vis:vis enum $name:ident {
        $($variant:ident($message:ty)),* $(,)?
        $(; also $($(#[$local_meta:meta])* $local:ident($body:ty)),* $(,)?)?
    }) => {
        $(#[$meta])*
        $vis enum $name {
            $($variant($message),)*
            $($($(#[$local_meta])* $local($body),)*)?
        }

        impl $crate::Inbound for $name {
            const TAKES: &'static [&'static str] =
                &[$(<$message as $crate::Message>::TYPE),*];

            fn read(
                kind: &str,
                version: u32,
                body: ::serde_json::Value,
            ) -> Result<Self, $crate::UpgradeError> {
                $(if kind == <$message as $crate::Message>::TYPE {
                    return <$message as $crate::Message>::upgrade(version, body)
                        .map(Self::$variant);
                })*
                Err($crate::UpgradeError::Unexpected { kind: kind.to_owned() })
            }
        }
    };
}

/// A message, an answer or a call as the plain data it is.
///
/// # Panics
/// If it is not: everything of ours that is kept or sent is structs, enums and maps with names.
pub fn plain<T: Serialize + ?Sized>(value: &T) -> Value {
    serde_json::to_value(value).expect("what is ours is plain data")
}

impl<B> Envelope<B> {
    /// The same envelope around another body.
    pub fn map<T>(self, body: impl FnOnce(B) -> T) -> Envelope<T> {
        let Self { id, kind, version, key, source, time, correlation, causation, trace, .. } = self;
        let body = body(self.body);
        Envelope { id, kind, version, key, source, time, correlation, causation, trace, body }
    }
}

impl Envelope<Value> {
    /// Reads the body as what the consumer takes.
    pub fn read<I: Inbound>(self) -> Result<Envelope<I>, UpgradeError> {
        let mut envelope = self;
        let body = I::read(&envelope.kind, envelope.version, envelope.body.take())?;
        Ok(envelope.map(|_| body))
    }
}

/// Why a message cannot be read by this build.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// Written by a newer build: another replica may read it already.
    #[error("{kind} has version {version}, which is newer than this build; upgrade this service")]
    Newer {
        /// The message type.
        kind: &'static str,
        /// The version found in the header.
        version: u32,
    },
    /// So old that its reader was dropped.
    #[error("{kind} has version {version}, which this build does not read any more")]
    Unsupported {
        /// The message type.
        kind: &'static str,
        /// The version found in the header.
        version: u32,
    },
    /// A value of a closed list that this build does not know, so that a newer one wrote it: as
    /// [`UpgradeError::Newer`], for this message alone.
    #[error("{kind} has a value that is newer than this build; upgrade this service")]
    NewValue {
        /// The message type.
        kind: &'static str,
        /// The value, and those that are known.
        source: serde_json::Error,
    },
    /// The body does not have the shape its header names.
    #[error("the body is not a valid {kind}")]
    Unreadable {
        /// The message type.
        kind: &'static str,
        /// What does not fit, with the field.
        source: serde_json::Error,
    },
    /// This build does not take this type, but a newer one that shares the consumer does.
    #[error("{kind} is not taken by this build, but by a newer one; upgrade this service")]
    Unexpected {
        /// The message type found.
        kind: String,
    },
}

impl UpgradeError {
    /// That a value is none of a closed list, serde says in its text alone.
    fn unread(kind: &'static str, source: serde_json::Error) -> Self {
        match source.to_string().starts_with("unknown variant `") {
            true => Self::NewValue { kind, source },
            false => Self::Unreadable { kind, source },
        }
    }

    /// Whether a newer build wrote it, and reads it.
    pub fn is_of_newer_build(&self) -> bool {
        matches!(self, Self::Newer { .. } | Self::NewValue { .. } | Self::Unexpected { .. })
    }
}

#[cfg(test)]
mod tests;
