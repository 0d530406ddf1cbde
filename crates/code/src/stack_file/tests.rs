use super::*;
use crate::settings::{Input, Tool};

/// The stack of the first design document, letter for letter.
const SEED: &str = r#"
stack "example" {
  version = "1.0.0"
  
  variables {
    environment = "prod"
    region = "us-west-2"
  }
  
  policies = [
    "deployment_window",
    "production_approval"
  ]
  
  hooks {
    pre_plan = ["validate_quotas"]
    post_apply = ["notify_slack"]
  }
}
"#;

#[track_caller]
fn accepted(text: &str) -> Vec<Written> {
    let read = read("a/stackly.hcl", text);
    let faults: Vec<String> = read.faults.iter().map(ToString::to_string).collect();
    assert!(faults.is_empty() && !read.is_unclear, "{}", faults.join("\n\n"));
    read.stacks
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    let read = read("a/stackly.hcl", text);
    let faults: Vec<String> = read.faults.iter().map(ToString::to_string).collect();
    let found = faults.join("\n\n");
    assert_eq!(found.trim(), expected.trim(), "\n--- found\n{found}\n---");
}

#[test]
fn the_stack_of_the_design_is_read() {
    let stacks = accepted(SEED);
    let [stack] = stacks.as_slice() else { panic!("{stacks:?}") };
    assert_eq!((stack.name.as_str(), stack.spot.line), ("example", 2));
    let settings = &stack.settings;
    assert_eq!(settings.version.as_deref(), Some("1.0.0"));
    assert_eq!(settings.variables["region"], "us-west-2");
    assert_eq!(settings.policies, ["deployment_window", "production_approval"]);
    assert_eq!(settings.hooks.pre_plan, ["validate_quotas"]);
    assert_eq!(settings.hooks.post_apply, ["notify_slack"]);
    let told = [
        "stackly:hook=pre_plan:validate_quotas",
        "stackly:hook=post_apply:notify_slack",
        "stackly:policy=deployment_window",
        "stackly:policy=production_approval",
    ];
    assert_eq!(settings.told_as_labels(), told);
}

#[test]
fn one_code_may_have_many_states() {
    let stacks = accepted("stack \"net-dev\" {}\nstack \"net-prod\" { policies = [] }\n");
    let names: Vec<&str> = stacks.iter().map(|stack| stack.name.as_str()).collect();
    assert_eq!(names, ["net-dev", "net-prod"]);
}

#[test]
fn inputs_values_and_paths_are_read() {
    let stacks = accepted(
        r#"
        stack "app" {
          watch = ["./templates/**", "../shared/", "modules/x/*.json"]
          wave  = 2
          soak  = "30m"
          checks = ["shop"]
          canary = true
          variables {
            list  = [1, -2, 2.5, true, null]
            map   = { a = "b", "c d" = { e = 1 } }
            text  = <<-EOT
              two
              lines
            EOT
          }
          input "vpc_id" { stack = "network" }
          input "zone" {
            stack  = "dns"
            output = "zone_id"
            always = true
          }
          provider "aws" {
            accounts = ["123456789012"]
            parallel = 3
          }
          limits {
            timeout = "45m"
            retries = 0
          }
          drift {
            schedule = ["0 4 * * *"]
            timezone = "Europe/Berlin"
          }
          on_tag = ["v*"]
          fail_fast = true
          supersede = true
          spacelift { tool = "opentofu" }
        }
        "#,
    );
    let settings = &stacks[0].settings;
    assert_eq!(settings.watch, ["a/templates/**", "shared/", "modules/x/*.json"]);
    assert_eq!(settings.variables["list"], serde_json::json!([1, -2, 2.5, true, null]));
    assert_eq!(settings.variables["map"]["c d"]["e"], 1);
    assert_eq!(settings.variables["text"], "two\nlines\n");
    let zone = Input {
        stack: "dns".into(),
        output: Some("zone_id".into()),
        always: Some(true),
        sensitive: None,
    };
    assert_eq!(settings.input["zone"], zone);
    assert_eq!(settings.provider["aws"].parallel, Some(3));
    assert_eq!(settings.spacelift.tool, Some(Tool::OpenTofu));
    assert_eq!(spot(&stacks[0].marks[&Mark::Input("zone".into())]).line, 18);
    assert_eq!(
        settings.told_as_labels(),
        [
            "stackly:always",
            "stackly:fail-fast",
            "stackly:supersede",
            "stackly:wave=2",
            "stackly:canary",
            "stackly:soak=30m",
            "stackly:timeout=45m",
            "stackly:attempts=1",
            "stackly:input=vpc_id:network/vpc_id",
            "stackly:input=zone:dns/zone_id",
            "stackly:check=shop",
            "stackly:on-tag=v*"
        ]
    );
}

