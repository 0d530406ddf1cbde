//! The manual and the schema in `docs/` are those of the types.

use std::{fs, path::Path};

use code::{manual, stack_file};
use serde_json::Value;

/// Fails unless the file holds just this; the right text is written to the target folder.
fn assert_current(path: &str, wanted: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let found = fs::read_to_string(root.join(path)).unwrap_or_default();
    if found != wanted {
        let new = Path::new(env!("CARGO_TARGET_TMPDIR")).join(path.replace('/', "-"));
        fs::write(&new, wanted).expect("the target folder can be written");
        let new = new.display();
        panic!("{path} is stale; look at the difference, then: cp {new} {path}");
    }
}

#[test]
fn the_manual_is_that_of_the_types() {
    assert_current("docs/STACKLY_HCL.md", &manual::manual());
}

#[test]
fn the_schema_is_that_of_the_types() {
    assert_current("docs/stackly.schema.json", &format!("{:#}\n", manual::schema()));
}

#[test]
fn the_example_of_the_manual_is_read_and_fits_the_schema() {
    let read = stack_file::read("stackly.hcl", manual::EXAMPLE);
    assert_eq!(read.faults, []);
    let [stack] = read.stacks.as_slice() else { panic!("{:?}", read.stacks) };
    let document = serde_json::json!({ "stack": { &stack.name: stack.settings } });
    let validator = jsonschema::validator_for(&manual::schema()).unwrap();
    let faults: Vec<String> =
        validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert_eq!(faults, Vec::<String>::new());
    let wrong: Value = serde_json::json!({ "stack": { "a": { "labls": [] } } });
    assert!(!validator.is_valid(&wrong));
}

#[test]
fn what_the_schema_knows_is_what_the_reader_knows() {
    let schema = manual::schema();
    let properties = schema["$defs"]["Settings"]["properties"].as_object().unwrap();
    for name in properties.keys() {
        let text = format!("stack \"a\" {{\n  {name} = 1\n}}\n");
        let read = stack_file::read("stackly.hcl", &text);
        let unknown = read.faults.iter().find(|fault| fault.what.contains("there is no"));
        assert_eq!(unknown, None, "the reader does not know `{name}`");
    }
    let read = stack_file::read("stackly.hcl", "stack \"a\" {\n  nothing_like_it = 1\n}\n");
    for name in properties.keys() {
        assert!(read.faults[0].advice.contains(&format!("`{name}`")), "{name}");
    }
    assert_eq!(read.faults[0].advice.matches('`').count(), properties.len() * 2);
}
