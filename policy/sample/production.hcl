# Policies that `cargo dev` starts with. Change them while it runs: a good change is in force a few
# seconds later, and what waits is decided anew; a bad one is refused and the old ones stay.

# Production changes only while this window is open. It always is, so that the sample chain passes
# by itself; try ["9-17"] and ["MON-FRI"], and look at `stackly chains`.
policy "production_hours" {
  environment = "prod"

  schedule {
    allowed_hours = ["0-24"]
    allowed_days  = ["MON-SUN"]
    timezone      = "UTC"
  }

  # "queue" waits until the window opens, "deny" does not wait, "warn" goes on and says so.
  action { on_violation = "queue" }
}

# Said, but stops nobody.
policy "production_notice" {
  environment = "prod"
  warn { reason = "this changes production" }
}

# Two people must approve before production is applied, and not the author:
#
# policy "production_approval" {
#   environment = "prod"
#
#   approval {
#     min_approvers    = 2
#     allowed_groups   = ["platform-admins"]
#     no_self_approval = true
#   }
# }
#
# group "platform-admins" { members = ["alice", "bob", "carol"] }
