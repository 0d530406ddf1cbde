//! Names of people, which are compared alike wherever somebody says one.

use std::borrow::Cow;

use crate::text::lower;

/// A name as it is compared: `@Ann` and `ann` are one.
pub fn plain(name: &str) -> Cow<'_, str> {
    let name = name.trim();
    lower(name.strip_prefix('@').unwrap_or(name))
}
