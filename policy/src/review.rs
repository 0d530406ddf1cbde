//! What people say about a gate.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::person;

/// A person said yes or no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Made by who sent it: the same review sent twice is one.
    pub id: Uuid,
    /// Who.
    pub by: String,
    /// Yes or no.
    pub approve: bool,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When it was taken down.
    pub at: DateTime<Utc>,
}

/// The newest review of each person, in the order in which they were given.
pub fn newest(reviews: &[Review]) -> Vec<&Review> {
    let is_newest = |(index, review): &(usize, &Review)| {
        let later = &reviews[index + 1..];
        !later.iter().any(|other| person(&other.by) == person(&review.by))
    };
    reviews.iter().enumerate().filter(is_newest).map(|(_, review)| review).collect()
}
