//! What scanners such as Checkov, Trivy and tfsec found, as they write it: SARIF 2.1.0. And what was
//! found here, written the same way.

use std::collections::HashMap;

use contracts::validation::{Annotation, Level, Stage};
use serde::Deserialize;
use serde_json::{Value, json};

/// The most findings that are taken from one file.
pub const RESULTS_MAX: usize = 5_000;
/// The most bytes of such a file.
pub const BYTES_MAX: u64 = 64 * 1024 * 1024;

#[derive(Deserialize)]
struct Log {
    version: String,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    tool: Tool,
    #[serde(default)]
    results: Option<Vec<Found>>,
}

#[derive(Deserialize)]
struct Tool {
    driver: Driver,
}

#[derive(Deserialize)]
struct Driver {
    name: String,
    #[serde(default)]
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: String,
    #[serde(default)]
    default_configuration: Option<Configured>,
}

#[derive(Deserialize)]
struct Configured {
    #[serde(default)]
    level: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    #[serde(default)]
    rule_id: Option<String>,
    #[serde(default)]
    rule_index: Option<usize>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    level: Option<String>,
    message: Text,
    #[serde(default)]
    locations: Vec<Location>,
    #[serde(default)]
    suppressions: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct Text {
    #[serde(default)]
    text: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    #[serde(default)]
    physical_location: Option<Physical>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Physical {
    #[serde(default)]
    artifact_location: Option<Artifact>,
    #[serde(default)]
    region: Option<Region>,
}

#[derive(Deserialize)]
struct Artifact {
    #[serde(default)]
    uri: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    #[serde(default)]
    start_line: Option<usize>,
    #[serde(default)]
    end_line: Option<usize>,
}

/// The findings of a file; `place` gives the path from the root of the repository for a path as
/// the scanner wrote it, or nothing for files that are none of ours. What was suppressed by whoever
/// ran the scanner, or is no finding, is left out.
pub fn read(text: &str, place: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Annotation>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let log: Log =
        serde_json::from_str(text).map_err(|error| format!("it is not SARIF: {error}"))?;
    if !log.version.starts_with("2.") {
        return Err(format!("it is SARIF {}; version 2.1.0 is read", log.version));
    }
    let mut found = Vec::new();
    for run in log.runs {
        let rules: HashMap<&str, &Rule> =
            run.tool.driver.rules.iter().map(|rule| (rule.id.as_str(), rule)).collect();
        for result in run.results.into_iter().flatten() {
            if found.len() >= RESULTS_MAX {
                return Err(format!("it has more than {RESULTS_MAX} findings"));
            }
            let by_place = result.rule_index.and_then(|at| run.tool.driver.rules.get(at));
            let by_name = result.rule_id.as_deref().and_then(|id| rules.get(id).copied());
            let rule = by_name.or(by_place);
            found.extend(annotation(&run.tool.driver.name, rule, &result, place));
        }
    }
    Ok(found)
}

fn annotation(
    tool: &str,
    rule: Option<&Rule>,
    found: &Found,
    place: &dyn Fn(&str) -> Option<String>,
) -> Option<Annotation> {
    let is_suppressed = found.suppressions.as_ref().is_some_and(|all| !all.is_empty());
    let is_finding = matches!(found.kind.as_deref(), None | Some("fail" | "open" | "review"));
    if is_suppressed || !is_finding {
        return None;
    }
    let configured = || rule?.default_configuration.as_ref()?.level.as_deref();
    let level = match found.level.as_deref().or_else(configured).unwrap_or("warning") {
        "error" => Level::Failure,
        "note" => Level::Notice,
        "none" => return None,
        _ => Level::Warning,
    };
    let physical = found.locations.iter().find_map(|it| it.physical_location.as_ref())?;
    let file = place(&path(&physical.artifact_location.as_ref()?.uri));
    let file = file.filter(|file| !file.is_empty())?;
    let region = physical.region.as_ref();
    let line = region.and_then(|region| region.start_line).unwrap_or(1).max(1);
    let end_line = region.and_then(|region| region.end_line).filter(|end| *end > line);
    let id =
        found.rule_id.as_deref().or_else(|| rule.map(|rule| rule.id.as_str())).unwrap_or("unnamed");
    Some(Annotation {
        file,
        line,
        end_line,
        level,
        stage: Stage::Scanner,
        rule: format!("{}.{id}", tool.to_lowercase().replace(' ', "-")),
        message: found.message.text.clone(),
        stack: None,
    })
}

/// The path within a URI: `file:///a%20b` is `/a b`.
fn path(uri: &str) -> String {
    let rest = uri.strip_prefix("file://").unwrap_or(uri);
    let mut bytes = Vec::with_capacity(rest.len());
    let mut left = rest.as_bytes();
    while let [first, after @ ..] = left {
        let hex = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match hex.and_then(|two| u8::from_str_radix(two, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                left = &after[2..];
            }
            None => {
                bytes.push(*first);
                left = after;
            }
        }
    }
    let path = String::from_utf8_lossy(&bytes).into_owned();
    path.strip_prefix("./").map(str::to_owned).unwrap_or(path)
}

/// What was found, for programs that read SARIF.
pub fn write(annotations: &[Annotation], version: &str) -> Value {
    let mut rules: Vec<&str> = annotations.iter().map(|found| found.rule.as_str()).collect();
    rules.sort_unstable();
    rules.dedup();
    let result = |found: &Annotation| {
        let level = match found.level {
            Level::Failure => "error",
            Level::Warning => "warning",
            Level::Notice => "note",
        };
        let mut region = json!({ "startLine": found.line });
        if let Some(end) = found.end_line {
            region["endLine"] = json!(end);
        }
        json!({
            "ruleId": found.rule,
            "level": level,
            "message": { "text": found.message },
            "locations": [{ "physicalLocation": {
                "artifactLocation": { "uri": encoded(&found.file) },
                "region": region,
            }}],
        })
    };
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "stackly",
                "version": version,
                "rules": rules.iter().map(|id| json!({ "id": id })).collect::<Vec<_>>(),
            }},
            "results": annotations.iter().map(result).collect::<Vec<_>>(),
        }],
    })
}

/// A path as a URI.
fn encoded(path: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    path.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests;
