use std::slice;

use contracts::{chain::ChainKind, gate::Moment};

use super::*;
use crate::{
    evaluate::decide,
    fixtures::{noon, prod},
    model::{Approval, OnViolation},
};

fn file(name: &str, text: &str) -> File {
    File { name: name.to_owned(), text: text.to_owned() }
}

fn accepted(text: &str) -> PolicySet {
    read(&[file("a.hcl", text)]).unwrap_or_else(|faults| panic!("{faults}"))
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    let faults = read(&[file("a.hcl", text)]).unwrap_err().to_string();
    assert_eq!(faults.trim(), expected.trim(), "\n--- found\n{faults}\n---");
}

/// The two policies of the first design document, letter for letter.
const SEED: &str = r#"
policy "deployment_window" {
    schedule {
      allowed_hours = ["9-17"]
      allowed_days  = ["MON-FRI"]
    }
    
    action {
      on_violation = "queue"
	}
}
policy "production_approval" {
	environment = "prod"
    
    approval {
      required = true
      min_approvers = 2
      allowed_groups = ["platform-admins"]
    }
}
"#;

#[test]
fn the_policies_of_the_design_are_read() {
    let set = accepted(SEED);
    let [window, approval] = set.policies.as_slice() else { panic!("{:?}", set.policies) };
    assert_eq!(window.name, "deployment_window");
    assert!(matches!(
        &window.rules[..],
        [Rule::Window { schedule, on_violation: OnViolation::Queue }]
            if schedule.to_string() == "9-17 on MON-FRI, UTC"
    ));
    assert_eq!(approval.scope.environments.len(), 1);
    assert_eq!(
        approval.rules,
        [Rule::Approval(Approval {
            min_approvers: 2,
            users: Vec::new(),
            groups: vec!["platform-admins".to_owned()],
            ..Approval::default()
        })]
    );
    let warnings = Faults(set.warnings).to_string();
    assert!(warnings.contains("nobody is known to belong to the group \"platform-admins\""));
    assert!(warnings.contains("a.hcl:18:24"), "{warnings}");
}

#[test]
fn a_group_gives_its_members_a_say() {
    let set = accepted(&format!(
        "{SEED}\ngroup \"platform-admins\" {{ members = [\"@Alice\", \"bob\"] }}"
    ));
    assert!(set.warnings.is_empty());
    let Rule::Approval(approval) = &set.policies[1].rules[0] else { panic!() };
    let approvers: Vec<_> = set.approvers(approval).unwrap().into_iter().collect();
    assert_eq!(approvers, ["alice", "bob"]);
}

#[test]
fn everything_that_can_be_said_is_read() {
    let set = accepted(
        r#"
        policy "all" {
          match {
            labels       = ["env:prod", "tier:*"]
            environment  = ["prod", "staging"]
            spaces       = "platform-*"
            stacks       = ["net-*"]
            repositories = ["acme/*"]
            branches     = ["main", "release/*"]
            authors      = ["*-bot"]
            moment       = ["before_chain", "before_apply"]
            kind         = "deploy"
          }
          schedule {
            allowed_hours = ["9-12", "22-6"]
            allowed_days  = ["FRI-MON", "WED"]
            timezone      = "America/New_York"
          }
          action { on_violation = "deny" }
          approval {
            min_approvers    = 2
            allowed_users    = ["Alice", "@bob"]
            no_self_approval = true
          }
          deny { reason = "no" }
          warn { reason = "look" }
        }
        "#,
    );
    let policy = &set.policies[0];
    assert_eq!(policy.scope.moments, [Moment::BeforeChain, Moment::BeforeApply]);
    assert_eq!(policy.scope.kinds, [ChainKind::Deploy]);
    let kinds: Vec<_> = policy.rules.iter().map(std::mem::discriminant).collect();
    assert_eq!(kinds.len(), 4);
    assert!(policy.rules.iter().any(|rule| matches!(
        rule,
        Rule::Window { schedule, on_violation: OnViolation::Deny }
            if schedule.to_string() == "9-12 and 22-6 on MON, WED, FRI-SUN, America/New_York"
    )));
    assert!(policy.rules.iter().any(
        |rule| matches!(rule, Rule::Approval(approval) if approval.users == ["alice", "bob"])
    ));
}

#[test]
fn an_approval_that_is_not_required_demands_nothing() {
    let set = accepted("policy \"off\" {\n  approval { required = false }\n}");
    assert_eq!(set.policies[0].rules, []);
}

