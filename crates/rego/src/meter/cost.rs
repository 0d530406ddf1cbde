//! What a call may cost, reckoned from what the function is given, and never too low by more than a
//! small factor.

use regorus::Value;

use crate::numbers;

/// What a value in a collection takes at least.
const NODE: u64 = 32;

/// What must be paid before a function is called. Whatever is beyond `most` may be told as less.
pub(super) fn before(name: &str, given: &[Value], most: u64) -> u64 {
    match (name, given) {
        ("replace", [text, old, new]) => replaced(flat(text), flat(old), flat(new)),
        ("strings.replace_n", [patterns, text]) => replaced_each(patterns, flat(text), most),
        ("regex.replace", [text, _, new]) => {
            let text = flat(text).saturating_add(1);
            let again = string(new).matches('$').count() as u64;
            text.saturating_mul(flat(new).saturating_add(again).saturating_add(1))
        }
        ("concat", [between, texts]) => {
            deep(texts, most).saturating_add(flat(texts).saturating_mul(flat(between)))
        }
        ("sprintf", [format, values]) => {
            deep(values, most).saturating_add(flat(format)).saturating_add(widths(string(format)))
        }
        ("split" | "regex.split" | "strings.reverse", [text, ..]) => {
            flat(text).saturating_mul(NODE)
        }
        // Of the product of many, whoever makes it pays for its digits.
        ("product", [factors]) => match elements(factors).map(numbers::bits).sum::<u64>() {
            bits if bits > numbers::BITS_MAX => u64::MAX,
            _ => flat(factors),
        },
        (
            "to_number" | "units.parse" | "units.parse_bytes" | "json.unmarshal" | "json.is_valid"
            | "yaml.unmarshal" | "yaml.is_valid",
            [text],
        ) if numbers::is_written(string(text)) => u64::MAX,
        ("numbers.range", [from, to]) => steps(from, to, 1.0),
        ("numbers.range_step", [from, to, step]) => steps(from, to, number(step)),
        ("bits.lsh", [value, by]) => flat(value).saturating_add(rounded(number(by) / 8.0)),
        ("net.cidr_expand", [block]) => addresses(string(block)),
        ("graph.reachable_paths", [graph, _]) => paths(graph),
        ("walk", [value]) => weigh(value, most, NODE),
        ("json.marshal_with_options", [value, options]) => {
            deep(value, most).saturating_mul(deep(options, most))
        }
        // What is only looked at, or counted.
        ("count" | "object.get" | "type_name" | "to_number", _) => 0,
        (name, _) if name.starts_with("is_") => 0,
        // Whatever looks into its values.
        (
            "json.marshal" | "json.filter" | "json.remove" | "object.union" | "object.union_n"
            | "object.subset" | "union" | "intersection" | "graph.reachable" | "sort",
            _,
        ) => given.iter().map(|value| deep(value, most)).fold(0, u64::saturating_add),
        _ => given.iter().map(flat).fold(0, u64::saturating_add),
    }
}

/// What a value takes without what lies in its values.
pub(super) fn flat(value: &Value) -> u64 {
    let items = match value {
        Value::String(text) => return text.len() as u64,
        Value::Array(items) => items.iter().len(),
        Value::Set(items) => items.len(),
        Value::Object(fields) => fields.len().saturating_mul(2),
        _ => 1,
    };
    (items as u64).saturating_mul(NODE).saturating_add(numbers::weight(value))
}

/// What a value takes when it is written out, up to where it is beyond `most`: what is in it many
/// times counts many times.
pub(super) fn deep(value: &Value, most: u64) -> u64 {
    weigh(value, most, 0)
}

/// The same, where each value costs something for each level it lies deep.
fn weigh(value: &Value, most: u64, for_level: u64) -> u64 {
    let mut total = 0_u64;
    let mut rest = vec![(value, 1_u64)];
    while let Some((value, level)) = rest.pop() {
        let own = match value {
            Value::String(text) => text.len() as u64,
            value => numbers::weight(value),
        };
        total = total
            .saturating_add(own)
            .saturating_add(NODE)
            .saturating_add(level.saturating_mul(for_level));
        if total > most {
            break;
        }
        match value {
            Value::Array(items) => rest.extend(items.iter().map(|item| (item, level + 1))),
            Value::Set(items) => rest.extend(items.iter().map(|item| (item, level + 1))),
            Value::Object(fields) => {
                let both = fields.iter().flat_map(|(key, value)| [key, value]);
                rest.extend(both.map(|value| (value, level + 1)));
            }
            _ => {}
        }
    }
    total
}

fn string(value: &Value) -> &str {
    if let Value::String(text) = value { text } else { "" }
}

/// What cannot be told exactly is taken for more than there is.
fn number(value: &Value) -> f64 {
    let is_number = matches!(value, Value::Number(_));
    value.as_f64().unwrap_or(if is_number { f64::INFINITY } else { 0.0 })
}

/// The values in an array or a set.
fn elements(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(items) => Box::new(items.iter()),
        Value::Set(items) => Box::new(items.iter()),
        _ => Box::new(std::iter::empty()),
    }
}

/// Of what is no number, or below nothing, there is nothing.
fn rounded(number: f64) -> u64 {
    // A conversion of floats saturates.
    number.abs().ceil() as u64
}

fn replaced(text: u64, old: u64, new: u64) -> u64 {
    let times = match old {
        0 => text.saturating_add(1),
        old => text / old,
    };
    text.saturating_add(times.saturating_mul(new))
}

fn replaced_each(patterns: &Value, text: u64, most: u64) -> u64 {
    let (mut size, mut total) = (text, text);
    if let Value::Object(fields) = patterns {
        for (old, new) in fields.iter() {
            size = replaced(size, flat(old), flat(new));
            total = total.saturating_add(size);
            if total > most {
                break;
            }
        }
    }
    total
}

/// The widths that a format asks for, and everything else in it that is a number.
fn widths(format: &str) -> u64 {
    let runs = format.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
    runs.map(|digits| digits.parse().unwrap_or(u64::MAX)).fold(0, u64::saturating_add)
}

fn steps(from: &Value, to: &Value, step: f64) -> u64 {
    let step = if step.abs() < 1.0 { 1.0 } else { step.abs() };
    let steps = (number(to) - number(from)) / step;
    if !steps.is_finite() {
        return u64::MAX;
    }
    rounded(steps).saturating_add(1).saturating_mul(NODE)
}

/// The addresses in a block.
fn addresses(block: &str) -> u64 {
    let all: u32 = if block.contains(':') { 128 } else { 32 };
    let prefix = block.rsplit('/').next().and_then(|prefix| prefix.parse().ok()).unwrap_or(0_u32);
    1_u64.checked_shl(all.saturating_sub(prefix)).unwrap_or(u64::MAX).saturating_mul(2 * NODE)
}

/// There are as many paths through a graph as it has subsets of points, if it is unkind.
fn paths(graph: &Value) -> u64 {
    let Value::Object(points) = graph else { return 0 };
    let many = points.len() as u64;
    let subsets = 1_u64.checked_shl(u32::try_from(many).unwrap_or(u32::MAX)).unwrap_or(u64::MAX);
    subsets.saturating_mul(many)
}
