//! Security rules of our own: programs in Rego over the parsed configuration of a stack.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use code::{Configuration, Spot};
use contracts::validation::{Annotation, Level, Stage};
use located::{Fault, Source};
use rego::{Host, Value};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::Subject;

/// Rules to begin with, by file name.
pub const EXAMPLE: &[(&str, &str)] = &[("aws.rego", include_str!("../example/aws.rego"))];

/// The rules a program may have, and how much weighs what they find.
const RULES: [(&str, Level); 3] =
    [("deny", Level::Failure), ("warn", Level::Warning), ("notice", Level::Notice)];
/// The most findings of one rule in one stack.
const FINDINGS_MAX: usize = 200;
/// The most bytes of a program.
const BYTES_MAX: u64 = 1024 * 1024;

/// A file of a folder of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name, for people.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// A set of rules that was read as a whole.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    programs: Arc<Vec<(Host, Vec<&'static str>)>>,
    /// Of all its files.
    pub digest: String,
}

impl Rules {
    /// The rules in the `*.rego` files right in a folder; tests of rules (`*_test.rego`) are left
    /// out. Or everything that is wrong with them.
    pub fn open(folder: &Path) -> Result<Self, Vec<Fault>> {
        Self::read(&files(folder)?)
    }

    /// The rules of these files, or everything that is wrong with them.
    pub fn read(files: &[File]) -> Result<Self, Vec<Fault>> {
        let (mut programs, mut faults) = (Vec::new(), Vec::new());
        let mut digest = Sha256::new();
        for file in files {
            digest.update(file.name.as_bytes());
            digest.update(file.text.as_bytes());
            match program(file) {
                Ok(program) => programs.push(program),
                Err(mut found) => faults.append(&mut found),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let digest = format!("sha256:{}", hex::encode(digest.finalize()));
        Ok(Self { programs: Arc::new(programs), digest })
    }

    /// How many programs there are.
    pub fn len(&self) -> usize {
        self.programs.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.programs.is_empty()
    }

    /// What the rules find in a stack.
    pub fn judge(&self, configuration: &Configuration, subject: &Subject) -> Vec<Annotation> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut document = configuration.document(&subject.root, &subject.variables);
        document["stack"] = subject.told.clone();
        let input = rego::value(&document);
        let place = Place { document: &document, subject };
        let asked = self.programs.iter();
        asked.flat_map(|(host, rules)| ask(host, rules, &input, &place)).collect()
    }
}

/// The files of a folder of rules, in the order of their names.
fn files(folder: &Path) -> Result<Vec<File>, Vec<Fault>> {
    let fault = |name: &Path, what: String| {
        let advice = "make it readable, or name another folder of rules";
        vec![Fault::of_file(name.display().to_string(), what, advice)]
    };
    let away = |error| fault(folder, format!("this folder of rules cannot be read: {error}"));
    let mut paths = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(away)? {
        let path = entry.map_err(away)?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        if name.ends_with(".rego") && !name.ends_with("_test.rego") && !name.starts_with('.') {
            paths.insert(path);
        }
    }
    let mut files = Vec::new();
    for path in paths {
        let unread = |what: String| fault(&path, format!("this file cannot be read: {what}"));
        let bytes = fs::metadata(&path).map_err(|error| unread(error.to_string()))?.len();
        if bytes > BYTES_MAX {
            return Err(unread(format!("it has {bytes} bytes; at most {BYTES_MAX} are read")));
        }
        let text = fs::read_to_string(&path).map_err(|error| unread(error.to_string()))?;
        files.push(File { name: path.display().to_string(), text });
    }
    Ok(files)
}

fn program(file: &File) -> Result<(Host, Vec<&'static str>), Vec<Fault>> {
    let source = Source { file: &file.name, text: &file.text };
    let banned = rego::banned(&file.text).into_iter();
    let banned: Vec<Fault> = banned
        .map(|(place, what)| source.fault(place, what, "say it with what is in the input"))
        .collect();
    if !banned.is_empty() {
        return Err(banned);
    }
    let unreadable = |error: rego::Unreadable| {
        let (line, column) = error.at.unwrap_or((1, 1));
        let begin: usize =
            file.text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let at = begin + column.saturating_sub(1);
        vec![source.fault(at..at + 1, error.what, "docs/VALIDATION.md says what a rule may be")]
    };
    let host = Host::read(&file.name, &file.text, None).map_err(unreadable)?;
    let rules: Vec<&'static str> =
        RULES.iter().map(|(rule, _)| *rule).filter(|rule| host.declares(rule)).collect();
    if rules.is_empty() {
        let what = "it has none of the rules `deny`, `warn` and `notice`";
        return Err(vec![Fault::of_file(&file.name, what, "write `deny contains …`")]);
    }
    host.try_out(&rules).map_err(unreadable)?;
    Ok((host, rules))
}

/// Where findings are, in the code of a stack.
struct Place<'a> {
    document: &'a Json,
    subject: &'a Subject,
}

