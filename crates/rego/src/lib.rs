#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod banned;
mod depth;

use std::{
    fmt,
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use regorus::{Engine, utils::limits::ExecutionTimerConfig};
use sha2::{Digest, Sha256};

pub use banned::find as banned;
pub use regorus::Value;

/// How long all rules of a program may take for one question.
const TIME_MAX: Duration = Duration::from_millis(100);
/// Steps of a program between two looks at the clock.
const STEPS: NonZeroU32 = NonZeroU32::new(256).expect("it is not zero");

/// A program that was read.
pub struct Host {
    file: String,
    package: String,
    digest: String,
    engine: Mutex<Engine>,
}

/// Why a program cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// What is wrong.
    pub what: String,
    /// Where; line and column count from one.
    pub at: Option<(usize, usize)>,
}

impl Host {
    /// Reads a program: as Rego v1 and, unless v1 is asked for, as v0 if that fails.
    pub fn read(file: &str, text: &str, version: Option<u64>) -> Result<Self, Unreadable> {
        depth::check(text)?;
        let mut engine = match version {
            Some(0) => load(file, text, true)?,
            Some(_) => load(file, text, false)?,
            None => load(file, text, false).or_else(|error| {
                // What cannot be read either way is judged by what it looks like.
                let looks_old = !text.contains("rego.v1") && !text.contains(" if {");
                load(file, text, true).map_err(|old| if looks_old { old } else { error })
            })?,
        };
        let packages = engine.get_packages().ok();
        let package = packages.and_then(|packages| packages.into_iter().next());
        let package =
            package.ok_or_else(|| Unreadable { what: "it has no package".to_owned(), at: None })?;
        engine.set_execution_timer_config(ExecutionTimerConfig {
            limit: TIME_MAX,
            check_interval: STEPS,
        });
        engine.set_gather_prints(true);
        let digest = hex::encode(Sha256::digest(text));
        Ok(Self { file: file.to_owned(), package, digest, engine: Mutex::new(engine) })
    }

    /// Where its rules are: `data.spacelift`.
    pub fn package(&self) -> &str {
        &self.package
    }

    /// Of its text.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether it has a rule of this name.
    pub fn declares(&self, rule: &str) -> bool {
        let engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        engine.has_declared_rule_rooted_at(&self.file, rule).unwrap_or(false)
    }

    /// Functions that do not exist are found when they are called first.
    pub fn try_out(&self, rules: &[&str]) -> Result<(), Unreadable> {
        match self.ask(&Value::new_object(), rules) {
            Err(error) if error.contains("could not find function") => {
                Err(Unreadable { at: place(&error), what: first_line(&error) })
            }
            _ => Ok(()),
        }
    }

    /// The values of rules for an input. The error says all that is known of why there are none.
    pub fn ask(&self, input: &Value, rules: &[&str]) -> Result<Vec<(String, Value)>, String> {
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        engine.set_input(input.clone());
        let ask = |rule: &&str| {
            let value = engine.eval_rule(format!("{}.{rule}", self.package));
            value.map(|value| ((*rule).to_owned(), value)).map_err(|error| error.to_string())
        };
        rules.iter().map(ask).collect()
    }
}

fn load(file: &str, text: &str, is_old: bool) -> Result<Engine, Unreadable> {
    let mut engine = Engine::new();
    engine.set_rego_v0(is_old);
    match engine.add_policy(file.to_owned(), text.to_owned()) {
        Ok(_) => Ok(engine),
        Err(error) => {
            let error = error.to_string();
            Err(Unreadable { at: place(&error), what: first_line(&error) })
        }
    }
}

/// The sentence at the end of an error that shows the line it is about.
pub fn first_line(error: &str) -> String {
    let lines = error.lines().map(str::trim).filter(|line| !line.is_empty());
    let said = lines.clone().rfind(|line| line.starts_with("error:"));
    let line = said.or_else(|| lines.clone().next()).unwrap_or("it cannot be evaluated");
    line.trim_start_matches("error:").trim().to_owned()
}

/// `--> file:12:3` in an error.
fn place(error: &str) -> Option<(usize, usize)> {
    let arrow = error.lines().find_map(|line| line.trim().strip_prefix("-->"))?;
    let mut numbers = arrow.trim().rsplit(':');
    let column = numbers.next()?.trim().parse().ok()?;
    let line = numbers.next()?.trim().parse().ok()?;
    Some((line, column))
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("package", &self.package).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_end_is_stopped_and_one_that_does_answers() {
        let text = "package p\nimport rego.v1\n\
                    slow := count([1 | some a in numbers.range(1, 100000); some b in \
                    numbers.range(1, 100000); a + b < 0])\nfast := input.x + 1\n";
        let host = Host::read("p.rego", text, None).unwrap();
        let input = Value::from(serde_json::json!({ "x": 1 }));
        assert!(host.ask(&input, &["slow"]).is_err());
        let answer = host.ask(&input, &["fast"]).unwrap();
        assert_eq!(answer, [("fast".to_owned(), Value::from(2u64))]);
        assert!(host.declares("slow") && !host.declares("deny"));
        assert_eq!(host.package(), "data.p");
    }
}
