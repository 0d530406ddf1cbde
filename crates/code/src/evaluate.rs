//! Works out what an expression is, as far as that can be known before anything runs.
//!
//! What cannot be known is [`UNKNOWN`], also within a text: `"${var.env}/net"` of an unknown `env`
//! is a text with a gap, and still fits only some others.

mod functions;

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap},
    rc::Rc,
};

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
const WORK_MAX: usize = 20_000;
/// How much may be worked out for all values of a root module and what it calls: values grow from
/// module to module, and a few lines can ask for more than there is memory.
const ALL_WORK_MAX: usize = 2_000_000;
/// How much of a text counts as much as a number.
const TEXT_UNIT: usize = 64;
/// How many instances a `for_each` is followed into.
const INSTANCES_MAX: usize = 500;
/// How long a text may grow while it is put together.
const TEXT_MAX: usize = 16 * 1024;

/// What names stand for in one instance of a module.
#[derive(Clone)]
pub(crate) struct Scope<'a> {
    pub(crate) module: &'a Module,
    /// Values of variables, by name.
    pub(crate) given: Rc<BTreeMap<String, Value>>,
    /// What `each.key` and `each.value` are.
    pub(crate) each: Option<(Value, Value)>,
    /// `path.module`: the module's folder as seen from the root module's.
    pub(crate) place: String,
    /// Functions that Terragrunt adds.
    pub(crate) added: Option<&'a Added<'a>>,
    /// How much was worked out for the value that is asked for.
    pub(crate) spent: Spent,
    /// The same for all values.
    pub(crate) all_spent: Spent,
    /// How often something was left out because it was too much, or too deep.
    pub(crate) cuts: Spent,
    /// The locals that were asked for, where nothing of them was left out.
    pub(crate) locals: Rc<RefCell<HashMap<String, Rc<Value>>>>,
}