fn ask(host: &Host, rules: &[&'static str], input: &Value, place: &Place<'_>) -> Vec<Annotation> {
    let name = host.package().strip_prefix("data.").unwrap_or_else(|| host.package());
    let values = match host.ask(input, rules) {
        Ok(values) => values,
        Err(error) => {
            let text = format!(
                "this rule cannot be evaluated, and nothing passes what nobody can judge: {}",
                rego::first_line(&error)
            );
            return vec![place.annotation(Level::Failure, name.to_owned(), text, None)];
        }
    };
    let mut found = Vec::new();
    for (rule, value) in values {
        let level = RULES.iter().find(|(name, _)| *name == rule).map(|(_, level)| *level);
        let Some(level) = level else { continue };
        let items = items(&value, rule.as_str());
        found.extend(items.iter().take(FINDINGS_MAX).map(|item| place.finding(item, name, level)));
    }
    found
}

/// What a rule gives, one by one. Whatever is neither nothing nor false is something.
fn items(value: &Value, rule: &str) -> Vec<Json> {
    let json = |value: &Value| {
        let text = value.to_json_str().unwrap_or_else(|_| value.to_string());
        serde_json::from_str(&text).unwrap_or(Json::String(text))
    };
    match value {
        Value::Undefined | Value::Null | Value::Bool(false) => Vec::new(),
        Value::Bool(true) => vec![Json::String(format!("it says `{rule}`"))],
        Value::Set(items) => items.iter().map(json).collect(),
        Value::Array(items) => items.iter().map(json).collect(),
        // What `deny[finding] if …` gives in Rego v1, without `contains`.
        Value::Object(said) if said.values().all(|value| matches!(value, Value::Bool(_))) => said
            .iter()
            .filter(|(_, value)| **value == Value::Bool(true))
            .map(|(key, _)| json(key))
            .collect(),
        one => vec![json(one)],
    }
}

impl Place<'_> {
    /// A text, or an object that says more.
    fn finding(&self, item: &Json, package: &str, level: Level) -> Annotation {
        let text = |key: &str| item[key].as_str().map(str::to_owned);
        let message = item.as_str().map(str::to_owned).or_else(|| text("message"));
        let message = message.or_else(|| text("msg")).unwrap_or_else(|| item.to_string());
        let rule = match text("rule") {
            Some(rule) => format!("{package}.{rule}"),
            None => package.to_owned(),
        };
        self.annotation(level, rule, message, self.spot(item))
    }

    /// The line a finding names: by itself, or by a resource or module and one of its attributes.
    fn spot(&self, item: &Json) -> Option<Spot> {
        let line = |value: &Json| value.as_u64().and_then(|line| usize::try_from(line).ok());
        if let Some(file) = item["file"].as_str() {
            return Some(Spot { file: file.to_owned(), line: line(&item["line"]).unwrap_or(1) });
        }
        let address = item["resource"].as_str()?;
        let all =
            ["resources", "modules"].into_iter().filter_map(|of| self.document[of].as_array());
        let found = all.flatten().find(|one| one["address"] == address)?;
        let attribute = item["attribute"].as_str().unwrap_or_default();
        let line = line(&found["lines"][attribute]).or_else(|| line(&found["line"]));
        Some(Spot { file: found["file"].as_str()?.to_owned(), line: line.unwrap_or(1) })
    }

    fn annotation(
        &self,
        level: Level,
        rule: String,
        message: String,
        spot: Option<Spot>,
    ) -> Annotation {
        let Spot { file, line } = spot.unwrap_or_else(|| self.subject.spot.clone());
        Annotation {
            file,
            line: line.max(1),
            end_line: None,
            level,
            stage: Stage::Security,
            rule,
            message,
            stack: Some(self.subject.name.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
