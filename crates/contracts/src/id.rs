//! Ids as types, with a prefix that people can read in a log.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ulid::Ulid;
use uuid::Uuid;

use crate::Text;

/// The namespace of all ids that are derived from what they name.
pub const NAMESPACE: Uuid = Uuid::from_u128(0x5bd0_6c1e_70aa_4b6f_9d2c_57ac_b1e5_0001);

/// An id that does not have the shape `<prefix>_<26 characters>`.
#[derive(Debug, thiserror::Error)]
#[error("`{given}` is not a {prefix} id; it should look like {prefix}_01j9zt3m6f0qv8x2c4r7n5k1dw")]
pub struct IdError {
    prefix: &'static str,
    given: String,
}

macro_rules! prefixed_id {
    (#[doc = $doc:literal] $name:ident, $prefix:literal) => {
        #[doc = $doc]
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub Uuid);

        impl $name {
            /// The id of the thing that `cause` and `name` determine: the same each time.
            pub fn derived(cause: &Uuid, name: &str) -> Self {
                Self(Uuid::new_v5(cause, name.as_bytes()))
            }

            /// The first and the last id whose text begins so; none if no id's does.
            pub fn beginning(text: &str) -> Option<RangeInclusive<Self>> {
                let given = text.strip_prefix(concat!($prefix, "_"))?;
                // The first of the 26 characters holds three bits, the others five.
                let highest = if given.is_empty() { "7zzzzzzzzzzzzzzzzzzzzzzzzz" } else { given };
                let first = format!(concat!($prefix, "_{:0<26}"), given).parse().ok()?;
                let last = format!(concat!($prefix, "_{:z<26}"), highest).parse().ok()?;
                Some(first..=last)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let text = Ulid::from(self.0).to_string().to_ascii_lowercase();
                write!(f, concat!($prefix, "_{}"), text)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(given: &str) -> Result<Self, IdError> {
                given
                    .strip_prefix(concat!($prefix, "_"))
                    .and_then(|text| Ulid::from_str(&text.to_ascii_uppercase()).ok())
                    .map(|ulid| Self(ulid.into()))
                    // 26 characters hold 130 bits. What does not fit would be cut off, and two
                    // texts would name one thing.
                    .filter(|id| id.to_string().eq_ignore_ascii_case(given))
                    .ok_or_else(|| IdError { prefix: $prefix, given: given.to_owned() })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "description": $doc.trim_ascii(),
                    "pattern": concat!("^", $prefix, "_[0-7][0-9a-hjkmnp-tv-z]{25}$"),
                })
            }
        }
    };
}

prefixed_id!(
    /// One chain: what follows from one change.
    ChainId,
    "chain"
);
prefixed_id!(
    /// One question to the policies, bound to what it asks about.
    GateId,
    "gate"
);

macro_rules! foreign_id {
    ($(#[$meta:meta])* $name:ident, $inner:ty) => {
        $(#[$meta])*
        #[derive(
            Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
        )]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// The id as its owner writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }
    };
}

foreign_id!(
    /// A Spacelift stack: a slug, such as `network-prod`.
    StackId,
    Text
);
foreign_id!(
    /// A Spacelift run: a ULID, such as `01EF9PFPNFFM2MQXTJKHK1B869`.
    RunId,
    String
);
foreign_id!(
    /// A Spacelift space: `root`, `legacy` or `<slug>-<ULID>`.
    SpaceId,
    Text
);
foreign_id!(
    /// A Git commit: 40 hexadecimal digits.
    CommitSha,
    String
);

impl CommitSha {
    /// As people write it: the first eight digits.
    pub fn short(&self) -> &str {
        self.0.get(..8).unwrap_or(&self.0)
    }

    /// Whether it is whole: 40 hexadecimal digits, or 64 in repositories that use SHA-256.
    pub fn is_whole(&self) -> bool {
        matches!(self.0.len(), 40 | 64) && self.0.bytes().all(|digit| digit.is_ascii_hexdigit())
    }
}

#[cfg(test)]
mod tests;
