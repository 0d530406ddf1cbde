//! One block of HCL, read key by key; what does not fit is noted with its place.

use std::{cell::RefCell, ops::Range};

use hcl_edit::{
    Span,
    expr::Expression,
    structure::{Attribute, Block, Body},
};

use crate::fault::{Fault, Source, nearest};

/// A file while it is read.
pub(super) struct Page<'a> {
    pub(super) source: Source<'a>,
    faults: RefCell<Vec<Fault>>,
}

/// A block of it, or the whole file.
#[derive(Clone)]
pub(super) struct Section<'a> {
    page: &'a Page<'a>,
    body: &'a Body,
    block: Option<&'a Block>,
}

/// A value and where it stands.
pub(super) type Placed<T> = (T, Range<usize>);

impl<'a> Page<'a> {
    pub(super) fn new(source: Source<'a>) -> Self {
        Self { source, faults: RefCell::default() }
    }

    pub(super) fn into_faults(self) -> Vec<Fault> {
        self.faults.into_inner()
    }
}

impl<'a> Section<'a> {
    pub(super) fn whole(page: &'a Page<'a>, body: &'a Body) -> Self {
        Self { page, body, block: None }
    }

    /// Notes a fault with the head of the block.
    pub(super) fn fault(&self, what: impl Into<String>, advice: impl Into<String>) {
        self.fault_at(self.head(), what, advice);
    }

    /// Notes a fault with a part of it.
    pub(super) fn fault_at(
        &self,
        span: Range<usize>,
        what: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.page.faults.borrow_mut().push(self.make_fault(span, what, advice));
    }

    /// A fault that need not be one.
    pub(super) fn make_fault(
        &self,
        span: Range<usize>,
        what: impl Into<String>,
        advice: impl Into<String>,
    ) -> Fault {
        self.page.source.fault(span, what, advice)
    }

    /// `file:line`.
    pub(super) fn place(&self) -> String {
        let line = self.make_fault(self.head(), "", "").place.map_or(1, |place| place.line);
        format!("{}:{line}", self.page.source.file)
    }

    /// Notes every attribute and block that is not in the lists.
    pub(super) fn only(&self, attributes: &[&str], blocks: &[&str]) {
        let inside = match self.block {
            Some(block) => format!("in `{}`", block.ident.as_str()),
            None => "at the top of a file".to_owned(),
        };
        let known = attributes.iter().chain(blocks).copied();
        let advice = |word: &str| match nearest(word, known.clone()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("known are {}", listed(known.clone())),
        };
        for attribute in self.body.attributes() {
            let key = attribute.key.as_str();
            let span = attribute.key.span().unwrap_or_default();
            if blocks.contains(&key) {
                let what = format!("`{key}` is a block, not an attribute");
                self.fault_at(span, what, format!("write `{key} {{ … }}`, without `=`"));
            } else if !attributes.contains(&key) {
                self.fault_at(span, format!("there is no `{key}` {inside}"), advice(key));
            }
        }
        for block in self.body.blocks() {
            let key = block.ident.as_str();
            let span = block.ident.span().unwrap_or_default();
            if attributes.contains(&key) {
                let what = format!("`{key}` is an attribute, not a block");
                self.fault_at(span, what, format!("write `{key} = …`"));
            } else if !blocks.contains(&key) {
                self.fault_at(span, format!("there is no block `{key}` {inside}"), advice(key));
            }
        }
    }

    /// Notes every block that stands there twice, or has a label it cannot use.
    pub(super) fn each_once(&self) {
        let mut seen = Vec::new();
        for block in self.body.blocks() {
            let key = block.ident.as_str();
            let span = block.ident.span().unwrap_or_default();
            if seen.contains(&key) {
                let what = format!("there is a block `{key}` in this policy already");
                self.fault_at(span.clone(), what, "put both into one, or write two policies");
            }
            if let Some(label) = block.labels.first() {
                let what = format!("a block `{key}` has no name");
                self.fault_at(label.span().unwrap_or(span), what, "delete the name");
            }
            seen.push(key);
        }
    }

    /// The one label of this block.
    pub(super) fn label(&self, kind: &str) -> Option<String> {
        match self.block.map(|block| block.labels.as_slice()) {
            Some([label]) if !label.as_str().trim().is_empty() => Some(label.as_str().to_owned()),
            _ => {
                let what = format!("a {kind} has exactly one name");
                self.fault(what, format!("write `{kind} \"name\" {{ … }}`"));
                None
            }
        }
    }

    pub(super) fn blocks(&self, name: &'a str) -> impl Iterator<Item = Section<'a>> + use<'a> {
        let page = self.page;
        self.body.get_blocks(name).map(move |block| Section {
            page,
            body: &block.body,
            block: Some(block),
        })
    }

