//! The JSON Schema of a stackly.hcl and its manual, both made from the types in `settings`.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use crate::settings::StackFile;

/// The parts of the manual, in their order: the type, and the heading.
const PARTS: &[(&str, &str)] = &[
    ("Settings", "`stack` and `defaults`"),
    ("Input", "`input \"variable\"`"),
    ("Only", "`only \"stack\"`"),
    ("Hooks", "`hooks`"),
    ("Provider", "`provider \"name\"`"),
    ("Limits", "`limits`"),
    ("Drift", "`drift`"),
    ("Inferred", "`inferred`"),
    ("Spacelift", "`spacelift`"),
];

/// The JSON Schema, for the form that HCL has in JSON: blocks are objects, labels are keys.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(StackFile).to_value();
    clean(&mut schema);
    if let Value::Object(map) = &mut schema {
        map.insert("title".to_owned(), json!("stackly.hcl"));
    }
    schema
}

/// Nothing in HCL is null because it is left out, and texts are one line.
fn clean(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let Some(Value::Array(kinds)) = map.get_mut("type") {
                kinds.retain(|kind| kind != "null");
                if let [kind] = kinds.as_slice() {
                    let kind = kind.clone();
                    map.insert("type".to_owned(), kind);
                }
            }
            if let Some(Value::Array(choices)) = map.get("anyOf") {
                let choices: Vec<&Value> =
                    choices.iter().filter(|one| one.get("type") != Some(&json!("null"))).collect();
                if let [Value::Object(only)] = choices.as_slice() {
                    let only = only.clone();
                    map.remove("anyOf");
                    map.extend(only);
                }
            }
            if let Some(Value::String(text)) = map.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            map.remove("default");
            map.remove("format");
            map.values_mut().for_each(clean);
        }
        Value::Array(items) => items.iter_mut().for_each(clean),
        _ => {}
    }
}

/// The manual as Markdown.
pub fn manual() -> String {
    let schema = schema();
    let mut page = format!("{BEGINNING}\n```hcl\n{EXAMPLE}```\n{AFTER_EXAMPLE}");
    let _ = writeln!(page, "\n## The file\n");
    page += &table(&schema, &schema);
    for (name, heading) in PARTS {
        let part = &schema["$defs"][name];
        let _ = writeln!(page, "\n## {heading}\n\n{}\n", text(part));
        page += &table(&schema, part);
    }
    page += END;
    page
}

fn text(schema: &Value) -> &str {
    schema["description"].as_str().unwrap_or_default()
}

fn table(whole: &Value, part: &Value) -> String {
    let mut rows = "| Name | Type | Meaning |\n|---|---|---|\n".to_owned();
    let none = Map::new();
    let required = |name: &str| {
        part["required"].as_array().is_some_and(|names| names.iter().any(|one| one == name))
    };
    for (name, property) in part["properties"].as_object().unwrap_or(&none) {
        let needed = if required(name) { ", required" } else { "" };
        let _ =
            writeln!(rows, "| `{name}` | {}{needed} | {} |", kind(whole, property), text(property));
    }
    rows
}

/// What stands behind a name, in the words of HCL.
fn kind(whole: &Value, property: &Value) -> String {
    let named = |property: &Value| {
        property["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/")).map(str::to_owned)
    };
    if let Some(name) = named(property) {
        let words = whole["$defs"][name.as_str()]["oneOf"].as_array();
        let words: Option<Vec<&str>> =
            words.map(|words| words.iter().filter_map(|word| word["const"].as_str()).collect());
        return words.map_or_else(
            || "block".to_owned(),
            |words| words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(", "),
        );
    }
    match property["type"].as_str() {
        Some("string") => "string",
        Some("boolean") => "boolean",
        Some("integer") => "integer",
        Some("array") => "string, or list of strings",
        Some("object") if property["additionalProperties"]["$ref"].is_string() => "named blocks",
        Some("object") => "block with any names",
        _ => "any value",
    }
    .to_owned()
}

const BEGINNING: &str = "\
# stackly.hcl

<!-- Made from the types in crates/code/src/settings.rs; a test fails when it is stale. -->

A folder with a `stackly.hcl` is a stack, or several stacks made from the same code.
`stackly validate [path]` checks it without a running system; `stackly validate --schema` prints its JSON Schema.
A file that cannot be read does not affect other files; its previous content stays in force until it can be read again.
";

/// A stackly.hcl that says a little of everything.
pub const EXAMPLE: &str = r#"stack "shop-prod" {
  description = "The shop in production"
  labels      = ["env:prod", "team:shop"]
  owners      = ["@acme/shop"]
  policies    = ["office_hours", "production_approval"]
  depends_on  = ["dns-prod"]
  watch       = ["./templates/**", "shared/tags.json"]
  wave        = 2

  variables {
    environment = "prod"
    zones       = ["eu-west-1a", "eu-west-1b"]
  }

  input "vpc_id" {
    stack = "network-prod"
  }

  input "zone" {
    stack  = "dns-prod"
    output = "zone_id"
    always = true
  }

  hooks {
    pre_plan   = ["validate_quotas"]
    post_apply = ["notify_slack"]
  }

  only "dns-prod" {
    branches = ["main", "release/*"]
  }

  provider "aws" {
    accounts = ["123456789012"]
    parallel = 5
  }

  limits {
    parallel = 1
    timeout  = "45m"
  }

  drift {
    schedule = ["0 4 * * *"]
    timezone = "Europe/Berlin"
  }

  inferred {
    ignore = ["legacy-*"]
  }

  spacelift {
    space = "production"
    tool  = "opentofu"
  }
}
"#;

const AFTER_EXAMPLE: &str = "
`defaults { … }` in a folder applies to every stack in it and in the folders below; the nearest value wins.
Lists are added to inherited ones, except `owners`; `inherit = false` inherits nothing from above.
Values are plain data: no variables, no functions.

Settings are read, checked, inherited and stored with the stack.
What they do is described elsewhere:

- `only`, `wave`, `canary`, `soak`, `checks` and the accounts of a `provider`: [CHAINS.md](CHAINS.md).
- `limits`: [`parallel`](CHAINS.md#limits); `retries` and `timeout` [as labels](CHAINS.md#labels-of-a-stack-in-spacelift).
- `drift`: [CATALOGUE.md](CATALOGUE.md#scheduled-drift-detection).
- `hooks`: [POLICIES.md](POLICIES.md#hooks) for those before a plan, an apply or a destroy, [CHAINS.md](CHAINS.md#post-run-hooks) for those after it.
- The `regions` of a `provider` become labels `stackly:region=eu-west-1`, which policies can match.
";

const END: &str = "
## Edges read from code

Besides the declared edges, edges are inferred from code, across repositories, each with the file and line it was read from:
`terraform_remote_state` and `tfe_outputs`, `spacelift_stack_dependency`, Terragrunt's `dependency` and `dependencies`, and data sources that look up by name what another stack makes.
`stackly inspect [path]` shows them; `inferred { ignore = [\"…\"] }` overrides them.
Their accuracy is measured on a labelled set: `cargo test -p code --test labelled -- --nocapture`.
";
