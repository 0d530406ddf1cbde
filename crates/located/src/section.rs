//! One block of HCL, read key by key; what does not fit is noted with its place.

use std::{cell::RefCell, ops::Range};

use hcl_edit::{
    Span,
    expr::Expression,
    structure::{Attribute, Block, Body},
};

use serde_json::Value;

use crate::{
    fault::{Fault, Source, listed, nearest},
    value::{control_in, control_in_text, found, plain},
};

/// A file while it is read.
#[derive(Debug)]
pub struct Page<'a> {
    /// What is read.
    pub source: Source<'a>,
    faults: RefCell<Vec<Fault>>,
}

/// A block of it, or the whole file.
#[derive(Debug, Clone)]
pub struct Section<'a> {
    page: &'a Page<'a>,
    body: &'a Body,
    block: Option<&'a Block>,
}

/// A value and where it stands.
pub type Placed<T> = (T, Range<usize>);

impl<'a> Page<'a> {
    /// Begins to read.
    pub fn new(source: Source<'a>) -> Self {
        Self { source, faults: RefCell::default() }
    }

    /// How many faults were noted so far.
    pub fn count(&self) -> usize {
        self.faults.borrow().len()
    }

    /// What was noted.
    pub fn into_faults(self) -> Vec<Fault> {
        self.faults.into_inner()
    }
}

impl<'a> Section<'a> {
    /// The whole file.
    pub fn whole(page: &'a Page<'a>, body: &'a Body) -> Self {
        Self { page, body, block: None }
    }

    /// Notes a fault with the head of the block.
    pub fn fault(&self, what: impl Into<String>, advice: impl Into<String>) {
        self.fault_at(self.head(), what, advice);
    }

    /// Notes a fault with a part of it.
    pub fn fault_at(&self, span: Range<usize>, what: impl Into<String>, advice: impl Into<String>) {
        self.page.faults.borrow_mut().push(self.make_fault(span, what, advice));
    }

