//! Expressions, as far as anything can be concluded from them.

use hcl_edit::{
    expr::{Expression, ObjectKey, Traversal, TraversalOperator},
    template::{Directive, Element, Template},
};
use serde_json::Value;

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    /// Null, a truth, a number or a text.
    Literal(Value),
    /// Texts one after another.
    Template(Vec<Expr>),
    List(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    /// `var.region`, `data.terraform_remote_state.net.outputs.id`: the first word and the way on.
    Path(String, Vec<Step>),
    Call(String, Vec<Expr>),
    /// A way on from something that is no name: `merge(…)["a"]`.
    On(Box<Expr>, Vec<Step>),
    /// Condition, then, else.
    Choice(Box<[Expr; 3]>),
    /// What is not worked out, with what it is made of.
    Other(Vec<Expr>),
}

/// A step of a path.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    Name(String),
    Index(Expr),
    /// `[*]`.
    Every,
}

impl Expr {
    pub(crate) fn new(expression: &Expression) -> Self {
        match expression {
            Expression::Array(values) => Self::List(values.iter().map(Self::new).collect()),
            Expression::Object(object) => Self::Map(
                object
                    .iter()
                    .map(|(key, value)| (Self::of_key(key), Self::new(value.expr())))
                    .collect(),
            ),
            Expression::StringTemplate(template) => Self::of_elements(template.iter()),
            Expression::HeredocTemplate(heredoc) => Self::of_template(&heredoc.template),
            Expression::Parenthesis(inner) => Self::new(inner.inner()),
            Expression::Variable(word) => Self::Path(word.as_str().to_owned(), Vec::new()),
            Expression::Traversal(traversal) => Self::of_traversal(traversal),
            Expression::FuncCall(call) => {
                let arguments = call.args.iter().map(Self::new).collect();
                Self::Call(call.name.name.as_str().to_owned(), arguments)
            }
            Expression::Conditional(choice) => {
                let parts = [&choice.cond_expr, &choice.true_expr, &choice.false_expr];
                Self::Choice(Box::new(parts.map(Self::new)))
            }
            Expression::BinaryOp(operation) => {
                Self::Other(vec![Self::new(&operation.lhs_expr), Self::new(&operation.rhs_expr)])
            }
            Expression::ForExpr(every) => {
                let key = every.key_expr.as_ref().map(Self::new);
                let parts = [Self::new(&every.intro.collection_expr), Self::new(&every.value_expr)];
                Self::Other(parts.into_iter().chain(key).collect())
            }
            Expression::UnaryOp(operation) => located::plain(expression)
                .map_or_else(|| Self::Other(vec![Self::new(&operation.expr)]), Self::Literal),
            plain => located::plain(plain).map_or(Self::Other(Vec::new()), Self::Literal),
        }
    }

    /// A text of a JSON file: a template if it is one.
    pub(crate) fn of_text(text: String) -> Self {
        if !text.contains("${") && !text.contains("%{") {
            return Self::Literal(Value::String(text));
        }
        match hcl_edit::parser::parse_template(&text) {
            Ok(template) => Self::of_template(&template),
            Err(_) => Self::Literal(Value::String(text)),
        }
    }

    fn of_key(key: &ObjectKey) -> Self {
        match key {
            ObjectKey::Ident(word) => Self::text(word.as_str()),
            // A bare word is the key itself; in parentheses it would be a variable.
            ObjectKey::Expression(Expression::Variable(word)) => Self::text(word.as_str()),
            ObjectKey::Expression(expression) => Self::new(expression),
        }
    }

    pub(crate) fn text(text: &str) -> Self {
        Self::Literal(Value::String(text.to_owned()))
    }

    fn of_template(template: &Template) -> Self {
        Self::of_elements(template.iter())
    }

