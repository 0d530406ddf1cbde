# What must hold of these policies, whoever changes them: `stackly policy test` runs it.

test "a frozen stack is not planned" {
  given {
    now    = "2026-11-20T12:00:00Z"
    moment = "before_plan"
    labels = ["env:prod", "frozen:true"]
  }
  expect {
    outcome = "deny"
    says    = "take it off to go on"
  }
}

test "production goes on, and it is said" {
  given {
    now    = "2026-11-20T12:00:00Z"
    moment = "before_plan"
    labels = ["env:prod"]
  }
  expect {
    outcome = "pass"
    code    = "policy_warning"
  }
}
