//! Stacks that do not inherit any more what a file said to all below it: nothing leads from that
//! file to them now, so what is said of them is held against what was said before.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use code::{path, stack_file::FILE_NAME};
use contracts::{Code, Reason};

use super::Said;
use crate::blueprint::Blueprint;

/// What was said before, by folder and name.
type ByPlace<'a> = HashMap<(&'a str, &'a str), &'a Arc<Blueprint>>;

/// Adds those of the stacks for which these paths are such files.
pub(super) fn add(
    touched: &mut BTreeMap<String, Reason>,
    (said, before): (&[Said], &ByPlace<'_>),
    paths: &[String],
) {
    let files: Vec<&String> = paths.iter().filter(|it| path::name(it) == FILE_NAME).collect();
    if files.is_empty() {
        return;
    }
    for Said { stack, blueprint, .. } in said {
        let Some(stack) = stack else { continue };
        let before = before.get(&(blueprint.path.as_str(), blueprint.name.as_str()));
        if before.is_none_or(|before| before.is_like(blueprint)) {
            continue;
        }
        let left = files.iter().find(|file| {
            path::is_within(&stack.folder, path::parent(file))
                && file.as_str() != stack.spot.file
                && !stack.inherits.contains(*file)
        });
        if let Some(file) = left {
            let text = format!("{file} changed, with defaults that it does not inherit any more");
            let reason = Reason::new(Code::Touched, text);
            touched.entry(blueprint.name.clone()).or_insert(reason);
        }
    }
}
