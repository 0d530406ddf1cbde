//! Works out what an expression is, as far as that can be known before anything runs.
//!
//! What cannot be known is [`UNKNOWN`], also within a text: `"${var.env}/net"` of an unknown `env`
//! is a text with a gap, and still fits only some others.

mod functions;

use std::{cell::Cell, collections::BTreeMap, rc::Rc};

use serde_json::{Map, Value};

use crate::{
    module::Module,
    syntax::{Body, Expr, Step},
};

/// Stands for any text. No file holds this character: the parser refuses it in a path.
pub(crate) const UNKNOWN: char = '\0';

/// How deep one value may lead to another.
const DEPTH_MAX: usize = 40;
/// How much may be worked out for one value: a few lines can ask for more than there is time.
const WORK_MAX: u32 = 20_000;
/// How many instances a `for_each` is followed into.
const INSTANCES_MAX: usize = 500;
/// How long a text may grow while it is put together.
const TEXT_MAX: usize = 16 * 1024;

/// What names stand for in one instance of a module.
#[derive(Clone)]
pub(crate) struct Scope<'a> {
    pub(crate) module: &'a Module,
    /// Values of variables, by name.
    pub(crate) given: BTreeMap<String, Value>,
    /// What `each.key` and `each.value` are.
    pub(crate) each: Option<(Value, Value)>,
    /// `path.module`: the module's folder as seen from the root module's.
    pub(crate) place: String,
    /// Functions that Terragrunt adds.
    pub(crate) added: Option<&'a Added<'a>>,
    /// How much was worked out for the value that is asked for.
    pub(crate) spent: Rc<Cell<u32>>,
}

/// Functions by name and arguments; nothing for those it does not know.
pub(crate) type Added<'a> = dyn Fn(&str, &[Value]) -> Option<Value> + 'a;

pub(crate) fn unknown() -> Value {
    Value::String(UNKNOWN.to_string())
}

pub(crate) fn is_unknown(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.len() == 1 && text.starts_with(UNKNOWN))
}

/// A value as a text within a text.
fn spelt(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        _ => UNKNOWN.to_string(),
    }
}

impl<'a> Scope<'a> {
    /// A module whose variables are given these values.
    pub(crate) fn new(module: &'a Module, given: BTreeMap<String, Value>) -> Self {
        let place = ".".to_owned();
        Self { module, given, each: None, place, added: None, spent: Rc::default() }
    }

    /// What an expression is here.
    pub(crate) fn value(&self, expression: &Expr) -> Value {
        self.spent.set(0);
        self.at(expression, 0)
    }

    /// What an expression is here as a text; unknown ones are a text too.
    pub(crate) fn text(&self, expression: &Expr) -> String {
        spelt(&self.value(expression))
    }

    /// The same scope for each instance of a block with `for_each`.
    pub(crate) fn instances(&self, body: &Body) -> Vec<Self> {
        let Some(every) = body.value("for_each") else { return vec![self.clone()] };
        let pairs: Vec<(Value, Value)> = match self.value(every) {
            Value::Object(map) => {
                map.into_iter().map(|(key, value)| (Value::String(key), value)).collect()
            }
            Value::Array(list) => list.into_iter().map(|one| (one.clone(), one)).collect(),
            _ => vec![(unknown(), unknown())],
        };
        let instance = |each| Self { each: Some(each), ..self.clone() };
        pairs.into_iter().take(INSTANCES_MAX).map(instance).collect()
    }

