//! `stackly validate`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::{
    failure::Failure,
    print::{Terminal, Tone, count},
};

/// Which policies are checked.
#[derive(Debug, Args)]
pub struct Options {
    /// The folder with the policies
    #[arg(default_value = "policies")]
    path: PathBuf,
}

pub(super) fn run(options: &Options, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let shown = options.path.display().to_string();
    match policy::validate(&options.path) {
        Ok(set) => {
            let names: Vec<&str> = set.policies.iter().map(|policy| policy.name.as_str()).collect();
            let document = json!({
                "valid": true,
                "policies": names,
                "digest": set.digest,
                "warnings": set.warnings,
            });
            terminal.answer(&document, |look| {
                let ok = look.paint(Tone::Good, "✓");
                let number = count(names.len(), "policy").replace("policys", "policies");
                let warnings: String =
                    set.warnings.iter().map(|warning| format!("warning: {warning}\n")).collect();
                format!("{warnings}{ok} {shown}: {number}, digest {}\n", set.digest)
            })
        }
        Err(faults) => {
            let document = json!({ "valid": false, "faults": faults });
            terminal.answer(&document, |_| faults.to_string())?;
            Err(Failure::Failed(anyhow::anyhow!("the policies in {shown} would be refused")))
        }
    }
}
