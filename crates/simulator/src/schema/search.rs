//! Searching: predicates, order, pages of at most fifty.

use async_graphql::{InputObject, Result, SimpleObject};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::PAGE;

/// What is searched for, and which page of it.
#[derive(InputObject, Clone, Debug, Default)]
pub(crate) struct SearchInput {
    pub(super) first: Option<i32>,
    pub(super) after: Option<String>,
    pub(super) full_text_search: Option<String>,
    pub(super) predicates: Option<Vec<QueryPredicate>>,
    pub(super) order_by: Option<QueryOrder>,
}

/// One condition on one field.
#[derive(InputObject, Clone, Debug)]
pub(crate) struct QueryPredicate {
    pub(super) field: String,
    pub(super) constraint: QueryFieldConstraint,
    pub(super) exclude: Option<bool>,
}

/// What the field may be; one of the three is given.
#[derive(InputObject, Clone, Debug, Default)]
pub(crate) struct QueryFieldConstraint {
    pub(super) boolean_equals: Option<Vec<bool>>,
    pub(super) enum_equals: Option<Vec<String>>,
    pub(super) string_matches: Option<Vec<String>>,
}

/// Which field results are sorted by.
#[derive(InputObject, Clone, Debug)]
pub(crate) struct QueryOrder {
    pub(super) field: String,
    pub(super) direction: String,
}

/// Where a page lies in the whole.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct PageInfo {
    start_cursor: Option<String>,
    end_cursor: Option<String>,
    has_next_page: bool,
    has_previous_page: bool,
}

/// The value of a field, for a predicate to judge.
pub(super) enum Field {
    Text(String),
    Texts(Vec<String>),
    Flag(bool),
}

impl QueryPredicate {
    /// Whether a thing with this value passes. Values within one predicate are alternatives.
    pub(super) fn admits(&self, value: &Field) -> bool {
        let constraint = &self.constraint;
        let named = |text: &String| {
            let lists = [&constraint.enum_equals, &constraint.string_matches];
            lists.into_iter().flatten().any(|list| list.contains(text))
        };
        let hit = match value {
            Field::Text(text) => named(text),
            Field::Texts(texts) => texts.iter().any(named),
            Field::Flag(flag) => {
                constraint.boolean_equals.as_ref().is_some_and(|list| list.contains(flag))
            }
        };
        hit != self.exclude.unwrap_or(false)
    }
}

impl SearchInput {
    pub(super) fn size(&self) -> usize {
        let asked = self.first.and_then(|first| usize::try_from(first).ok()).unwrap_or(PAGE);
        asked.clamp(1, PAGE)
    }

    /// The key that the last page ended with.
    pub(super) fn after_key(&self) -> Result<Option<String>> {
        let Some(cursor) = self.after.as_deref().filter(|cursor| !cursor.is_empty()) else {
            return Ok(None);
        };
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).map_err(|_| "invalid cursor")?;
        Ok(Some(String::from_utf8(bytes).map_err(|_| "invalid cursor")?))
    }

    pub(super) fn descending(&self) -> bool {
        self.order_by.as_ref().is_some_and(|order| order.direction.eq_ignore_ascii_case("DESC"))
    }
}

pub(super) fn cursor(key: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(key)
}

/// Takes one page from `items`, which are in order and start after the cursor.
pub(super) fn page<T>(
    input: &SearchInput,
    items: impl Iterator<Item = T>,
    key: impl Fn(&T) -> String,
) -> (Vec<(String, T)>, PageInfo) {
    let size = input.size();
    let mut taken: Vec<(String, T)> =
        items.take(size + 1).map(|item| (cursor(&key(&item)), item)).collect();
    let has_next_page = taken.len() > size;
    taken.truncate(size);
    let info = PageInfo {
        start_cursor: taken.first().map(|(cursor, _)| cursor.clone()),
        end_cursor: taken.last().map(|(cursor, _)| cursor.clone()),
        has_next_page,
        has_previous_page: input.after.as_deref().is_some_and(|cursor| !cursor.is_empty()),
    };
    (taken, info)
}
