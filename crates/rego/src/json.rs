//! JSON as values of programs.
//!
//! The engine's own conversion takes an object that begins with a field of one certain name for a
//! number: what is no number there makes all of the input nothing, so that no rule finds anything; and
//! what is a long one is computed outside the clock. Here each object is an object.

use std::collections::BTreeMap;

use regorus::Value;
use serde_json::{Number, Value as Json};

/// JSON as a value, whatever its fields are called.
pub fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(is) => Value::from(*is),
        Json::Number(number) => numeral(number),
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::from(items.iter().map(value).collect::<Vec<_>>()),
        Json::Object(fields) => {
            let fields = fields.iter().map(|(key, one)| (Value::from(key.as_str()), value(one)));
            Value::from(fields.collect::<BTreeMap<_, _>>())
        }
    }
}

/// What a function makes of a text that it reads as JSON, if it is one of those.
pub(crate) fn read(name: &str, given: &[Value]) -> Option<anyhow::Result<Value>> {
    let [Value::String(text)] = given else { return None };
    let json = || serde_json::from_str::<Json>(text);
    Some(match name {
        "json.unmarshal" => json()
            .map(|json| value(&json))
            .map_err(|error| anyhow::anyhow!("could not deserialize json: {error}")),
        "json.is_valid" => Ok(Value::from(json().is_ok())),
        "to_number" => match json() {
            Ok(Json::Number(number)) => Ok(numeral(&number)),
            _ => Err(anyhow::anyhow!("could not parse string as number")),
        },
        _ => return None,
    })
}

fn numeral(number: &Number) -> Value {
    let whole = number.as_u64().map(Value::from).or_else(|| number.as_i64().map(Value::from));
    whole.or_else(|| number.as_f64().map(Value::from)).unwrap_or(Value::Null)
}
