//! A file of Terraform or Terragrunt, whether it is written as HCL or as JSON: blocks,
//! attributes, and expressions small enough to keep.

mod expression;
mod from_json;
mod trim;

use hcl_edit::{Span, structure};
use located::{Fault, Source};

pub(crate) use expression::{Expr, Step};
pub(crate) use trim::trimmed;

/// What is inside of a file or of a block.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Body {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) blocks: Vec<Block>,
}

/// `key = …`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Attribute {
    pub(crate) key: String,
    pub(crate) line: usize,
    pub(crate) value: Expr,
    /// How the value is written.
    pub(crate) written: String,
}

/// `kind "label" { … }`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Block {
    pub(crate) kind: String,
    pub(crate) labels: Vec<String>,
    pub(crate) line: usize,
    pub(crate) body: Body,
}

impl Body {
    pub(crate) fn attribute(&self, key: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.key == key)
    }

    pub(crate) fn value(&self, key: &str) -> Option<&Expr> {
        self.attribute(key).map(|attribute| &attribute.value)
    }

    /// A value that is written down and not computed.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.value(key)?.as_text()
    }

    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        match self.value(key)? {
            Expr::Literal(value) => value.as_bool(),
            _ => None,
        }
    }

    pub(crate) fn blocks(&self, kind: &str) -> impl Iterator<Item = &Block> {
        self.blocks.iter().filter(move |block| block.kind == kind)
    }

    /// Calls `see` with every function that is called in it, and with what it is given.
    pub(crate) fn calls<'a>(&'a self, see: &mut dyn FnMut(&'a str, &'a [Expr])) {
        for attribute in &self.attributes {
            attribute.value.walk(&mut |expression| {
                if let Expr::Call(name, arguments) = expression {
                    see(name, arguments);
                }
            });
        }
        self.blocks.iter().for_each(|block| block.body.calls(see));
    }
}

impl Block {
    pub(crate) fn label(&self, at: usize) -> &str {
        self.labels.get(at).map_or("", String::as_str)
    }
}

/// Reads a file, by its name as HCL or as JSON.
pub(crate) fn parse(source: Source<'_>) -> Result<Body, Fault> {
    if source.file.ends_with(".json") {
        return from_json::parse(source);
    }
    let body = located::parse(source)?;
    Ok(converted(&body, &Lines::new(source.text)))
}

/// Where lines begin, so that a line is found without counting from the beginning each time.
struct Lines<'a> {
    text: &'a str,
    begins: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Self { text, begins: std::iter::once(0).chain(ends).collect() }
    }

    fn of(&self, span: Option<std::ops::Range<usize>>) -> usize {
        let at = span.map_or(0, |span| span.start);
        self.begins.partition_point(|begin| *begin <= at).max(1)
    }
}

fn converted(body: &structure::Body, lines: &Lines<'_>) -> Body {
    let mut read = Body::default();
    for attribute in body.attributes() {
        let written = attribute.value.span().and_then(|span| lines.text.get(span));
        read.attributes.push(Attribute {
            key: attribute.key.as_str().to_owned(),
            line: lines.of(attribute.key.span()),
            value: Expr::new(&attribute.value),
            written: written.unwrap_or_default().trim().to_owned(),
        });
    }
    for block in body.blocks() {
        read.blocks.push(Block {
            kind: block.ident.as_str().to_owned(),
            labels: block.labels.iter().map(|label| label.as_str().to_owned()).collect(),
            line: lines.of(block.ident.span()),
            body: converted(&block.body, lines),
        });
    }
    read
}

#[cfg(test)]
mod tests;
