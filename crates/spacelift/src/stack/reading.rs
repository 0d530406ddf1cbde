//! Reading stacks: all of them page by page, or some by their ids.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write,
    sync::atomic::Ordering,
};

use contracts::StackId;

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
        for ids in pages(ids) {
            let mut sight = self.sight();
            let data = loop {
                let fragment = (list_stacks::QUERY, "StackFields");
                let data = self.answer(&by_ids("GetStacks", fragment, ids, &sight.flags())).await;
                match self.less(sight, data.as_ref().err()) {
                    Some(less) => sight = less,
                    None => break data?,
                }
            };
            let found: HashMap<String, Option<list_stacks::StackFields>> =
                answer::read(&data, Nature::Questions)?;
            stacks.extend(found.into_values().flatten().map(Stack::from));
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
                input: list_stacks::SearchInput {
                    first: Some(PAGE),
                    after: after.clone(),
                    order_by: None,
                },
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

impl Sight {
    fn flags(self) -> [(&'static str, bool); 3] {
        [
            ("withState", self.state),
            ("withIntegrations", self.integrations),
            ("withSettings", self.settings),
        ]
    }
}

/// As many as are asked for at a time.
pub(crate) fn pages(ids: &[StackId]) -> impl Iterator<Item = &[StackId]> {
    ids.chunks(usize::try_from(PAGE).unwrap_or(1))
}

/// One document for some stacks, with a fragment of a file and what that asks for. It is built by
/// hand because their number is not known beforehand; the ids travel as variables all the same, so
/// that no id is ever read as GraphQL.
pub(crate) fn by_ids(
    operation: &'static str,
    (file, fragment): (&str, &str),
    ids: &[StackId],
    flags: &[(&str, bool)],
) -> Call {
    let (mut parameters, mut fields) = (Vec::new(), String::new());
    let mut variables = serde_json::Map::new();
    for (index, id) in ids.iter().enumerate() {
        parameters.push(format!("$s{index}: ID!"));
        write!(fields, "  s{index}: stack(id: $s{index}) {{\n    ...{fragment}\n  }}\n")
            .expect("memory takes it");
        variables.insert(format!("s{index}"), id.as_str().into());
    }
    for (name, is_set) in flags {
        parameters.push(format!("${name}: Boolean!"));
        variables.insert((*name).to_owned(), (*is_set).into());
    }
    let text = format!("query {operation}({}) {{\n{fields}}}", parameters.join(", "));
    Call {
        operation,
        document: document::with_fragments(file, &text),
        variables: variables.into(),
        nature: Nature::Questions,
        mark: None,
        until: None,
    }
}
