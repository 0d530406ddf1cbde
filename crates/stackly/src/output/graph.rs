//! The graph, for Graphviz and for Mermaid.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use contracts::{StackId, chain::PlannedEdge};
use planner::{question::GraphPage, what_if::because};

/// What hangs together with these stacks; those that nobody knows, if there are some.
pub(crate) fn around(page: GraphPage, stacks: &[String]) -> Result<GraphPage, Vec<String>> {
    let ends = page.edges.iter().flat_map(|edge| [&edge.parent, &edge.child]);
    let known: BTreeSet<&str> = ends.chain(&page.alone).map(StackId::as_str).collect();
    let unknown = stacks.iter().filter(|stack| !known.contains(stack.as_str()));
    let unknown: Vec<String> = unknown.cloned().collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    let is_meant = |stack: &StackId| stacks.iter().any(|meant| meant == stack.as_str());
    let alone = page.alone.into_iter().filter(is_meant).collect();
    Ok(GraphPage { alone, edges: among(page.edges, stacks), ..page })
}

/// The edges among all that leads to these stacks or follows from them.
fn among(edges: Vec<PlannedEdge>, stacks: &[String]) -> Vec<PlannedEdge> {
    let reach = |is_down: bool| {
        let mut from: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for PlannedEdge { parent, child, .. } in &edges {
            let (parent, child) = (parent.as_str(), child.as_str());
            let (start, end) = if is_down { (parent, child) } else { (child, parent) };
            from.entry(start).or_default().push(end);
        }
        let mut reached: BTreeSet<String> = stacks.iter().cloned().collect();
        let mut open: Vec<&str> = stacks.iter().map(String::as_str).collect();
        while let Some(stack) = open.pop() {
            for &next in from.get(stack).map_or(&[][..], Vec::as_slice) {
                if reached.insert(next.to_owned()) {
                    open.push(next);
                }
            }
        }
        reached
    };
    let (up, down) = (reach(false), reach(true));
    let within = |edge: &PlannedEdge, set: &BTreeSet<String>| {
        set.contains(edge.parent.as_str()) && set.contains(edge.child.as_str())
    };
    edges.into_iter().filter(|edge| within(edge, &up) || within(edge, &down)).collect()
}

/// For `dot -Tsvg`.
pub(crate) fn dot(page: &GraphPage) -> String {
    let mut text = format!("// graph {}\ndigraph stacks {{\n  rankdir = LR;\n", page.version);
    for PlannedEdge { parent, child, origins } in &page.edges {
        let (parent, child) = (quoted(parent.as_str()), quoted(child.as_str()));
        let label = quoted(&because(origins));
        let _ = writeln!(text, "  {parent} -> {child} [tooltip = {label}];");
    }
    for stack in &page.alone {
        let _ = writeln!(text, "  {};", quoted(stack.as_str()));
    }
    text.push_str("}\n");
    text
}

/// For Markdown that draws Mermaid. Names of nodes are numbers there; ids are their labels.
pub(crate) fn mermaid(page: &GraphPage) -> String {
    let ends = page.edges.iter().flat_map(|edge| [edge.parent.as_str(), edge.child.as_str()]);
    let names: BTreeSet<&str> = ends.chain(page.alone.iter().map(StackId::as_str)).collect();
    let numbers: BTreeMap<&str, usize> =
        names.iter().enumerate().map(|(number, name)| (*name, number)).collect();
    let mut text = format!("%% graph {}\ngraph LR\n", page.version);
    for (name, number) in &numbers {
        let _ = writeln!(text, "  s{number}[\"{}\"]", name.replace('"', "#quot;"));
    }
    for edge in &page.edges {
        let (parent, child) = (numbers[edge.parent.as_str()], numbers[edge.child.as_str()]);
        let _ = writeln!(text, "  s{parent} --> s{child}");
    }
    text
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use contracts::chain::{EdgeOrigin, PlannedEdge};

    use super::{GraphPage, among, around, dot, mermaid};

    fn edge(parent: &str, child: &str) -> PlannedEdge {
        let (file, line, outputs) = ("a\"b.hcl".to_owned(), 3, Vec::new());
        let origins = vec![EdgeOrigin::Declared { file, line, outputs }].into();
        PlannedEdge { parent: parent.into(), child: child.into(), origins }
    }

    fn page(edges: Vec<PlannedEdge>) -> GraphPage {
        let (as_of, alone) = (chrono::DateTime::UNIX_EPOCH, Vec::new());
        GraphPage { version: 4, as_of, edges, alone, next: None }
    }

    #[test]
    fn graphviz_and_mermaid_get_every_edge() {
        let page = page(vec![edge("net", "app")]);
        assert_eq!(
            dot(&page),
            "// graph 4\ndigraph stacks {\n  rankdir = LR;\n  \"net\" -> \"app\" \
             [tooltip = \"declared at a\\\"b.hcl:3\"];\n}\n"
        );
        assert_eq!(
            mermaid(&page),
            "%% graph 4\ngraph LR\n  s0[\"app\"]\n  s1[\"net\"]\n  s1 --> s0\n"
        );
    }

    #[test]
    fn a_stack_without_edges_is_shown_and_one_that_nobody_knows_is_not_passed_over() {
        let whole = || GraphPage { alone: vec!["lone".into()], ..page(vec![edge("a", "b")]) };
        assert!(dot(&whole()).ends_with("  \"lone\";\n}\n"));
        assert!(mermaid(&whole()).contains("s2[\"lone\"]"));
        let around = |stacks: &[&str]| {
            let stacks: Vec<_> = stacks.iter().map(|&stack| stack.to_owned()).collect();
            around(whole(), &stacks)
        };
        let lone = around(&["lone"]).unwrap();
        assert_eq!((lone.edges.len(), lone.alone.len()), (0, 1));
        assert!(around(&["a"]).unwrap().alone.is_empty());
        assert_eq!(around(&["a", "x"]).unwrap_err(), ["x"]);
    }

    #[test]
    fn around_a_stack_is_what_leads_to_it_and_what_follows_from_it() {
        let edges = vec![edge("a", "b"), edge("b", "c"), edge("a", "x"), edge("y", "c")];
        let kept: Vec<_> = among(edges, &["b".to_owned()])
            .iter()
            .map(|edge| format!("{}>{}", edge.parent, edge.child))
            .collect();
        assert_eq!(kept, ["a>b", "b>c"]);
    }
}