#[test]
fn all_faults_are_told_at_once_each_with_its_place_and_what_to_do() {
    refused(
        r#"
stack "app" {
  polices   = ["x"]
  owners    = [alice]
  watch     = ["../../etc/passwd", "/etc/*", "a[b"]
  wave      = -1
  variables { region = var.region }
  input "vpc" {}
  hooks { preplan = ["x"] }
  limits { timeout = "soon" }
  drift {
    schedule = ["daily"]
    timezone = "Europe/Berlim"
  }
  spacelift { tool = "terrafrom" }
}
stak "typo" {}
stack "a/b" {}
"#,
        r#"
a/stackly.hcl:3:3: there is no `polices` in `stack`
    3 |   polices   = ["x"]
      |   ^^^^^^^
  help: did you mean `policies`?

a/stackly.hcl:4:16: `owners` must be a string or a list of strings, not a bare word
    4 |   owners    = [alice]
      |                ^^^^^
  help: put it in quotes: "alice"

a/stackly.hcl:5:16: the path "../../etc/passwd" leads out of the repository
    5 |   watch     = ["../../etc/passwd", "/etc/*", "a[b"]
      |                ^^^^^^^^^^^^^^^^^^
  help: name something inside of the repository: fewer `..`

a/stackly.hcl:5:36: the path "/etc/*" is absolute
    5 |   watch     = ["../../etc/passwd", "/etc/*", "a[b"]
      |                                    ^^^^^^^^
  help: begin at the root of the repository, without the first `/`

a/stackly.hcl:5:46: this glob cannot be read: unclosed character class; missing ']'
    5 |   watch     = ["../../etc/passwd", "/etc/*", "a[b"]
      |                                              ^^^^^
  help: close every `[` and `{`, or write `[[]`

a/stackly.hcl:6:15: `wave` must be a whole number, not this number
    6 |   wave      = -1
      |               ^^
  help: values are plain data here: strings, numbers, true, false and lists

a/stackly.hcl:7:24: `region` must be plain data, not an expression
    7 |   variables { region = var.region }
      |                        ^^^^^^^^^^
  help: values are plain data here: strings, numbers, true, false and lists

a/stackly.hcl:8:3: the stack of this input is missing
    8 |   input "vpc" {}
      |   ^^^^^^^^^^^
  help: write `stack = "name"`: the stack that has the output

a/stackly.hcl:9:11: there is no `preplan` in `hooks`
    9 |   hooks { preplan = ["x"] }
      |           ^^^^^^^
  help: did you mean `pre_plan`?

a/stackly.hcl:10:22: "soon" is not a length of time
   10 |   limits { timeout = "soon" }
      |                      ^^^^^^
  help: write a number and `s`, `m`, `h` or `d`: "45m"

a/stackly.hcl:12:17: "daily" is not a cron expression of five fields
   12 |     schedule = ["daily"]
      |                 ^^^^^^^
  help: write minute, hour, day, month and day of the week: "0 4 * * *"

a/stackly.hcl:13:16: there is no time zone "Europe/Berlim"
   13 |     timezone = "Europe/Berlim"
      |                ^^^^^^^^^^^^^^^
  help: did you mean "Europe/Berlin"?

a/stackly.hcl:15:22: `tool` cannot be "terrafrom"
   15 |   spacelift { tool = "terrafrom" }
      |                      ^^^^^^^^^^^
  help: did you mean "terraform"?

a/stackly.hcl:17:1: there is no block `stak` at the top of a file
   17 | stak "typo" {}
      | ^^^^
  help: did you mean `stack`?

a/stackly.hcl:18:1: "a/b" cannot be the name of a stack
   18 | stack "a/b" {}
      | ^^^^^^^^^^^
  help: use letters, digits, `-`, `_` and `.`, beginning with a letter or digit, at most 100
"#,
    );
}

#[test]
fn a_faulty_stack_does_not_hide_a_good_one_and_is_not_gone() {
    let read = read("stackly.hcl", "stack \"bad\" { wav = 1 }\nstack \"good\" {}\n");
    let names: Vec<&str> = read.stacks.iter().map(|stack| stack.name.as_str()).collect();
    assert_eq!((names, read.broken), (vec!["good"], vec!["bad".to_owned()]));
    assert!(!read.is_unclear);
}

#[test]
fn of_two_alike_neither_is_taken() {
    let read = read("stackly.hcl", "stack \"a\" {}\nstack \"a\" {}\n");
    assert_eq!((read.stacks, read.broken), (Vec::new(), vec!["a".to_owned()]));
    assert!(read.faults[0].what.contains("there is a block `stack \"a\"` in this file already"));
}

#[test]
fn what_is_no_hcl_leaves_open_what_was_meant() {
    let read = read("stackly.hcl", "stack \"a\" {\n  wave = \n}\n");
    assert!(read.is_unclear);
    assert_eq!(read.faults[0].line(), Some(2));
}

#[test]
fn where_a_stack_waits_for_another_is_said_by_branch_and_by_environment() {
    let stacks = accepted(
        r#"
        stack "app" {
          depends_on = ["dns", "audit"]
          only "*" { branches = ["main", "release/*"] }
          only "audit" {
            branches     = "main"
            environments = ["prod"]
          }
        }
        "#,
    );
    assert_eq!(
        stacks[0].settings.told_as_labels(),
        [
            "stackly:only=branch:main",
            "stackly:only=branch:release/*",
            "stackly:only=branch:main:audit",
            "stackly:only=env:prod:audit",
        ]
    );
    refused(
        r#"
stack "app" {
  only "dns" {}
  only "audit" { branches = ["a:b"] }
}
"#,
        r#"
a/stackly.hcl:3:3: this block names neither branches nor environments
    3 |   only "dns" {}
      |   ^^^^^^^^^^
  help: write `branches = ["main"]` or `environments = ["prod"]`

a/stackly.hcl:4:30: "a:b" is no such name
    4 |   only "audit" { branches = ["a:b"] }
      |                              ^^^^^
  help: write a name without `:`, perhaps with `*`
"#,
    );
}

#[test]
fn a_control_character_is_refused_where_it_stands() {
    refused(
        "stack \"a\" {\n  variables {\n    key = \"a\\u0000b\"\n  }\n}\n",
        r#"
a/stackly.hcl:3:11: `key` has the control character U+0000 in it
    3 |     key = "a\u0000b"
      |           ^^^^^^^^^^
  help: take it out; only tabs and ends of lines may be in a text
"#,
    );
}
