//! Configuration: layers of TOML and the environment, read once, all faults at once.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// The defaults of what every service is told.
pub const FRAME_DEFAULTS: &str = include_str!("../frame.default.toml");
/// In front of variables that hold for all services.
const EVERYBODY: &str = "STACKLY";

/// Why the configuration cannot be used: every fault, one per line.
#[derive(Debug, thiserror::Error)]
#[error("the configuration of {name} cannot be used:\n  {}", faults.join("\n  "))]
pub struct ConfigError {
    name: String,
    faults: Vec<String>,
}

/// The layers of one service's configuration, merged.
#[derive(Debug, Clone)]
pub struct Layers {
    name: String,
    table: Table,
}

impl Layers {
    /// Merges frame defaults < `defaults` < file < environment.
    pub fn merge(
        name: &str,
        defaults: &str,
        file: Option<&Path>,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, ConfigError> {
        let mut faults = Vec::new();
        let mut table: Table = FRAME_DEFAULTS.parse().expect("the frame's defaults are TOML");
        overlay(&mut table, defaults.parse().expect("a service's defaults are TOML"));
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
        match faults.is_empty() {
            true => Ok(Self { name: name.to_owned(), table }),
            false => Err(ConfigError { name: name.to_owned(), faults }),
        }
    }

    /// Takes one table out: what concerns the process and not the service.
    pub fn take<T: DeserializeOwned>(&mut self, key: &str) -> Result<T, ConfigError> {
        let value = self.table.remove(key).unwrap_or_else(|| Value::Table(Table::new()));
        value.try_into().map_err(|error| self.fault(&format!("[{key}] {error}")))
    }

    /// Reads what is left as the service's configuration.
    pub fn read<C: DeserializeOwned>(mut self) -> Result<C, ConfigError> {
        self.table.remove("telemetry");
        let name = self.name.clone();
        Value::Table(self.table)
            .try_into()
            .map_err(|error: toml::de::Error| ConfigError { name, faults: vec![one_line(&error)] })
    }

    fn fault(&self, fault: &str) -> ConfigError {
        ConfigError { name: self.name.clone(), faults: vec![fault.to_owned()] }
    }
}

/// The process environment. The only place it is read.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars().collect()
}

/// `--config <file>` among the arguments of the process, if given.
pub(crate) fn file_argument(arguments: impl Iterator<Item = String>) -> Option<PathBuf> {
    let mut arguments = arguments.skip_while(|argument| argument != "--config").skip(1);
    arguments.next().map(PathBuf::from)
}

fn read(path: &Path) -> Result<Table, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    text.parse().map_err(|error| format!("{} is no TOML: {error}", path.display()))
}

fn one_line(error: &toml::de::Error) -> String {
    error.to_string().replace('\n', " ").trim().to_owned()
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
            let value = parsed().ok_or_else(|| format!("`{text}` is no {kind}"))?;
            if value.type_str() != kind {
                return Err(format!("`{text}` is a {}, not a {kind}", value.type_str()));
            }
            value
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
