//! What built-in functions may cost: memory, before it is taken.
//!
//! The clock is looked at between the steps of a program, and one call is one step: `replace`, given
//! what `replace` gave, makes gigabytes in one. So each function is wrapped: what its result may
//! weigh is reckoned from what it is given, and all of that together is bounded for one question.

mod cost;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use regorus::{
    Engine, Value,
    unstable::{BUILTINS, BuiltinFcn, Expr, Ref, Source, Span},
};
use sha2::{Digest, Sha256};

use crate::{banned, first_line, json};

/// How much functions may make of it for one question, in bytes.
pub(crate) const MEMORY_MAX: u64 = 32 * 1024 * 1024;

/// What is left of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter(Arc<AtomicU64>);

impl Meter {
    /// A new question begins.
    pub(crate) fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn charge(&self, name: &str, bytes: u64) -> anyhow::Result<()> {
        // One question at a time is asked of a program.
        let spent = self.0.load(Ordering::Relaxed).saturating_add(bytes);
        if spent > MEMORY_MAX {
            anyhow::bail!(
                "`{name}` would make the program take more than {} MiB of memory",
                MEMORY_MAX >> 20
            );
        }
        self.0.store(spent, Ordering::Relaxed);
        Ok(())
    }

    /// Wraps all functions there are. Those that are banned are none.
    pub(crate) fn install(&self, engine: &mut Engine) -> anyhow::Result<()> {
        let place = place()?;
        for (name, builtin) in BUILTINS.iter() {
            let function =
                Metered { name, builtin: *builtin, meter: self.clone(), place: place.clone() };
            let call = move |given: Vec<Value>| function.call(&given);
            engine.add_extension((*name).to_owned(), builtin.1, Box::new(call))?;
        }
        // Spacelift gives its policies this one, to compare what it hides: the end of a hash.
        let hide = |given: Vec<Value>| {
            let hash = Sha256::digest(given[0].as_string()?.as_bytes());
            Ok(Value::from(hex::encode(&hash[hash.len() - 8..])))
        };
        engine.add_extension("sanitized".to_owned(), 1, Box::new(hide))?;
        // Those that are left of it when the program is read are blanked there.
        engine.add_extension("print".to_owned(), 1, Box::new(|_| Ok(Value::Bool(true))))
    }

    /// Whether a value is small enough to be told.
    pub(crate) fn is_tellable(value: &Value) -> bool {
        cost::deep(value, MEMORY_MAX) <= MEMORY_MAX
    }
}

/// A place for errors that are told with the place of the call anyway.
fn place() -> anyhow::Result<Ref<Expr>> {
    let source = Source::from_contents(String::new(), String::new())?;
    let span = Span { source, line: 1, col: 1, start: 0, end: 0 };
    Ok(Ref::new(Expr::Null { span, value: Value::Null, eidx: 0 }))
}

#[derive(Clone)]
struct Metered {
    name: &'static str,
    builtin: BuiltinFcn,
    meter: Meter,
    place: Ref<Expr>,
}

impl Metered {
    fn call(&self, given: &[Value]) -> anyhow::Result<Value> {
        let name = self.name;
        if let Some(why) = banned::why(name) {
            anyhow::bail!("`{name}` may not be called: {why}");
        }
        self.meter.charge(name, cost::before(name, given, MEMORY_MAX))?;
        let places = vec![self.place.clone(); given.len()];
        let span = self.place.span();
        let call = || match json::read(name, given) {
            Some(read) => read,
            None => (self.builtin.0)(span, &places, given, true),
        };
        match catch_unwind(AssertUnwindSafe(call)) {
            Ok(Ok(value)) => {
                self.meter.charge(name, cost::flat(&value))?;
                Ok(value)
            }
            Ok(Err(error)) => Err(anyhow::anyhow!("{}", first_line(&format!("{error:#}")))),
            Err(_) => anyhow::bail!("`{name}` cannot be computed for what it is given"),
        }
    }
}