    fn at(&self, expression: &Expr, depth: usize) -> Value {
        self.spent.set(self.spent.get() + 1);
        if depth > DEPTH_MAX || self.spent.get() > WORK_MAX {
            return unknown();
        }
        let inner = |expression: &Expr| self.at(expression, depth + 1);
        match expression {
            Expr::Literal(value) => value.clone(),
            Expr::Template(parts) => {
                let mut text = String::new();
                for part in parts {
                    text.push_str(&spelt(&inner(part)));
                    if text.len() > TEXT_MAX {
                        return unknown();
                    }
                }
                Value::String(text)
            }
            Expr::List(items) => Value::Array(items.iter().map(inner).collect()),
            Expr::Map(entries) => {
                let entry = |(key, value): &(Expr, Expr)| (spelt(&inner(key)), inner(value));
                Value::Object(entries.iter().map(entry).collect::<Map<_, _>>())
            }
            Expr::Path(root, steps) => self.path(root, steps, depth + 1),
            Expr::Call(name, arguments) => {
                let arguments: Vec<Value> = arguments.iter().map(inner).collect();
                let added = self.added.and_then(|added| added(name, &arguments));
                added.or_else(|| functions::call(name, &arguments)).unwrap_or_else(unknown)
            }
            Expr::Choice(parts) => {
                let [condition, yes, no] = &**parts;
                match inner(condition) {
                    Value::Bool(true) => inner(yes),
                    Value::Bool(false) => inner(no),
                    _ => {
                        let (yes, no) = (inner(yes), inner(no));
                        if yes == no { yes } else { unknown() }
                    }
                }
            }
            Expr::On(value, steps) => {
                steps.iter().fold(inner(value), |value, step| self.step(value, step, depth))
            }
            Expr::Other(_) => unknown(),
        }
    }

    fn path(&self, root: &str, steps: &[Step], depth: usize) -> Value {
        let Some((Step::Name(name), rest)) = steps.split_first() else { return unknown() };
        let base = match root {
            "var" => self.variable(name),
            "local" => match self.module.locals.get(name) {
                Some(expression) => self.at(expression, depth + 1),
                None => unknown(),
            },
            "each" => match (&self.each, name.as_str()) {
                (Some((key, _)), "key") => key.clone(),
                (Some((_, value)), "value") => value.clone(),
                _ => unknown(),
            },
            "path" => match name.as_str() {
                "module" => Value::String(self.place.clone()),
                "root" | "cwd" => Value::String(".".to_owned()),
                _ => unknown(),
            },
            _ => unknown(),
        };
        rest.iter().fold(base, |value, step| self.step(value, step, depth))
    }

    fn variable(&self, name: &str) -> Value {
        if let Some(value) = self.given.get(name) {
            return value.clone();
        }
        let variable = self.module.variables.get(name);
        // Null as a default is what callers leave open.
        let default = variable.and_then(|variable| variable.default.clone());
        default.filter(|value| !value.is_null()).unwrap_or_else(unknown)
    }

    fn step(&self, value: Value, step: &Step, depth: usize) -> Value {
        let key = match step {
            Step::Name(name) => Value::String(name.clone()),
            Step::Index(index) => self.at(index, depth + 1),
            Step::Every => return unknown(),
        };
        let found = match (value, key) {
            (Value::Object(mut map), Value::String(key)) => map.remove(&key),
            (Value::Array(list), Value::Number(index)) => index
                .as_u64()
                .and_then(|index| usize::try_from(index).ok())
                .and_then(|index| list.get(index).cloned()),
            _ => None,
        };
        found.unwrap_or_else(unknown)
    }
}

/// Whether two texts can be the same, given their gaps.
pub(crate) fn fits(one: &str, other: &str) -> bool {
    if !one.contains(UNKNOWN) && !other.contains(UNKNOWN) {
        return one == other;
    }
    // With gaps on both sides it is enough that what stands before and behind them agrees.
    let ends = |text: &str| {
        let begin = text.split(UNKNOWN).next().unwrap_or_default().to_owned();
        let end = text.rsplit(UNKNOWN).next().unwrap_or_default().to_owned();
        (begin, end)
    };
    if one.contains(UNKNOWN) && other.contains(UNKNOWN) {
        let ((a, b), (c, d)) = (ends(one), ends(other));
        return (a.starts_with(&c) || c.starts_with(&a)) && (b.ends_with(&d) || d.ends_with(&b));
    }
    let (pattern, text) = if one.contains(UNKNOWN) { (one, other) } else { (other, one) };
    let mut parts = pattern.split(UNKNOWN);
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests;