    pub(super) fn block(&self, name: &'a str) -> Option<Section<'a>> {
        self.blocks(name).next()
    }

    /// Where an attribute stands, if it is there.
    pub(super) fn span_of(&self, key: &str) -> Option<Range<usize>> {
        self.body.get_attribute(key).and_then(|attribute| attribute.value.span())
    }

    /// A string.
    pub(super) fn text(&self, key: &str) -> Option<Placed<String>> {
        let attribute = self.body.get_attribute(key)?;
        self.string(attribute, &attribute.value, "a string")
    }

    /// A string or a list of strings. Empty if it is not there; an empty list is a fault.
    pub(super) fn texts(&self, key: &str) -> Vec<Placed<String>> {
        let Some(attribute) = self.body.get_attribute(key) else { return Vec::new() };
        let wanted = "a string or a list of strings";
        match &attribute.value {
            Expression::Array(array) if array.is_empty() => {
                let what = format!("`{key}` is an empty list");
                let span = attribute.value.span().unwrap_or_default();
                self.fault_at(span, what, "put something into it, or delete it");
                Vec::new()
            }
            Expression::Array(array) => {
                array.iter().filter_map(|item| self.string(attribute, item, wanted)).collect()
            }
            value => self.string(attribute, value, wanted).into_iter().collect(),
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        let attribute = self.body.get_attribute(key)?;
        let flag = attribute.value.as_bool();
        if flag.is_none() {
            self.mismatch(attribute, &attribute.value, "`true` or `false`");
        }
        flag
    }

    /// A whole number from one on.
    pub(super) fn count(&self, key: &str) -> Option<Placed<usize>> {
        let attribute = self.body.get_attribute(key)?;
        let number = attribute.value.as_number().and_then(hcl_edit::Number::as_u64);
        let count = number.and_then(|number| usize::try_from(number).ok()).filter(|n| *n > 0);
        if number == Some(0) {
            let span = attribute.value.span().unwrap_or_default();
            let advice = format!("`{key}` counts from 1; to ask for none, delete the block");
            self.fault_at(span, format!("`{key}` cannot be 0"), advice);
        } else if count.is_none() {
            self.mismatch(attribute, &attribute.value, "a whole number");
        }
        Some((count?, attribute.value.span().unwrap_or_default()))
    }

    fn string(
        &self,
        attribute: &Attribute,
        value: &Expression,
        wanted: &str,
    ) -> Option<Placed<String>> {
        match value.as_str() {
            Some(text) if !text.trim().is_empty() => {
                Some((text.to_owned(), value.span().unwrap_or_default()))
            }
            Some(_) => {
                let what = format!("`{}` has an empty string", attribute.key.as_str());
                let span = value.span().unwrap_or_default();
                self.fault_at(span, what, "put something into it, or delete it");
                None
            }
            None => {
                self.mismatch(attribute, value, wanted);
                None
            }
        }
    }

    fn mismatch(&self, attribute: &Attribute, value: &Expression, wanted: &str) {
        let key = attribute.key.as_str();
        let what = format!("`{key}` must be {wanted}, not {}", found(value));
        let advice = match value {
            Expression::Variable(word) => format!("put it in quotes: \"{}\"", word.as_str()),
            Expression::String(_) => "write it without quotes".to_owned(),
            Expression::Number(_) | Expression::Bool(_) if wanted.contains("string") => {
                "put it in quotes".to_owned()
            }
            _ => "policies are plain data: strings, numbers, true, false and lists".to_owned(),
        };
        self.fault_at(value.span().unwrap_or_default(), what, advice);
    }

    /// The block's name with its labels; for a file, its beginning.
    fn head(&self) -> Range<usize> {
        let Some(block) = self.block else { return 0..0 };
        let begin = block.ident.span().unwrap_or_default();
        let last = block.labels.last().and_then(Span::span);
        begin.start..last.map_or(begin.end, |last| last.end)
    }
}

fn found(value: &Expression) -> &'static str {
    match value {
        Expression::Null(_) => "null",
        Expression::Bool(_) => "a boolean",
        Expression::Number(_) => "this number",
        Expression::String(_) => "a string",
        Expression::Array(_) => "a list",
        Expression::Object(_) => "an object",
        Expression::StringTemplate(_) | Expression::HeredocTemplate(_) => "a template",
        Expression::Variable(_) => "a bare word",
        _ => "an expression",
    }
}

/// `` `a`, `b` and `c` ``.
pub(super) fn listed<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => words.join(""),
    }
}
