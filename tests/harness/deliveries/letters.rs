//! What is sent, and in which order: all of it follows from a seed, so that two runs, and two
//! processes, speak of the same.

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{accounts::REPOSITORY, github};

/// So many lines of stacks there are for pushes to touch.
pub(super) const LINES: usize = 8;
/// How far a delivery that comes out of order may fall behind.
const BEHIND_MAX: usize = 400;
/// How long after the first the second of two comes.
const DOUBLED_AFTER_MAX: usize = 100;

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// What everything random is drawn from.
    pub seed: u64,
    /// How many different deliveries there are.
    pub count: usize,
    /// How many are sent each second; 0 for as many as are accepted.
    pub per_second: u32,
    /// Whether a tenth each is dropped, doubled and out of order.
    pub stormy: bool,
}

/// One delivery.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Letter {
    pub(super) guid: String,
    pub(super) event: &'static str,
    pub(super) payload: Value,
}

/// One step of the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// This delivery gets lost on its way.
    Lose(usize),
    /// It is sent.
    Send(usize),
    /// It is sent once more: by whoever has caught it, under another id.
    Repeat(usize),
}

impl Plan {
    /// Every step, in its order.
    pub fn acts(&self) -> Vec<Act> {
        let mut placed = Vec::with_capacity(self.count + self.count / 8);
        let mut rng = StdRng::seed_from_u64(self.seed);
        for number in 0..self.count {
            match rng.random_range(0..10) {
                0 if self.stormy => placed.push((number, Act::Lose(number))),
                1 if self.stormy => {
                    let after = number + rng.random_range(1..DOUBLED_AFTER_MAX);
                    let again = match rng.random() {
                        true => Act::Repeat(number),
                        false => Act::Send(number),
                    };
                    placed.extend([(number, Act::Send(number)), (after, again)]);
                }
                2 if self.stormy => {
                    let late = number + rng.random_range(1..BEHIND_MAX);
                    placed.push((late, Act::Send(number)));
                }
                _ => placed.push((number, Act::Send(number))),
            }
        }
        // Stable: what has one place stays in its order.
        placed.sort_by_key(|(place, _)| *place);
        placed.into_iter().map(|(_, act)| act).collect()
    }

    /// The delivery of this number.
    pub(super) fn letter(&self, number: usize) -> Letter {
        let digest = hex::encode(Sha256::digest(format!("{}/{number}", self.seed)));
        let commit = &digest[..40];
        let guid = Uuid::from_u128((u128::from(self.seed) << 64) | number as u128).to_string();
        let stack = format!("stacks/s{}-0/main.tf", number % LINES);
        let (event, payload) = match number % 10 {
            0..3 => ("push", github::push(commit, &[&stack])),
            3..5 => {
                let branch = format!("refs/heads/topic-{}", number % 97);
                ("push", github::push_to(&branch, commit, &[&stack]))
            }
            5 | 6 => ("pull_request", github::pull_request(number as u64 + 1, commit)),
            7 => ("issue_comment", comment(number, "stackly plan")),
            8 => ("issue_comment", comment(number, "Looks good to me.")),
            _ => ("push", strange(number, commit)),
        };
        Letter { guid, event, payload }
    }
}

/// A comment at a pull request that nobody opened.
fn comment(number: usize, text: &str) -> Value {
    let mut comment = github::comment(number as u64 + 10_000_000, text);
    comment["comment"]["id"] = json!(number + 1);
    comment
}

/// A push that cannot be read, or of a repository that nobody listens to.
fn strange(number: usize, commit: &str) -> Value {
    let mut push = github::push(commit, &["a.tf"]);
    match number % 20 {
        9 => push["ref"] = json!(number),
        _ => push["repository"]["full_name"] = json!(REPOSITORY.replace("acme", "elsewhere")),
    }
    push
}
