//! Reading stacks: all of them page by page, or some by their ids.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write,
    sync::atomic::Ordering,
};

use contracts::StackId;
use serde_json::value::RawValue;

use super::{ListStacks, PAGE, Stack, list_stacks};
use crate::{
    Client, Error,
    answer::{self, Nature, is_closed_to_machines},
    document,
    transport::Call,
};

/// What of stacks is asked for that not every key may see, and not every version has.
#[derive(Clone, Copy)]
struct Sight {
    state: bool,
    integrations: bool,
    settings: bool,
}

impl Client {
    /// All stacks our API key may see, with what they depend on.
    pub async fn stacks(&self) -> Result<Vec<Stack>, Error> {
        let mut stacks = Vec::new();
        // The list may shift while it is paged through.
        let mut seen = HashSet::new();
        let mut after = None;
        loop {
            let page = self.stack_page(after.clone()).await?;
            let found = page.edges.into_iter().map(|edge| Stack::from(edge.node));
            stacks.extend(found.filter(|stack| seen.insert(stack.id.clone())));
            if !page.page_info.has_next_page {
                return Ok(stacks);
            }
            let end = page.page_info.end_cursor;
            if end.is_none() || end == after {
                return Err(Nature::Question.garbled("a next page without a way to it"));
            }
            after = end;
        }
    }

    /// Those of these stacks that there are and that our API key may see, with one request for each
    /// page of them.
    pub async fn stacks_of(&self, ids: &[StackId]) -> Result<Vec<Stack>, Error> {
        let mut stacks = Vec::with_capacity(ids.len());
        for ids in ids.chunks(usize::try_from(PAGE).unwrap_or(1)) {
            let mut sight = self.sight();
            let data = loop {
                let data = self.answer(&named(ids, sight)).await;
                match self.less(sight, data.as_ref().err()) {
                    Some(less) => sight = less,
                    None => break data?,
                }
            };
            let nature = Nature::Questions;
            let found: HashMap<String, Option<Box<RawValue>>> = answer::read(&data, nature)?;
            for stack in found.into_values().flatten() {
                stacks.push(answer::read::<list_stacks::StackFields>(&stack, nature)?.into());
            }
        }
        Ok(stacks)
    }

    async fn stack_page(
        &self,
        after: Option<String>,
    ) -> Result<list_stacks::ListStacksSearchStacks, Error> {
        let mut sight = self.sight();
        loop {
            let Sight { state, integrations, settings } = sight;
            let variables = list_stacks::Variables {
                input: list_stacks::SearchInput { first: Some(PAGE), after: after.clone() },
                with_state: state,
                with_integrations: integrations,
                with_settings: settings,
            };
            let page = self.ask::<ListStacks>(variables, Nature::Question).await;
            match self.less(sight, page.as_ref().err()) {
                Some(less) => sight = less,
                None => return Ok(page?.search_stacks),
            }
        }
    }

    /// Everything that we may see as far as we know.
    fn sight(&self) -> Sight {
        Sight {
            state: self.inner.sees_stack_states.load(Ordering::Relaxed),
            integrations: self.inner.sees_integrations.load(Ordering::Relaxed),
            settings: self.inner.sees_settings.load(Ordering::Relaxed),
        }
    }

    /// The less that is to be asked for after a refusal: what our key may not see must not hide the
    /// stacks. After an answer, no more is asked for from then on.
    fn less(&self, asked: Sight, error: Option<&Error>) -> Option<Sight> {
        let inner = &self.inner;
        match error {
            Some(error) if asked.state && is_closed_to_machines(error) => {
                inner.sees_stack_states.store(false, Ordering::Relaxed);
                Some(Sight { state: false, ..asked })
            }
            Some(Error::Refused { .. }) if asked.integrations || asked.settings => {
                let (integrations, settings) = match (asked.integrations, asked.settings) {
                    (true, true) => (false, true),
                    (false, true) => (inner.sees_integrations.load(Ordering::Relaxed), false),
                    _ => (false, false),
                };
                Some(Sight { integrations, settings, ..asked })
            }
            Some(_) => None,
            None => {
                inner.sees_integrations.fetch_and(asked.integrations, Ordering::Relaxed);
                inner.sees_settings.fetch_and(asked.settings, Ordering::Relaxed);
                None
            }
        }
    }
}

/// One document for some stacks. It is built by hand because their number is not known beforehand;
/// the ids travel as variables all the same, so that no id is ever read as GraphQL.
fn named(ids: &[StackId], sight: Sight) -> Call {
    let (mut parameters, mut fields) = (String::new(), String::new());
    let mut variables = serde_json::Map::new();
    for (index, id) in ids.iter().enumerate() {
        write!(parameters, "$s{index}: ID!, ").expect("memory takes it");
        write!(fields, "  s{index}: stack(id: $s{index}) {{\n    ...StackFields\n  }}\n")
            .expect("memory takes it");
        variables.insert(format!("s{index}"), id.as_str().into());
    }
    let sights = [
        ("withState", sight.state),
        ("withIntegrations", sight.integrations),
        ("withSettings", sight.settings),
    ];
    variables.extend(sights.map(|(name, is_seen)| (name.to_owned(), is_seen.into())));
    let operation = format!(
        "query GetStacks({parameters}$withState: Boolean!, $withIntegrations: Boolean!, \
         $withSettings: Boolean!) {{\n{fields}}}"
    );
    Call {
        operation: "GetStacks",
        document: document::with_fragments(list_stacks::QUERY, &operation),
        variables: variables.into(),
        nature: Nature::Questions,
        mark: None,
    }
}