/// How much was worked out.
pub(crate) type Spent = Rc<Cell<usize>>;

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
        Self {
            module,
            given: Rc::new(given),
            each: None,
            place: ".".to_owned(),
            added: None,
            spent: Rc::default(),
            all_spent: Rc::default(),
            cuts: Rc::default(),
            locals: Rc::default(),
        }
    }

    /// A module that is called from this one with these arguments.
    pub(crate) fn of_call(&self, module: &'a Module, arguments: &Body, place: String) -> Self {
        let arguments = arguments.attributes.iter();
        let given = arguments.map(|one| (one.key.clone(), self.value(&one.value))).collect();
        let (all_spent, cuts) = (self.all_spent.clone(), self.cuts.clone());
        Self { place, all_spent, cuts, ..Self::new(module, given) }
    }

    /// Whether something was left out, of this module or of those that it and others call.
    pub(crate) fn is_cut(&self) -> bool {
        self.cuts.get() > 0
    }

    fn cut(&self) {
        self.cuts.set(self.cuts.get() + 1);
    }

    /// Whether all was worked out that may be: what is asked for from now on is not known.
    pub(crate) fn is_spent(&self) -> bool {
        self.all_spent.get() > ALL_WORK_MAX
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
        if pairs.len() > INSTANCES_MAX {
            self.cut();
        }
        let instance = |each| Self { each: Some(each), ..self.clone() };
        pairs.into_iter().take(INSTANCES_MAX).map(instance).collect()
    }

    /// Counts what is worked out; whether it may be.
    fn spend(&self, much: usize) -> bool {
        self.spent.set(self.spent.get().saturating_add(much));
        self.all_spent.set(self.all_spent.get().saturating_add(much));
        let may = self.spent.get() <= WORK_MAX && !self.is_spent();
        if !may {
            self.cut();
        }
        may
    }

    fn at(&self, expression: &Expr, depth: usize) -> Value {
        if !self.spend(1) {
            return unknown();
        }
        if depth > DEPTH_MAX {
            self.cut();
            return unknown();
        }
        let inner = |expression: &Expr| self.at(expression, depth + 1);
        match expression {
            Expr::Literal(value) => self.copy(value),
            Expr::Template(parts) => {
                let mut text = String::new();
                for part in parts {
                    text.push_str(&spelt(&inner(part)));
                    if text.len() > TEXT_MAX {
                        return unknown();
                    }
                }
                self.made(Value::String(text))
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
                let given = added.or_else(|| functions::call(name, &arguments));
                given.map_or_else(unknown, |value| self.made(value))
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
            Expr::On(value, steps) => self.part_of(inner(value), steps, depth),
            Expr::Other(_) => unknown(),
        }
    }

    fn path(&self, root: &str, steps: &[Step], depth: usize) -> Value {
        let Some((Step::Name(name), rest)) = steps.split_first() else { return unknown() };
        let base = match root {
            "var" => self.variable(name),
            "local" => match self.module.locals.get(name) {
                Some(Expr::Literal(value)) => Some(value),
                Some(expression) => {
                    let known = self.locals.borrow().get(name).cloned();
                    let Some(known) = known else {
                        return self.part_of(self.local(name, expression, depth + 1), rest, depth);
                    };
                    let part = self.part(&known, rest, depth);
                    return part.map_or_else(unknown, |part| self.copy(part));
                }
                None => None,
            },
            "each" => match (&self.each, name.as_str()) {
                (Some((key, _)), "key") => Some(key),
                (Some((_, value)), "value") => Some(value),
                _ => None,
            },
            "path" => {
                let folder = match name.as_str() {
                    "module" => Value::String(self.place.clone()),
                    "root" | "cwd" => Value::String(".".to_owned()),
                    _ => unknown(),
                };
                return self.part_of(folder, rest, depth);
            }
            _ => None,
        };
        let found = base.and_then(|base| self.part(base, rest, depth));
        found.map_or_else(unknown, |found| self.copy(found))
    }

    /// What a local is, which is the same for all instances of a block: it is worked out once.
    fn local(&self, name: &str, expression: &Expr, depth: usize) -> Value {
        let cuts = self.cuts.get();
        let found = Self { each: None, ..self.clone() }.at(expression, depth);
        if self.cuts.get() == cuts {
            self.locals.borrow_mut().insert(name.to_owned(), Rc::new(found.clone()));
        }
        found
    }

    fn variable(&self, name: &str) -> Option<&Value> {
        self.given.get(name).or_else(|| {
            let default = self.module.variables.get(name)?.default.as_ref();
            // Null as a default is what callers leave open.
            default.filter(|value| !value.is_null())
        })
    }

    /// A copy of a value, as far as there may be one.
    fn copy(&self, value: &Value) -> Value {
        if self.spend(weight(value)) { value.clone() } else { unknown() }
    }

    /// A value that was made, as far as it may be kept.
    fn made(&self, value: Value) -> Value {
        if self.spend(weight(&value)) { value } else { unknown() }
    }

    fn part_of(&self, value: Value, steps: &[Step], depth: usize) -> Value {
        if steps.is_empty() {
            return value;
        }
        self.part(&value, steps, depth).map_or_else(unknown, |part| self.copy(part))
    }

    /// What some steps into a value lead to.
    fn part<'v>(&self, value: &'v Value, steps: &[Step], depth: usize) -> Option<&'v Value> {
        steps.iter().try_fold(value, |value, step| {
            let index = match step {
                Step::Name(name) => return value.as_object()?.get(name),
                Step::Index(index) => self.at(index, depth + 1),
                Step::Every => return None,
            };
            match (value, index) {
                (Value::Object(map), Value::String(key)) => map.get(&key),
                (Value::Array(list), Value::Number(index)) => {
                    list.get(usize::try_from(index.as_u64()?).ok()?)
                }
                _ => None,
            }
        })
    }
}

/// How much a value is.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() / TEXT_UNIT,
        Value::Array(list) => list.iter().map(|one| 1 + weight(one)).sum(),
        Value::Object(map) => {
            map.iter().map(|(key, one)| 1 + key.len() / TEXT_UNIT + weight(one)).sum()
        }
        _ => 0,
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
