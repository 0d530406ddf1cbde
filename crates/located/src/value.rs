//! Expressions that are plain data.

use hcl_edit::{
    expr::{Expression, ObjectKey},
    template::Element,
};
use serde_json::{Map, Value};

/// The value of an expression that needs nothing else to be known.
pub fn plain(expression: &Expression) -> Option<Value> {
    Some(match expression {
        Expression::Null(_) => Value::Null,
        Expression::Bool(value) => Value::Bool(*value.value()),
        Expression::String(value) => Value::String(value.value().clone()),
        Expression::Number(value) => number(value.value())?,
        Expression::Array(values) => Value::Array(values.iter().map(plain).collect::<Option<_>>()?),
        Expression::Object(object) => {
            let mut map = Map::new();
            for (key, value) in object {
                map.insert(key_text(key)?, plain(value.expr())?);
            }
            Value::Object(map)
        }
        Expression::Parenthesis(inner) => plain(inner.inner())?,
        Expression::UnaryOp(operation) => negative(&plain(&operation.expr)?)?,
        Expression::HeredocTemplate(heredoc) => {
            let mut text = String::new();
            for element in &heredoc.template {
                match element {
                    Element::Literal(literal) => text.push_str(literal.as_str()),
                    _ => return None,
                }
            }
            Value::String(text)
        }
        _ => return None,
    })
}

/// Only `-` before a number comes here from plain data; `!true` is not worth knowing.
fn negative(value: &Value) -> Option<Value> {
    match value {
        Value::Number(value) if value.is_i64() => Some(Value::from(-value.as_i64()?)),
        Value::Number(value) => Some(Value::from(-value.as_f64()?)),
        _ => None,
    }
}

fn number(value: &hcl_edit::Number) -> Option<Value> {
    if let Some(whole) = value.as_u64() {
        return Some(Value::from(whole));
    }
    if let Some(whole) = value.as_i64() {
        return Some(Value::from(whole));
    }
    serde_json::Number::from_f64(value.as_f64()?).map(Value::Number)
}

/// The key of an object, if it is written and not computed.
fn key_text(key: &ObjectKey) -> Option<String> {
    match key {
        ObjectKey::Ident(word) => Some(word.as_str().to_owned()),
        ObjectKey::Expression(Expression::Number(number)) => Some(number.value().to_string()),
        ObjectKey::Expression(expression) => expression
            .as_str()
            .map(str::to_owned)
            .or_else(|| expression.as_variable().map(|word| word.as_str().to_owned())),
    }
}

/// What stands there instead of what was wanted.
pub fn found(value: &Expression) -> &'static str {
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

/// The first control character of a value, or of a key in it, that cannot be kept. Tabs and ends of
/// lines can.
pub(crate) fn control_in(value: &Value) -> Option<char> {
    match value {
        Value::String(text) => control_in_text(text),
        Value::Array(values) => values.iter().find_map(control_in),
        Value::Object(map) => {
            map.iter().find_map(|(key, value)| control_in_text(key).or_else(|| control_in(value)))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// The same, of a text.
pub(crate) fn control_in_text(text: &str) -> Option<char> {
    text.chars().find(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::control_in;

    #[test]
    fn control_characters_are_found_wherever_they_are() {
        for value in [json!("\0"), json!(["a", "\u{1b}[0m"]), json!({ "a": { "\u{7}": 1 } })] {
            assert!(control_in(&value).is_some(), "{value}");
        }
        for value in [json!("two\n\tlines\r\n"), json!(null), json!({ "ä": [1, true] })] {
            assert_eq!(control_in(&value), None);
        }
    }
}
