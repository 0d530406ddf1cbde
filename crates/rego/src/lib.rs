#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod banned;
mod depth;
mod json;
mod meter;
mod numbers;
mod recursion;
mod stack;
mod tokens;

use std::{
    fmt,
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use meter::Meter;
use regorus::{Engine, utils::limits::ExecutionTimerConfig};
use sha2::{Digest, Sha256};

pub use banned::find as banned;
pub use json::value;
pub use regorus::Value;
pub use tokens::{Path, paths};

/// How long all rules of a program may take for one question.
const TIME_MAX: Duration = Duration::from_millis(100);
/// What an error says that does not depend on the input.
const FATAL: [&str; 3] = ["could not find function", "` may not be called", "MiB of memory"];
/// Steps of a program between two looks at the clock: no more than a few products, because each may
/// take three times as long as the one before.
const STEPS: NonZeroU32 = NonZeroU32::new(4).expect("it is not zero");

/// A program that was read.
pub struct Host {
    file: String,
    package: String,
    digest: String,
    engine: Mutex<Engine>,
    meter: Meter,
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
        numbers::check(text)?;
        stack::roomy(|| Self::read_here(file, text, version))
    }

    fn read_here(file: &str, text: &str, version: Option<u64>) -> Result<Self, Unreadable> {
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
        let meter = Meter::default();
        meter
            .install(&mut engine)
            .map_err(|error| Unreadable { what: error.to_string(), at: None })?;
        let digest = hex::encode(Sha256::digest(text));
        Ok(Self { file: file.to_owned(), package, digest, engine: Mutex::new(engine), meter })
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

    /// Functions that do not exist, may not be called, or make too much whatever they are given, are
    /// found when they are called first.
    pub fn try_out(&self, rules: &[&str]) -> Result<(), Unreadable> {
        match self.ask(&Value::new_object(), rules) {
            Err(error) if FATAL.iter().any(|fatal| error.contains(fatal)) => {
                Err(Unreadable { at: place(&error), what: first_line(&error) })
            }
            _ => Ok(()),
        }
    }

    /// The values of rules for an input. The error says all that is known of why there are none.
    pub fn ask(&self, input: &Value, rules: &[&str]) -> Result<Vec<(String, Value)>, String> {
        let mut left = TIME_MAX;
        self.ask_within(input, rules, &mut left)
    }

    /// The same where many questions have one time together: what this one took is taken off `left`.
    pub fn ask_within(
        &self,
        input: &Value,
        rules: &[&str],
        left: &mut Duration,
    ) -> Result<Vec<(String, Value)>, String> {
        stack::roomy(|| self.ask_here(input, rules, left))
    }

    fn ask_here(
        &self,
        input: &Value,
        rules: &[&str],
        left: &mut Duration,
    ) -> Result<Vec<(String, Value)>, String> {
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        engine.set_input(input.clone());
        self.meter.reset();
        let (begun, most) = (Instant::now(), TIME_MAX.min(*left));
        let ask = |rule: &&str| {
            // The engine times each rule by itself, and all of them have this time together.
            engine.set_execution_timer_config(ExecutionTimerConfig {
                limit: most.saturating_sub(begun.elapsed()),
                check_interval: STEPS,
            });
            let value = engine.eval_rule(format!("{}.{rule}", self.package));
            let value = value.map_err(|error| error.to_string())?;
            if !Meter::is_tellable(&value) {
                return Err(format!("`{rule}` gives more than anybody could be told"));
            }
            Ok(((*rule).to_owned(), value))
        };
        let answer = rules.iter().map(ask).collect();
        *left = left.saturating_sub(begun.elapsed());
        answer
    }
}

fn load(file: &str, text: &str, is_old: bool) -> Result<Engine, Unreadable> {
    let mut engine = Engine::new();
    engine.set_rego_v0(is_old);
    let text = tokens::without_prints(text);
    match engine.add_policy(file.to_owned(), text.clone()) {
        Ok(_) => recursion::check(&text, is_old).map(|()| engine),
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
mod tests;