#[test]
fn what_the_manual_shows_is_read() {
    let manual = include_str!("../../README.md");
    let shown = manual.split("```hcl\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let set = accepted(shown);
    assert_eq!(set.policies.len(), 3);
    assert!(set.warnings.is_empty());
}

#[test]
fn every_example_of_the_pages_is_read() {
    let page = include_str!("../../../docs/POLICIES.md");
    let shown = page.split("```hcl\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let is_test = |text: &&str| text.starts_with("test \"");
    let (tests, policies): (Vec<&str>, Vec<&str>) = shown.partition(is_test);
    let text = policies.concat();
    let program = file("no_iam.rego", "package spacelift\ndeny[\"x\"] { input.run.id == \"\" }\n");
    let set = read(&[file("a.hcl", &text), program]).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(set.policies.len(), 18, "{:#?}", set.policies);
    assert_eq!(set.break_glass.len(), 2);
    assert!(set.warnings.is_empty(), "{:?}", set.warnings);

    // What a test is about stands right before it, or further up under the name it expects.
    let own = |test: &str| {
        let before = page.split(test).next().unwrap().rsplit("\n## ").next().unwrap();
        let (_, policies) = before.split_once("```hcl\n")?;
        policies.split("```").next().filter(|text| !text.is_empty())
    };
    let hours = policies.iter().find(|text| text.contains("policy \"office_hours\"")).unwrap();
    for test in tests {
        let set = read(&[file("b.hcl", own(test).unwrap_or(hours))]).unwrap();
        let ran = crate::bench::run_files(&set, &[file("b.test.hcl", test)]).unwrap();
        assert!(ran.iter().all(|ran| ran.wrong.is_empty()), "{ran:#?}");
    }
}

#[test]
fn what_is_wrong_beside_policies_is_told_with_its_place_as_well() {
    let text = r#"
freeze "backwards" {
  start  = "2026-12-24"
  end    = "2026-12-20"
  reason = "x"
}
stop "why" {}
hook "mute" {}
rego "lost" { file = "lost.rego" }
break_glass "nobody" {}
policy "schedule" {
  schedule {
    recurrence = "FREQ=HOURLY"
    cron       = "0 9 * * MON-FRI"
  }
}
policy "limits" {
  limits {}
}
policy "again" {
  approval { reapprove_on_change = false }
}
person "ann" { also = ["u1"] }
person "ben" { also = ["u1"] }
person "cy" { also = ["cy", "@Ann"] }
"#;
    let faults = read(&[file("a.hcl", text)]).unwrap_err().to_string();
    for part in [
        "a.hcl:4:12: this freeze ends before it begins",
        "a.hcl:7:1: a reason is missing",
        "a.hcl:8:1: a hook must say what silence means",
        "a.hcl:9:22: there is no file lost.rego",
        "a.hcl:10:1: nobody may break this glass",
        "a.hcl:13:18: `FREQ=HOURLY` is finer than a day",
        "a.hcl:14:18: this `cron` says when windows begin, but not when they end",
        "a.hcl:18:3: these limits limit nothing",
        "a.hcl:21:36: an approval is always bound to the commit and the plan",
        "a.hcl:24:24: \"u1\" is ann already",
        "a.hcl:25:29: \"ann\" is a person already",
    ] {
        assert!(faults.contains(part), "{part}\n---\n{faults}");
    }
}

#[test]
fn what_is_wrong_with_a_program_is_told_in_its_own_file() {
    let read_with = |program: &str| {
        let hcl = file("a.hcl", "rego \"p\" {\n  file = \"p.rego\"\n}");
        read(&[hcl, file("p.rego", program)]).unwrap_err().to_string()
    };
    let banned = read_with("package spacelift\ndeny[\"x\"] { http.send({}) }\n");
    assert!(banned.contains("p.rego:2:13: `http.send` may not be called"), "{banned}");
    let broken = read_with("package spacelift\n\ndeny[\"x\"] { === }\n");
    assert!(broken.contains("p.rego:3:"), "{broken}");
    let other = read_with("package spacelift\nallow { true }\n");
    assert!(other.contains("none of the rules that mean something here"), "{other}");
}

#[test]
fn no_file_is_an_empty_set() {
    assert_eq!(read(&[]).unwrap().policies, []);
    assert_eq!(accepted("# nothing yet\n").policies, []);
}

#[test]
fn the_digest_is_of_what_is_said_not_of_how() {
    let one = read(&[
        file("a.hcl", "policy \"b\" {\n  deny { reason = \"x\" }\n}"),
        file("b.hcl", "policy \"a\" {\n  warn { reason = \"y\" }\n}"),
    ]);
    let other = accepted(
        "# moved into one file\npolicy \"a\" {\n warn { reason   = \"y\" }\n}\n\
         policy \"b\" {\n deny {\n reason = \"x\"\n}\n}\n",
    );
    let changed = accepted("policy \"a\" {\n warn { reason = \"z\" }\n}");
    let one = one.unwrap();
    assert_eq!(one.digest, other.digest);
    assert_ne!(one.digest, changed.digest);
    assert_eq!(one.digest.len(), "sha256:".len() + 64);
}

#[test]
fn what_is_no_hcl_is_shown_where_it_breaks() {
    refused(
        "policy \"a\" {\n  match { labels = [\"x\"], spaces = [\"y\"] }\n}\n",
        r#"
1 fault in the policies

a.hcl:2:25: this is not HCL: invalid block body; expected `}`, newline or identifier
    2 |   match { labels = ["x"], spaces = ["y"] }
      |                         ^
  help: every attribute stands on a line of its own, unless it is the only one in its block; strings are in double quotes, lists in brackets
"#,
    );
}

#[test]
fn all_faults_are_told_at_once_each_with_its_place_and_what_to_do() {
    refused(
        r#"
policy "window" {
  match { label = ["env:prod"] }
  schedule {
    allowed_hours = ["9-17", "17-25"]
    allowed_days  = ["MON-FRY"]
    timezone      = "Europe/Berlim"
  }
  action { on_violation = "block" }
}
policy "people" {
  approval {
    min_approvers = 0
    allowed_users = [alice]
    required      = "yes"
  }
}
polizy "typo" {}
"#,
        r#"
9 faults in the policies

a.hcl:3:11: there is no `label` in `match`
    3 |   match { label = ["env:prod"] }
      |           ^^^^^
  help: did you mean `labels`?

a.hcl:5:30: `25` is past the end of the day
    5 |     allowed_hours = ["9-17", "17-25"]
      |                              ^^^^^^^
  help: write "9-17", "9:30-17:15", "22-6" (over midnight) or "0-24"

a.hcl:6:22: `FRY` is not a day of the week
    6 |     allowed_days  = ["MON-FRY"]
      |                      ^^^^^^^^^
  help: write "MON", "MON-FRI" or "FRI-MON" (over the weekend)

a.hcl:7:21: there is no time zone "Europe/Berlim"
    7 |     timezone      = "Europe/Berlim"
      |                     ^^^^^^^^^^^^^^^
  help: did you mean "Europe/Berlin"?

a.hcl:9:27: `on_violation` cannot be "block"
    9 |   action { on_violation = "block" }
      |                           ^^^^^^^
  help: known are `queue`, `deny` and `warn`

a.hcl:13:21: `min_approvers` cannot be 0
   13 |     min_approvers = 0
      |                     ^
  help: `min_approvers` counts from 1; to ask for none, delete the block

a.hcl:14:22: `allowed_users` must be a string or a list of strings, not a bare word
   14 |     allowed_users = [alice]
      |                      ^^^^^
  help: put it in quotes: "alice"

a.hcl:15:21: `required` must be `true` or `false`, not a string
   15 |     required      = "yes"
      |                     ^^^^^
  help: write it without quotes

a.hcl:18:1: there is no block `polizy` at the top of a file
   18 | polizy "typo" {}
      | ^^^^^^
  help: did you mean `policy`?
"#,
    );
}

#[test]
fn what_is_missing_or_too_much_is_told() {
    refused(
        r#"
policy {
  deny { reason = "x" }
}
policy "empty" {}
policy "twice" {
  environment = "prod"
  match { environment = "dev" }
  deny { reason = "x" }
  deny { reason = "y" }
}
policy "action" {
  action { on_violation = "warn" }
}
policy "always" {
  schedule {}
}
policy "silent" {
  deny {}
}
policy "never" {
  schedule { allowed_hours = [] }
}
policy "shape" {
  deny = "x"
}
"#,
        r#"
9 faults in the policies

a.hcl:2:1: a policy has exactly one name
    2 | policy {
      | ^^^^^^
  help: write `policy "name" { … }`

a.hcl:5:1: this policy demands nothing
    5 | policy "empty" {}
      | ^^^^^^^^^^^^^^
  help: give it a `schedule`, `limits`, `budget`, `deregistration`, `approval`, `deny` or `warn` block, or delete it

a.hcl:7:17: `environment` stands both in the policy and in its `match`
    7 |   environment = "prod"
      |                 ^^^^^^
  help: delete one of them

a.hcl:10:3: there is a block `deny` in this policy already
   10 |   deny { reason = "y" }
      |   ^^^^
  help: put both into one

a.hcl:13:3: an `action` says what to do outside a `schedule` or beyond `limits` or a `budget`, and there is none
   13 |   action { on_violation = "warn" }
      |   ^^^^^^
  help: add such a block, or delete this one

a.hcl:16:3: this schedule is always open
   16 |   schedule {}
      |   ^^^^^^^^
  help: give it `allowed_hours = ["9-17"]` or `allowed_days = ["MON-FRI"]`

a.hcl:19:3: a reason is missing
   19 |   deny {}
      |   ^^^^
  help: write `reason = "…"`: people will read it

a.hcl:22:30: `allowed_hours` is an empty list
   22 |   schedule { allowed_hours = [] }
      |                              ^^
  help: put something into it, or delete it

a.hcl:25:3: `deny` is a block, not an attribute
   25 |   deny = "x"
      |   ^^^^
  help: write `deny { … }`, without `=`
"#,
    );
}

#[test]
fn one_name_is_one_policy_in_all_files() {
    let text = "policy \"a\" {\n  deny { reason = \"x\" }\n}\n";
    let faults = read(&[file("one.hcl", text), file("two.hcl", text)]).unwrap_err();
    let [fault] = faults.0.as_slice() else { panic!("{faults}") };
    assert_eq!(fault.file, "two.hcl");
    assert_eq!(fault.what, "there is a policy \"a\" already, at one.hcl:1");
}

#[test]
fn an_approval_that_can_never_be_given_is_a_fault() {
    let text = r#"
        policy "a" {
          approval {
            min_approvers  = 3
            allowed_users  = ["alice"]
            allowed_groups = ["admins"]
          }
        }
        group "admins" { members = ["ALICE", "bob"] }
    "#;
    let faults = read(slice::from_ref(&file("a.hcl", text))).unwrap_err();
    assert_eq!(faults.0[0].what, "3 people must approve, but fewer are allowed to");
    assert_eq!(faults.0[0].place.as_ref().unwrap().line, 4);
    accepted(&text.replace('3', "2"));
}

#[test]
fn places_count_characters_not_bytes() {
    let faults = read(&[file("a.hcl", "policy \"ü\" {\n\tdeny { reason = \"ä\" + 1 }\n}")]);
    let fault = &faults.unwrap_err().0[0];
    let place = fault.place.as_ref().unwrap();
    assert_eq!((place.line, place.column, place.width), (2, 18, 7));
    assert!(fault.to_string().contains("\n      | \t                ^^^^^^^\n"), "{fault}");
}

#[test]
fn garbage_is_refused_and_never_panics() {
    for text in
        ["}", "policy", "policy \"a\" {", "\u{0}", "policy \"a\" {\r\n\"", "é", "= 1", "\n\n{"]
    {
        let faults = read(&[file("a.hcl", text)]).unwrap_err();
        assert!(!faults.to_string().is_empty());
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(
        text in "(policy|match|deny|schedule|[\"{}=\\[\\],\\n 0-9aé])*",
    ) {
        if let Err(faults) = read(&[file("a.hcl", &text)]) {
            proptest::prop_assert!(!faults.to_string().is_empty());
        }
    }
}

#[test]
fn nothing_that_is_written_breaks_the_reader() {
    for (text, said) in [
        ("recurrence = \"FREQ=WEEKLY;BYDAY=\u{e9}A\"", "is not a day; they are"),
        ("recurrence = \"FREQ=WEEKLY;BYDAY=MO;WKST=\u{20ac}\"", "is not a day; they are"),
        (
            "recurrence = \"FREQ=WEEKLY;INTERVAL=2;BYDAY=MO\"\n start = \"-262143-01-01\"",
            "`start` is not a date",
        ),
        ("except = [\"+262142-12-31\"]", "is not a date of the calendar"),
        ("recurrence = \"FREQ=DAILY;UNTIL=-1230101\"", "is not a date, as"),
    ] {
        let policy = format!("policy \"p\" {{\n schedule {{\n {text}\n }}\n}}");
        let faults = read(&[file("a.hcl", &policy)]).unwrap_err().to_string();
        assert!(faults.contains(said), "{faults}");
    }
    let ends =
        "freeze \"f\" {\n reason = \"x\"\n start = \"2026-01-01\"\n end = \"+262142-12-31\"\n}";
    let faults = read(&[file("a.hcl", ends)]).unwrap_err().to_string();
    assert!(faults.contains("`end` is not a time"), "{faults}");
}

#[test]
fn what_the_fuzzer_begins_from_breaks_neither_the_reader_nor_the_judge() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fuzz/corpus/policy");
    let mut count = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let mut parts = bytes.splitn(2, |byte| *byte == 0xff);
        let names = ["policies.hcl", "program.rego"].into_iter();
        let files: Vec<File> = names
            .zip(&mut parts)
            .map(|(name, part)| file(name, std::str::from_utf8(part).unwrap()))
            .collect();
        match read(&files) {
            Err(faults) => assert!(!faults.to_string().contains(BROKE), "{faults}"),
            Ok(set) => {
                for moment in [Moment::BeforeChain, Moment::BeforePlan, Moment::BeforeApply] {
                    let verdict = decide(&set, &prod(moment), &[], noon());
                    assert!(!verdict.reasons.is_empty());
                }
            }
        }
        count += 1;
    }
    assert!(count >= 12, "{count}");
}
