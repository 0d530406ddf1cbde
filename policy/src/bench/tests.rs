use super::*;
use crate::fixtures::policies;

const POLICY: &str = r#"
policy "office_hours" {
  match { environment = "prod" }
  schedule {
    allowed_hours = ["9-17"]
    allowed_days  = ["MON-FRI"]
    timezone      = "Europe/Berlin"
  }
}
policy "two_people" {
  match {
    environment = "prod"
    min_deleted = 1
  }
  approval { min_approvers = 2 }
}
"#;

fn ran(text: &str) -> Result<Vec<Ran>, Faults> {
    let file = File { name: "a.test.hcl".to_owned(), text: text.to_owned() };
    run_files(&policies(POLICY), &[file])
}

#[test]
fn what_comes_as_expected_is_right_and_the_rest_says_what_came() {
    let ran = ran(r#"
        test "nobody deploys at night" {
          given {
            now     = "2026-11-20T20:00:00Z"
            stack   = "net-prod"
            labels  = ["env:prod"]
            changed = 1
          }
          expect {
            outcome = "hold_until"
            until   = "2026-11-23T08:00:00Z"
            code    = "window_closed"
            says    = "office_hours"
            silent  = "two_people"
          }
        }
        test "a plan that nobody knows may delete something" {
          given {
            now      = "2026-11-20 12:00"
            timezone = "Europe/Berlin"
            labels   = ["env:prod"]
          }
          expect { outcome = "hold_for_approvals" }
        }
        test "deletions want two people" {
          given {
            now       = "2026-11-20 12:00"
            timezone  = "Europe/Berlin"
            labels    = ["env:prod"]
            deleted   = 3
            approvals = ["alice"]
          }
          expect {
            outcome = "hold_for_approvals"
            given   = 1
            needed  = 2
          }
        }
        test "this one is wrong" {
          given { now = "2026-11-20T20:00:00Z" }
          expect {
            outcome = "deny"
            says    = "no such thing"
          }
        }
    "#)
    .unwrap();
    assert_eq!(ran[0].wrong, [""; 0], "{:?}", ran[0]);
    assert_eq!(ran[1].wrong, [""; 0], "{:?}", ran[1]);
    assert_eq!(ran[2].wrong, [""; 0], "{:?}", ran[2]);
    assert_eq!(ran[3].wrong, ["the outcome is pass, not deny", "no reason says \"no such thing\""]);
    assert_eq!(ran[3].said, ["allowed: no policy matches"]);
    assert!(ran[3].place.starts_with("a.test.hcl:"), "{}", ran[3].place);
}

#[test]
fn a_test_may_say_what_is_made_who_broke_the_glass_who_is_in_which_group_and_what_hooks_said() {
    let set = policies(
        r#"
        policy "users" {
          match { min_added = 1 }
          approval {
            allowed_groups = ["admins"]
          }
        }
        policy "vpcs" {
          limits { protected_types = ["aws_vpc"] }
        }
        hook "quotas" {
          match { labels = ["quotas"] }
          on_silence = "deny"
        }
        group "admins" {
          members = ["ada"]
          claims  = ["eng-admins"]
        }
        break_glass "oncall" { allowed_users = ["olga"] }
        "#,
    );
    let test = |given: &str, expect: &str| {
        let text = format!(
            "test \"t\" {{\n  given {{\n    now = \"2026-11-20T12:00:00Z\"\n    {given}\n  }}\n  \
             expect {{\n    {expect}\n  }}\n}}\n"
        );
        run_files(&set, &[File { name: "b.test.hcl".to_owned(), text }])
    };
    let user = "changes = [\"added module.a[\\\"x.y\\\"].aws_iam_user.ci[0]\"]";
    for (given, expect) in [
        (user.to_owned(), "outcome = \"hold_for_approvals\""),
        (
            format!("{user}\n approvals = [\"zoe\"]\n claims = [\"zoe eng-admins\"]"),
            "outcome = \"pass\"",
        ),
        (format!("{user}\n approvals = [\"zoe\"]"), "outcome = \"hold_for_approvals\""),
        (format!("{user}\n overrides = [\"olga\"]"), "outcome = \"pass\"\n code = \"overridden\""),
        ("changes = [\"changed aws_vpc.main\"]".to_owned(), "outcome = \"pass\""),
        (
            "changes = [\"deleted module.a.aws_vpc.main\"]".to_owned(),
            "outcome = \"deny\"\n says = \"aws_vpc\"",
        ),
        (
            "labels = [\"quotas\"]\n added = 0".to_owned(),
            "outcome = \"hold_until\"\n code = \"waiting_for_hook\"",
        ),
        (
            "labels = [\"quotas\"]\n added = 0\n hook_answers = [\"quotas pass\"]".to_owned(),
            "outcome = \"pass\"",
        ),
        (
            "labels = [\"quotas\"]\n added = 0\n hook_answers = [\"quotas silence\"]".to_owned(),
            "outcome = \"deny\"\n says = \"said nothing\"",
        ),
    ] {
        let ran = test(&given, expect).unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!(ran[0].wrong, [""; 0], "{given}: {ran:?}");
    }
    for (given, what) in [
        ("changes = [\"aws_vpc.main\"]", "`aws_vpc.main` is not an action and an address"),
        ("changes = [\"aded aws_vpc.main\"]", "did you mean \"added\"?"),
        ("hook_answers = [\"quotas yes\"]", "known are"),
    ] {
        let faults = test(given, "outcome = \"pass\"").unwrap_err().to_string();
        assert!(faults.contains(what), "{faults}");
    }
}

#[test]
fn the_tests_of_the_sample_hold() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in crate::SAMPLE {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let ran = run(folder.path()).unwrap();
    assert_eq!(ran.len(), 2);
    assert!(ran.iter().all(|ran| ran.wrong.is_empty()), "{ran:#?}");
}

#[test]
fn a_test_that_cannot_be_read_is_told_where_and_what_to_do() {
    let faults = ran(r#"
        test "no time" {
          given { stack = "a" }
          expect { outcome = "pas" }
        }
        tset "typo" {}
    "#)
    .unwrap_err()
    .to_string();
    for part in ["a test says what time it is", "there is no block `tset`", "did you mean `test`?"]
    {
        assert!(faults.contains(part), "{part}: {faults}");
    }
}

#[test]
fn a_test_may_say_what_the_chain_is_there_for_what_failed_and_how_old_the_plan_is() {
    let set = policies(
        "policy \"calm\" {\n budget { max_failures = 1 }\n}\npolicy \"fresh\" {\n limits { max_plan_age = \
         \"4h\" }\n}\npolicy \"lab\" {\n match { labels = [\"lab\"] }\n deregistration { on_code_gone = \
         \"destroy\" }\n}\n",
    );
    let text = r#"
        test "two failures are too many" {
          given {
            now    = "2026-11-20T12:00:00Z"
            moment = "before_plan"
            failed = ["a", "b"]
          }
          expect {
            outcome = "hold_until"
            until   = "2026-11-21T12:00:00Z"
            code    = "budget_spent"
          }
        }
        test "an old plan is made anew" {
          given {
            now        = "2026-11-20T12:00:00Z"
            planned_at = "2026-11-20T07:00:00Z"
          }
          expect {
            outcome = "deny"
            code    = "plan_stale"
          }
        }
        test "labs are cleaned up" {
          given {
            now    = "2026-11-20T12:00:00Z"
            moment = "before_chain"
            action = "deregister"
            labels = ["lab"]
          }
          expect {
            outcome = "hold_until"
            until   = "2026-11-20T12:15:00Z"
            code    = "code_gone"
          }
        }
    "#;
    let file = File { name: "a.test.hcl".to_owned(), text: text.to_owned() };
    for ran in run_files(&set, &[file]).unwrap() {
        assert_eq!(ran.wrong, [""; 0], "{}: {:?}", ran.name, ran.said);
    }
}

#[test]
fn a_test_may_say_what_it_costs() {
    let file = |text: &str| File { name: "a.test.hcl".to_owned(), text: text.to_owned() };
    let test = |cost: &str, outcome: &str| {
        let text = format!(
            "test \"costs\" {{\n  given {{\n    now = \"2026-11-20T10:00:00Z\"\n    {cost}\n  }}\n  \
             expect {{ outcome = \"{outcome}\" }}\n}}\n"
        );
        run_files(
            &policies("policy \"thrift\" {\n limits { max_cost_delta = 10 }\n}"),
            &[file(&text)],
        )
    };
    for (cost, outcome) in
        [("", "pass"), ("cost_delta = 9.99", "pass"), ("cost_delta = 10.01", "deny")]
    {
        let ran = test(cost, outcome).unwrap();
        assert_eq!(ran[0].wrong, Vec::<String>::new(), "{cost}: {:?}", ran[0].said);
    }
    assert!(test("cost_delta = \"much\"", "pass").is_err());
}
