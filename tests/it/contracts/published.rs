//! Generated files that are kept beside what they are generated from.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A file of the workspace, by its path from the root; empty if there is none.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_default()
}

/// Fails unless the file holds just this.
pub fn assert_current(path: &str, wanted: &str) {
    let found = read(path);
    if found == wanted {
        return;
    }
    let new = Path::new(env!("CARGO_TARGET_TMPDIR")).join("published").join(path);
    fs::create_dir_all(new.parent().unwrap()).unwrap();
    fs::write(&new, wanted).unwrap();
    let line = found.lines().zip(wanted.lines()).take_while(|(old, new)| old == new).count();
    panic!(
        "{path} is stale from line {}:\n  is     {:?}\n  should {:?}\nLook at the difference, then \
         take it over, in the root of the repository:\n  cp {} {path}",
        line + 1,
        found.lines().nth(line).unwrap_or_default(),
        wanted.lines().nth(line).unwrap_or_default(),
        new.display(),
    );
}

/// JSON whose text depends on nothing but its value: keys are sorted.
pub fn canonical(value: &Value) -> String {
    format!("{:#}", sorted(value))
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let fields: BTreeMap<_, _> =
                object.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}
