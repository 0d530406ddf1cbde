//! What scanners such as Checkov, Trivy and tfsec found, as they write it: SARIF 2.1.0. And what was
//! found here, written the same way.

use std::collections::HashMap;

use contracts::{
    phrase::count,
    validation::{Annotation, Level, Stage},
};
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
    suppressions: Option<Vec<Suppression>>,
}

#[derive(Deserialize)]
struct Suppression {
    #[serde(default)]
    status: Option<String>,
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

/// Where a file is that a scanner names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Here, from the root of the repository.
    At(String),
    /// In the repository, but not among the files that are judged; or in code from elsewhere.
    Elsewhere,
    /// Nobody can tell.
    Untold,
}

/// What a file of findings says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// What was found in our files.
    pub annotations: Vec<Annotation>,
    /// How many errors are where nobody can tell.
    pub unplaced: usize,
}

impl Findings {
    /// What was found, with one failure for all that has no place. `name` is that of the scanner.
    pub fn with_unplaced(self, name: &str) -> Vec<Annotation> {
        let Self { mut annotations, unplaced } = self;
        if unplaced > 0 {
            let errors = count(unplaced, "error");
            let text = format!(
                "{name} found {errors} that cannot be placed in the repository, and nothing passes \
                 what nobody can judge; a place is a path from its root, or from the folder it was in"
            );
            annotations.push(Annotation {
                file: code::stack_file::FILE_NAME.to_owned(),
                line: 1,
                end_line: None,
                level: Level::Failure,
                stage: Stage::Scanner,
                rule: unplaced_rule(name),
                message: text,
                stack: None,
            });
        }
        annotations
    }
}

/// The rule by which a report fails that names errors without a place.
pub fn unplaced_rule(name: &str) -> String {
    format!("{name}.unplaced")
}

/// The findings of a file; `place` says where the file is that the scanner calls by a path. What was
/// suppressed by whoever ran the scanner, or is no finding, is left out.
pub fn read(text: &str, place: &dyn Fn(&str) -> Place) -> Result<Findings, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let log: Log =
        serde_json::from_str(text).map_err(|error| format!("it is not SARIF: {error}"))?;
    if !log.version.starts_with("2.") {
        return Err(format!("it is SARIF {}; version 2.1.0 is read", log.version));
    }
    let mut findings = Findings::default();
    for run in log.runs {
        let rules: HashMap<&str, &Rule> =
            run.tool.driver.rules.iter().map(|rule| (rule.id.as_str(), rule)).collect();
        for result in run.results.into_iter().flatten() {
            if findings.annotations.len() >= RESULTS_MAX {
                return Err(format!("it has more than {RESULTS_MAX} findings"));
            }
            let by_place = result.rule_index.and_then(|at| run.tool.driver.rules.get(at));
            let by_name = result.rule_id.as_deref().and_then(|id| rules.get(id).copied());
            let rule = by_name.or(by_place);
            let Some(level) = level(rule, &result) else { continue };
            match result.place(place) {
                Place::At(file) => {
                    let tool = run.tool.driver.name.as_str();
                    findings.annotations.push(annotation(tool, rule, &result, (file, level)));
                }
                Place::Untold if level == Level::Failure => findings.unplaced += 1,
                Place::Untold | Place::Elsewhere => {}
            }
        }
    }
    Ok(findings)
}

/// How much a result weighs, if it is a finding.
fn level(rule: Option<&Rule>, found: &Found) -> Option<Level> {
    let holds =
        |it: &Suppression| !matches!(it.status.as_deref(), Some("rejected" | "underReview"));
    // By SARIF, one that does not hold is stronger than those that do.
    let is_suppressed =
        found.suppressions.as_ref().is_some_and(|all| !all.is_empty() && all.iter().all(holds));
    let is_finding = matches!(found.kind.as_deref(), None | Some("fail" | "open" | "review"));
    if is_suppressed || !is_finding {
        return None;
    }
    let configured = || rule?.default_configuration.as_ref()?.level.as_deref();
    match found.level.as_deref().or_else(configured).unwrap_or("warning") {
        "error" => Some(Level::Failure),
        "note" => Some(Level::Notice),
        "none" => None,
        _ => Some(Level::Warning),
    }
}

impl Found {
    fn physical(&self) -> Option<&Physical> {
        self.locations.iter().find_map(|it| it.physical_location.as_ref())
    }

    fn place(&self, place: &dyn Fn(&str) -> Place) -> Place {
        let named = self.physical().and_then(|it| it.artifact_location.as_ref());
        match named.map(|it| path(&it.uri)).filter(|path| !path.is_empty()) {
            Some(path) => place(&path),
            None => Place::Untold,
        }
    }
}

fn annotation(
    tool: &str,
    rule: Option<&Rule>,
    found: &Found,
    (file, level): (String, Level),
) -> Annotation {
    let region = found.physical().and_then(|it| it.region.as_ref());
    let line = region.and_then(|region| region.start_line).unwrap_or(1).max(1);
    let end_line = region.and_then(|region| region.end_line).filter(|end| *end > line);
    let id =
        found.rule_id.as_deref().or_else(|| rule.map(|rule| rule.id.as_str())).unwrap_or("unnamed");
    Annotation {
        file,
        line,
        end_line,
        level,
        stage: Stage::Scanner,
        rule: format!("{}.{id}", tool.to_lowercase().replace(' ', "-")),
        message: found.message.text.clone(),
        stack: None,
    }
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