    fn of_elements<'a>(elements: impl Iterator<Item = &'a Element>) -> Self {
        let mut parts: Vec<Self> = elements
            .map(|element| match element {
                Element::Literal(text) => Self::text(text.as_str()),
                Element::Interpolation(inner) => Self::new(&inner.expr),
                Element::Directive(directive) => Self::of_directive(directive),
            })
            .collect();
        // `"${x}"` is what `x` is, whatever its type.
        match parts.len() {
            0 => Self::text(""),
            1 => parts.remove(0),
            _ => Self::Template(parts),
        }
    }

    fn of_directive(directive: &Directive) -> Self {
        match directive {
            Directive::If(directive) => {
                let otherwise =
                    directive.else_expr.as_ref().map(|part| Self::of_template(&part.template));
                Self::Choice(Box::new([
                    Self::new(&directive.if_expr.cond_expr),
                    Self::of_template(&directive.if_expr.template),
                    otherwise.unwrap_or_else(|| Self::text("")),
                ]))
            }
            Directive::For(directive) => Self::Other(vec![
                Self::new(&directive.for_expr.collection_expr),
                Self::of_template(&directive.for_expr.template),
            ]),
        }
    }

    fn of_traversal(traversal: &Traversal) -> Self {
        let steps: Vec<Step> = traversal
            .operators
            .iter()
            .map(|operator| match operator.value() {
                TraversalOperator::GetAttr(word) => Step::Name(word.as_str().to_owned()),
                TraversalOperator::Index(index) => Step::Index(Self::new(index)),
                TraversalOperator::LegacyIndex(index) => {
                    Step::Index(Self::Literal(Value::from(*index.value())))
                }
                TraversalOperator::AttrSplat(_) | TraversalOperator::FullSplat(_) => Step::Every,
            })
            .collect();
        match Self::new(&traversal.expr) {
            Self::Path(root, mut way) => {
                way.extend(steps);
                Self::Path(root, way)
            }
            inner => Self::On(Box::new(inner), steps),
        }
    }

    /// A text that is written down.
    pub(crate) fn as_text(&self) -> Option<String> {
        match self {
            Self::Literal(Value::String(text)) => Some(text.clone()),
            Self::Literal(Value::Bool(flag)) => Some(flag.to_string()),
            Self::Literal(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        }
    }

    /// Plain data that is written down.
    pub(crate) fn as_value(&self) -> Option<Value> {
        match self {
            Self::Literal(value) => Some(value.clone()),
            Self::List(items) => {
                items.iter().map(Self::as_value).collect::<Option<_>>().map(Value::Array)
            }
            Self::Map(entries) => entries
                .iter()
                .map(|(key, value)| Some((key.as_text()?, value.as_value()?)))
                .collect::<Option<_>>()
                .map(Value::Object),
            _ => None,
        }
    }

    /// Calls `see` with every expression in it, itself first.
    pub(crate) fn walk<'a>(&'a self, see: &mut dyn FnMut(&'a Self)) {
        see(self);
        match self {
            Self::Literal(_) => {}
            Self::Template(parts)
            | Self::List(parts)
            | Self::Other(parts)
            | Self::Call(_, parts) => parts.iter().for_each(|part| part.walk(see)),
            Self::Map(entries) => entries.iter().for_each(|(key, value)| {
                key.walk(see);
                value.walk(see);
            }),
            Self::Choice(parts) => parts.iter().for_each(|part| part.walk(see)),
            Self::Path(_, steps) => within(steps, see),
            Self::On(inner, steps) => {
                inner.walk(see);
                within(steps, see);
            }
        }
    }

    /// Calls `see` with every path in it.
    pub(crate) fn paths<'a>(&'a self, see: &mut dyn FnMut(&'a str, &'a [Step])) {
        self.walk(&mut |expression| {
            if let Self::Path(root, steps) = expression {
                see(root, steps);
            }
        });
    }
}

fn within<'a>(steps: &'a [Step], see: &mut dyn FnMut(&'a Expr)) {
    for step in steps {
        if let Step::Index(index) = step {
            index.walk(see);
        }
    }
}
