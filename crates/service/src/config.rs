//! Configuration: layers of TOML and the environment, read once, all faults at once.

use std::{collections::BTreeMap, ffi::OsString, path::Path};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

mod fault;

/// The defaults of what every service is told.
pub const FRAME_DEFAULTS: &str = include_str!("../frame.default.toml");
/// The most faults told at once.
const FAULTS_MAX: usize = 50;
/// In front of variables that hold for all services.
const EVERYBODY: &str = "STACKLY";

/// Why the configuration cannot be used: every fault, one per line.
#[derive(Debug, thiserror::Error)]
#[error("the configuration of {name} cannot be used:\n  {}", faults.join("\n  "))]
pub struct ConfigError {
    name: String,
    faults: Vec<String>,
}

impl ConfigError {
    /// Fails if values that can be read do not go together: with every fault there is.
    pub fn unless_none(name: &str, faults: Vec<String>) -> Result<(), Self> {
        match faults.is_empty() {
            true => Ok(()),
            false => Err(Self { name: name.to_owned(), faults }),
        }
    }

    /// A value that can be read, and not used.
    pub fn of(name: &str, fault: &anyhow::Error) -> Self {
        Self { name: name.to_owned(), faults: vec![format!("{fault:#}")] }
    }
}

/// The layers of one service's configuration, merged.
#[derive(Debug, Clone)]
pub struct Layers {
    name: String,
    table: Table,
    /// What is put in place of a value that cannot be used, to find the next fault.
    defaults: Table,
    faults: Vec<String>,
}

impl Layers {
    /// Merges frame defaults < `defaults` < file < environment. What is wrong with them is told
    /// together with what is wrong with the values, by [`Layers::read`].
    pub fn merge(
        name: &str,
        defaults: &str,
        file: Option<&Path>,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, ConfigError> {
        let mut faults = Vec::new();
        let mut table: Table = FRAME_DEFAULTS.parse().expect("the frame's defaults are TOML");
        overlay(&mut table, defaults.parse().expect("a service's defaults are TOML"));
        let defaults = table.clone();
        if let Some(path) = file {
            match read(path) {
                Ok(layer) => overlay(&mut table, layer),
                Err(fault) => faults.push(fault),
            }
        }
        for prefix in [EVERYBODY, &name.to_ascii_uppercase()] {
            for (variable, value) in environment {
                let path = variable.strip_prefix(prefix).and_then(|rest| rest.strip_prefix("__"));
                if let Some(path) = path {
                    let keys: Vec<_> = path.split("__").map(str::to_ascii_lowercase).collect();
                    if let Err(fault) = set(&mut table, &keys, value) {
                        faults.push(format!("{variable}: {fault}"));
                    }
                }
            }
        }
        Ok(Self { name: name.to_owned(), table, defaults, faults })
    }

    /// Takes one table out: what concerns the process and not the service.
    pub fn take<T: DeserializeOwned>(&mut self, key: &str) -> Result<T, ConfigError> {
        let value = self.table.remove(key).unwrap_or_else(|| Value::Table(Table::new()));
        value.clone().try_into().or_else(|error| {
            self.faults.push(fault::plain(&error, Some(key)));
            // So that what is wrong with the other tables is told, too.
            let default = self.defaults.get(key).cloned().unwrap_or(value);
            default.try_into().map_err(|_| self.error())
        })
    }

    /// Reads what is left as the service's configuration, or tells every fault there is.
    pub fn read<C: DeserializeOwned>(mut self) -> Result<C, ConfigError> {
        self.table.remove("telemetry");
        // A reader stops at the first fault; with that one out of the way, it finds the next.
        for _ in 0..FAULTS_MAX {
            let error = match Value::Table(self.table.clone()).try_into() {
                Ok(config) if self.faults.is_empty() => return Ok(config),
                Ok(_) => break,
                Err(error) => error,
            };
            self.faults.push(fault::plain(&error, None));
            if !fault::mend(&mut self.table, &self.defaults, &error) {
                break;
            }
        }
        Err(self.error())
    }

    fn error(&self) -> ConfigError {
        ConfigError { name: self.name.clone(), faults: self.faults.clone() }
    }
}

/// The process environment. The only place it is read.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn environment() -> BTreeMap<String, String> {
    // What is no text is shown as it can be: it is none of ours, or its reader says what is wrong.
    let text = |text: OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect()
}

fn read(path: &Path) -> Result<Table, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    text.parse().map_err(|error: toml::de::Error| {
        // The line is counted, not quoted: it may hold a secret.
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.lines().count().max(1);
        format!("{} is not TOML at line {line}", path.display())
    })
}

/// Lays `upper` over `lower`: tables are merged, everything else is replaced.
fn overlay(lower: &mut Table, upper: Table) {
    for (key, value) in upper {
        match (lower.get_mut(&key), value) {
            (Some(Value::Table(lower)), Value::Table(upper)) => overlay(lower, upper),
            (_, value) => {
                lower.insert(key, value);
            }
        }
    }
}

/// Sets one value from the environment. Its type follows the default, so that a token of digits
/// stays a string.
fn set(table: &mut Table, keys: &[String], text: &str) -> Result<(), String> {
    let (last, path) = keys.split_last().ok_or("names no key")?;
    let mut table = table;
    for key in path {
        table = match table.entry(key).or_insert_with(|| Value::Table(Table::new())) {
            Value::Table(inner) => inner,
            _ => return Err(format!("`{key}` is a value, not a table")),
        };
    }
    let parsed = || format!("value = {text}").parse::<Table>().ok()?.remove("value");
    let value = match table.get(last) {
        Some(Value::String(_)) => Value::String(text.to_owned()),
        Some(default) => {
            let kind = default.type_str();
            // What it is instead is not said: a value in the wrong place may be a secret.
            parsed()
                .filter(|value| value.type_str() == kind)
                .ok_or_else(|| format!("must be a TOML {kind}"))?
        }
        None => parsed()
            .filter(|value| value.is_array() || value.is_table())
            .unwrap_or_else(|| Value::String(text.to_owned())),
    };
    table.insert(last.clone(), value);
    Ok(())
}

#[cfg(test)]
mod tests;