    /// Notes a fault of another file, which this block names.
    pub fn note(&self, fault: Fault) {
        self.page.faults.borrow_mut().push(fault);
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// A fault that need not be one.
    pub fn make_fault(
        &self,
        span: Range<usize>,
        what: impl Into<String>,
        advice: impl Into<String>,
    ) -> Fault {
        self.page.source.fault(span, what, advice)
    }

    /// `file:line`.
    pub fn place(&self) -> String {
        let line = self.make_fault(self.head(), "", "").place.map_or(1, |place| place.line);
        format!("{}:{line}", self.page.source.file)
    }

    /// Notes every attribute and block that is not in the lists.
    pub fn only(&self, attributes: &[&str], blocks: &[&str]) {
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

    /// Notes every block that stands there twice, and every label of those that are `plain`.
    /// All others may stand there once for each label.
    pub fn each_once(&self, inside: &str, plain: &[&str]) {
        let mut seen = Vec::new();
        for block in self.body.blocks() {
            let key = block.ident.as_str();
            let span = block.ident.span().unwrap_or_default();
            let label = block.labels.first().map(|label| label.as_str());
            let name = label.filter(|_| !plain.contains(&key));
            if seen.contains(&(key, name)) {
                let named = name.map(|name| format!(" \"{name}\"")).unwrap_or_default();
                let what = format!("there is a block `{key}{named}` in this {inside} already");
                self.fault_at(span.clone(), what, "put both into one");
            }
            if let (Some(label), true) = (block.labels.first(), plain.contains(&key)) {
                let what = format!("a block `{key}` has no name");
                self.fault_at(label.span().unwrap_or(span), what, "delete the name");
            }
            seen.push((key, name));
        }
    }

    /// The one label of this block.
    pub fn label(&self, kind: &str) -> Option<String> {
        match self.block.map(|block| block.labels.as_slice()) {
            Some([label]) if control_in_text(label.as_str()).is_some() => {
                let what = format!("the name of this {kind} has a control character in it");
                self.fault(what, "take it out");
                None
            }
            Some([label]) if !label.as_str().trim().is_empty() => Some(label.as_str().to_owned()),
            _ => {
                let what = format!("a {kind} has exactly one name");
                self.fault(what, format!("write `{kind} \"name\" {{ … }}`"));
                None
            }
        }
    }

    /// The blocks of this name, in their order.
    pub fn blocks(&self, name: &'a str) -> impl Iterator<Item = Section<'a>> + use<'a> {
        let page = self.page;
        self.body.get_blocks(name).map(move |block| Section {
            page,
            body: &block.body,
            block: Some(block),
        })
    }

    /// The first block of this name.
    pub fn block(&self, name: &'a str) -> Option<Section<'a>> {
        self.blocks(name).next()
    }

    /// Where an attribute stands, if it is there.
    pub fn span_of(&self, key: &str) -> Option<Range<usize>> {
        self.body.get_attribute(key).and_then(|attribute| attribute.value.span())
    }

    /// A string.
    pub fn text(&self, key: &str) -> Option<Placed<String>> {
        let attribute = self.body.get_attribute(key)?;
        self.string(attribute, &attribute.value, "a string")
    }

    /// A string or a list of strings. Empty if it is not there; an empty list is a fault.
    pub fn texts(&self, key: &str) -> Vec<Placed<String>> {
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

    /// Whether it is there and says that there is nothing.
    pub fn is_empty_list(&self, key: &str) -> bool {
        let attribute = self.body.get_attribute(key);
        attribute
            .and_then(|attribute| attribute.value.as_array())
            .is_some_and(hcl_edit::expr::Array::is_empty)
    }

    /// The name of the file.
    pub fn file(&self) -> &'a str {
        self.page.source.file
    }

    /// `true` or `false`.
    pub fn flag(&self, key: &str) -> Option<bool> {
        let attribute = self.body.get_attribute(key)?;
        let flag = attribute.value.as_bool();
        if flag.is_none() {
            self.mismatch(attribute, &attribute.value, "`true` or `false`");
        }
        flag
    }

    /// A whole number from one on.
    pub fn count(&self, key: &str) -> Option<Placed<usize>> {
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

    /// A whole number from zero on.
    pub fn number(&self, key: &str) -> Option<u64> {
        let attribute = self.body.get_attribute(key)?;
        let number = attribute.value.as_number().and_then(hcl_edit::Number::as_u64);
        if number.is_none() {
            self.mismatch(attribute, &attribute.value, "a whole number");
        }
        number
    }

    /// A number, whole or not.
    pub fn decimal(&self, key: &str) -> Option<f64> {
        let attribute = self.body.get_attribute(key)?;
        let number = attribute.value.as_number().and_then(hcl_edit::Number::as_f64);
        if number.is_none() {
            self.mismatch(attribute, &attribute.value, "a number");
        }
        number
    }

    /// All attributes as plain values, whatever their names.
    pub fn values(&self) -> Vec<(String, Placed<Value>)> {
        let mut values = Vec::new();
        for attribute in self.body.attributes() {
            let span = attribute.value.span().unwrap_or_default();
            let value = plain(&attribute.value);
            match (value.as_ref().and_then(control_in), value) {
                (Some(control), _) => self.refuse_control(control, attribute, span),
                (None, Some(value)) => {
                    values.push((attribute.key.as_str().to_owned(), (value, span)));
                }
                (None, None) => self.mismatch(attribute, &attribute.value, "plain data"),
            }
        }
        values
    }

    /// The value that a word stands for.
    pub fn word<T: Copy>(
        &self,
        key: &str,
        (text, span): &Placed<String>,
        known: &[(&str, T)],
    ) -> Option<T> {
        let value = known.iter().find(|(word, _)| word == text).map(|(_, value)| *value);
        if value.is_none() {
            let words = || known.iter().map(|(word, _)| *word);
            let advice = match nearest(text, words()) {
                Some(meant) => format!("did you mean \"{meant}\"?"),
                None => format!("known are {}", listed(words())),
            };
            self.fault_at(span.clone(), format!("`{key}` cannot be \"{text}\""), advice);
        }
        value
    }

    fn string(
        &self,
        attribute: &Attribute,
        value: &Expression,
        wanted: &str,
    ) -> Option<Placed<String>> {
        match value.as_str() {
            Some(text) if !text.trim().is_empty() => {
                let span = value.span().unwrap_or_default();
                match control_in_text(text) {
                    None => Some((text.to_owned(), span)),
                    Some(control) => {
                        self.refuse_control(control, attribute, span);
                        None
                    }
                }
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

    fn refuse_control(&self, control: char, attribute: &Attribute, span: Range<usize>) {
        let what = format!(
            "`{}` has the control character U+{:04X} in it",
            attribute.key.as_str(),
            u32::from(control),
        );
        let advice = "take it out; only tabs and ends of lines may be in a text";
        self.fault_at(span, what, advice);
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
            _ => "values are plain data here: strings, numbers, true, false and lists".to_owned(),
        };
        self.fault_at(value.span().unwrap_or_default(), what, advice);
    }

    /// The block's name with its labels; for a file, its beginning.
    pub fn head(&self) -> Range<usize> {
        let Some(block) = self.block else { return 0..0 };
        let begin = block.ident.span().unwrap_or_default();
        let last = block.labels.last().and_then(Span::span);
        begin.start..last.map_or(begin.end, |last| last.end)
    }
}
