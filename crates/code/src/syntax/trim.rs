//! Takes out of a file what nothing is concluded from: most of what resources say.
//!
//! A repository of thousands of stacks is kept in memory; what is not needed would be most of it.

use super::{Block, Body, Expr, Step};
use crate::module::reads_files;

/// Resources that are looked at more closely, by how their types begin.
const LOOKED_AT: &[&str] = &["spacelift_", "terraform_remote_state", "tfe_outputs"];
/// What things are called by, and how they are configured.
const NAMES: &[&str] = &[
    "bucket",
    "cluster_name",
    "db_instance_identifier",
    "for_each",
    "function_name",
    "identifier",
    "name",
    "path",
    "path_prefix",
    "provider",
    "secret",
    "secret_id",
];
/// Blocks within resources that are.
const INNER: &[&str] = &["config", "workspaces"];

/// The body without what is not needed.
pub(crate) fn trimmed(mut body: Body) -> Body {
    for block in &mut body.blocks {
        match block.kind.as_str() {
            "resource" | "data" => resource(block),
            // How a type is written is shown; nothing else is.
            "variable" => {}
            _ => forget_how_it_is_written(&mut block.body),
        }
    }
    body
}

fn resource(block: &mut Block) {
    let kind = block.label(0);
    let is_looked_at = LOOKED_AT.iter().any(|begin| kind.starts_with(begin));
    let inner = std::mem::take(&mut block.body.blocks);
    for inner in inner {
        if INNER.contains(&inner.kind.as_str()) {
            block.body.blocks.push(inner);
        } else {
            gather(inner.body, &mut block.body);
        }
    }
    block.body.attributes.retain(|attribute| {
        is_looked_at || NAMES.contains(&attribute.key.as_str()) || is_needed(&attribute.value)
    });
    forget_how_it_is_written(&mut block.body);
}

/// Keeps what the inside of a block is needed for; its names mean nothing outside of it.
fn gather(inner: Body, kept: &mut Body) {
    for mut attribute in inner.attributes {
        if is_needed(&attribute.value) {
            attribute.key = format!("({})", attribute.key);
            kept.attributes.push(attribute);
        }
    }
    inner.blocks.into_iter().for_each(|block| gather(block.body, kept));
}

/// Whether it reads an output of another stack, or a file.
fn is_needed(value: &Expr) -> bool {
    let mut found = false;
    value.walk(&mut |expression| match expression {
        Expr::Path(root, steps) => {
            let reads = |name: &str| name == "terraform_remote_state" || name == "tfe_outputs";
            found |=
                root == "data" && matches!(steps.first(), Some(Step::Name(kind)) if reads(kind));
        }
        Expr::Call(name, _) => found |= reads_files(name),
        _ => {}
    });
    found
}

fn forget_how_it_is_written(body: &mut Body) {
    for attribute in &mut body.attributes {
        attribute.written = String::new();
    }
    body.blocks.iter_mut().for_each(|block| forget_how_it_is_written(&mut block.body));
}
