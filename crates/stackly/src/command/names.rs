//! Ids as people type them: in full, or as much of the beginning as is unique.

use std::{fmt::Display, io};

use clap::Args;
use contracts::ChainId;
use executor::ChainLine;
use nix::unistd::{User, getuid};
use serde_json::json;

use super::desk::{Desk, read};
use crate::failure::Failure;

/// Only so many of the newest chains are searched for the beginning of an id.
const SEARCHED: usize = 500;
/// A message does not list more than this.
const LISTED: usize = 10;

/// The chain that is meant.
pub(crate) async fn chain(desk: &Desk, given: &str) -> Result<ChainId, Failure> {
    let start = beginning(given)?;
    if let Ok(chain) = start.parse() {
        return Ok(chain);
    }
    let lines = desk.ask("executor", "chains", json!({ "limit": SEARCHED })).await?;
    let lines: Vec<ChainLine> = read("executor", lines)?;
    let chains: Vec<ChainId> = lines.iter().map(|line| line.chain).collect();
    one_of(&chains, &start)
}

/// Who says something.
#[derive(Debug, Clone, Args)]
pub(crate) struct Who {
    /// Your name as the policies know it [default: your login on this machine]
    #[arg(long = "as", value_name = "USER", env = "STACKLY_USER")]
    by: Option<String>,
}

impl Who {
    /// The name that was given, or the login on this machine.
    pub(crate) fn name(&self) -> Result<String, Failure> {
        if let Some(by) = &self.by {
            return Ok(by.clone());
        }
        let user =
            User::from_uid(getuid()).map_err(|error| Failure::Output(io::Error::from(error)))?;
        user.map(|user| user.name).ok_or_else(|| {
            let text = "your user has no name on this machine; say who you are with --as";
            Failure::Usage(text.to_owned())
        })
    }
}

/// The one chain whose id begins so.
fn one_of(chains: &[ChainId], start: &str) -> Result<ChainId, Failure> {
    let found: Vec<&ChainId> =
        chains.iter().filter(|chain| chain.to_string().starts_with(start)).collect();
    match found.as_slice() {
        [] if chains.len() >= SEARCHED => Err(Failure::NotFound(format!(
            "none of the newest {SEARCHED} chains begins with {start}; give the whole id"
        ))),
        [] => Err(Failure::NotFound(format!(
            "no chain begins with {start}; `stackly chains` lists what there is"
        ))),
        [chain] => Ok(**chain),
        several => Err(ambiguous("chains", start, several)),
    }
}

/// Several ids begin so.
pub(crate) fn ambiguous<T: Display>(nouns: &str, start: &str, ids: &[T]) -> Failure {
    let listed: String = ids.iter().take(LISTED).map(|id| format!("\n  {id}")).collect();
    let number = ids.len();
    Failure::Usage(format!("{number} {nouns} begin with {start}; give more of the id:{listed}"))
}

/// What a person typed as the beginning of a chain's id, as ids are written.
pub(crate) fn beginning(given: &str) -> Result<String, Failure> {
    let lower = given.trim().to_ascii_lowercase();
    let tail = lower.strip_prefix("chain_").unwrap_or(&lower);
    let fits = |c: char| c.is_ascii_digit() || (c.is_ascii_lowercase() && !"ilou".contains(c));
    if tail.is_empty() || tail.len() > 26 || !tail.chars().all(fits) {
        return Err(Failure::Usage(format!(
            "`{}` is not a chain id, nor the beginning of one; it should look like \
             chain_01j9zt3m6f0qv8x2c4r7n5k1dw (`stackly chains` lists what there is)",
            crate::print::clean(given)
        )));
    }
    Ok(format!("chain_{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chains() -> Vec<ChainId> {
        ["chain_01j9zt3m6f0qv8x2c4r7n5k1dw", "chain_01j9aaaaaaaaaaaaaaaaaaaaaa"]
            .map(|text| text.parse().unwrap())
            .into()
    }

    #[test]
    fn a_unique_beginning_names_a_chain_with_and_without_its_prefix() {
        for given in ["chain_01j9z", "01J9Z", " 01j9zt3m6f0qv8x2c4r7n5k1dw "] {
            let start = beginning(given).unwrap();
            assert_eq!(one_of(&chains(), &start).unwrap(), chains()[0], "{given}");
        }
    }

    #[test]
    fn an_ambiguous_beginning_lists_what_begins_so() {
        let failure = one_of(&chains(), &beginning("01j9").unwrap()).unwrap_err();
        assert_eq!(failure.status(), 2);
        for chain in chains() {
            assert!(failure.text().contains(&chain.to_string()), "{}", failure.text());
        }
    }

    #[test]
    fn an_unknown_beginning_is_not_found() {
        assert_eq!(one_of(&chains(), "chain_7").unwrap_err().status(), 3);
    }

    #[test]
    fn what_cannot_be_an_id_is_a_usage_error() {
        for given in ["", "chain_", "hello", "01j9zt3m6f0qv8x2c4r7n5k1dw0", "a/b", "\u{1b}[2J"] {
            assert_eq!(beginning(given).unwrap_err().status(), 2, "{given}");
        }
    }
}
