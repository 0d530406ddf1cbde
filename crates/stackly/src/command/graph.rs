//! `stackly graph`.

use clap::{Args, ValueEnum};
use contracts::StackId;
use planner::question::GraphPage;
use serde_json::json;

use super::desk::{Desk, read};
use crate::{failure::Failure, output::graph, print::Terminal};

/// How the graph is printed.
#[derive(Debug, Args)]
pub struct Options {
    /// Output format: Graphviz, Mermaid or JSON
    #[arg(long, value_enum, default_value_t = Format::Dot)]
    format: Format,
    /// Only stacks connected to these, by id
    #[arg(value_name = "STACK")]
    stacks: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Dot,
    Mermaid,
    Json,
}

pub(super) async fn run(
    options: &Options,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let mut whole = page(desk, None).await?;
    while let Some(after) = whole.next.take() {
        let next = page(desk, Some(after)).await?;
        let alone = [whole.alone, next.alone].concat();
        whole = GraphPage { edges: [whole.edges, next.edges].concat(), alone, ..next };
    }
    if !options.stacks.is_empty() {
        whole = graph::around(whole, &options.stacks).map_err(|unknown| {
            Failure::NotFound(format!(
                "no stack has the id {}; `stackly stacks WORD` finds ids by parts of names",
                unknown.join(", or ")
            ))
        })?;
    }
    let GraphPage { version, as_of, edges, alone, .. } = &whole;
    let document = json!({ "version": version, "as_of": as_of, "edges": edges, "alone": alone });
    match options.format {
        Format::Json => terminal.json(&document),
        Format::Dot => terminal.answer(&document, |_| graph::dot(&whole)),
        Format::Mermaid => terminal.answer(&document, |_| graph::mermaid(&whole)),
    }
}

async fn page(desk: &Desk, after: Option<StackId>) -> Result<GraphPage, Failure> {
    read("planner", desk.ask("planner", "graph", json!({ "after": after })).await?)
}
