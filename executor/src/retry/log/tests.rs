use super::*;

fn said(log: &str) -> Option<(Class, String)> {
    Finding::of(log).map(|it| (it.class, it.line))
}

/// An error as Terraform frames it.
fn framed(lines: &[&str]) -> String {
    let body: String = lines.iter().map(|line| format!("│ {line}\n")).collect();
    format!("Refreshing state...\n╷\n{body}╵\nThe run ended as FAILED\n")
}

#[test]
fn what_terraform_and_providers_print_tells_the_class_and_the_line() {
    for (lines, class, line) in [
        (
            &[
                "Error: Error acquiring the state lock",
                "",
                "Error message: ConditionalCheckFailedException: The conditional request failed",
                "Lock Info:",
                "  Who:       jane@laptop",
            ][..],
            Class::Lock,
            "`Error: Error acquiring the state lock`",
        ),
        (
            &["Error: creating IAM Role (x): ThrottlingException: Rate exceeded"],
            Class::Throttling,
            "`Error: creating IAM Role (x): ThrottlingException: Rate exceeded`",
        ),
        (
            &["Error: reading Instance: api error RequestLimitExceeded: Request limit exceeded."],
            Class::Throttling,
            "`Error: reading Instance: api error RequestLimitExceeded: Request limit exceeded.`",
        ),
        (
            &["Error: googleapi: Error 429: Too many", "", "TooManyRequests"],
            Class::Throttling,
            "`Error: googleapi: Error 429: Too many`",
        ),
        (
            &["Error: creating EC2 VPC: VpcLimitExceeded: The maximum number of VPCs is reached"],
            Class::Quota,
            "`Error: creating EC2 VPC: VpcLimitExceeded: The maximum number of VPCs is reached`",
        ),
        (
            &["Error: Error creating instance: googleapi: Error 403: Quota 'CPUS' exceeded."],
            Class::Quota,
            "`Error: Error creating instance: googleapi: Error 403: Quota 'CPUS' exceeded.`",
        ),
        (
            &[
                "Error: Failed to query available provider packages",
                "",
                "Could not retrieve the list of available versions: dial tcp: lookup \
                 registry.terraform.io: no such host",
            ],
            Class::Network,
            "`Could not retrieve the list of available versions: dial tcp: lookup \
             registry.terraform.io: no such host`",
        ),
        (
            &["Error: read tcp 10.0.0.1:4->10.0.0.2:443: read: connection reset by peer"],
            Class::Network,
            "`Error: read tcp 10.0.0.1:4->10.0.0.2:443: read: connection reset by peer`",
        ),
        (
            &["Error: Unsupported argument", "", "  on main.tf line 3, in resource \"a\" \"b\":"],
            Class::Code,
            "`Error: Unsupported argument`",
        ),
        (
            &["Error: Reference to undeclared resource"],
            Class::Code,
            "`Error: Reference to undeclared resource`",
        ),
    ] {
        assert_eq!(said(&framed(lines)), Some((class, line.to_owned())), "{lines:?}");
    }
}

#[test]
fn what_is_no_error_or_not_known_tells_nothing() {
    for log in [
        "",
        "Warning: rate limit nearly reached\nThe run ended as FAILED",
        "Error: Plugin did not respond",
        // A policy of the cloud, not of Spacelift.
        "Error: not authorized, because no identity-based policy allows it",
    ] {
        assert_eq!(said(log), None, "{log}");
    }
}

#[test]
fn code_and_values_that_an_error_shows_decide_nothing() {
    let log = framed(&[
        "Error: Provider produced inconsistent result",
        "",
        "  with aws_servicequotas_service_quota.throttle,",
        "  on quota.tf line 12, in resource \"x\" \"rate limit\":",
        "  12:   name = \"connection refused\"",
        "├────────────────",
        "│ var.message is \"quota\"",
    ]);
    assert_eq!(said(&log), None);
}

#[test]
fn of_several_errors_one_that_does_not_pass_decides() {
    let both =
        |first: &str, second: &str| said(&format!("{}{}", framed(&[first]), framed(&[second])));
    let (slow, reset) = ("Error: Throttling", "Error: connection reset by peer");
    let class = |found: Option<(Class, String)>| found.map(|(class, _)| class);
    assert_eq!(class(both(slow, reset)), Some(Class::Throttling));
    assert_eq!(class(both(slow, "Error: Unsupported argument")), Some(Class::Code));
    assert_eq!(class(both("Error: quota exceeded", reset)), Some(Class::Quota));
    assert_eq!(both(reset, "Error: something nobody knows"), None, "it may fail again by that");
}

#[test]
fn colours_and_prefixes_of_wrappers_are_looked_through() {
    let coloured = "\u{1b}[31m│\u{1b}[0m \u{1b}[1m\u{1b}[31mError: \u{1b}[0m\u{1b}[1mError acquiring \
                    the state lock\u{1b}[0m";
    assert_eq!(said(coloured).unwrap().1, "`Error: Error acquiring the state lock`");
    let wrapped = "12:00:01.123 STDERR [net] tofu: │ Error: Error acquiring the state lock";
    assert_eq!(said(wrapped).unwrap().0, Class::Lock);
}

#[test]
fn a_quoted_line_is_short_and_has_nothing_secret_in_it() {
    let line = |log: &str| said(log).unwrap().1;
    assert_eq!(
        line("Error: Get \"https://jane:hunter2@git.example.com/x?token=s3cr3t\": i/o timeout"),
        "`Error: Get \"https://git.example.com/x i/o timeout`"
    );
    let key = "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8";
    assert_eq!(
        line(&format!("Error: token={key} was refused: connection refused")),
        "`Error: … was refused: connection refused`"
    );
    let long = format!("Error: {}: connection refused, {}", "ä b ".repeat(200), "c d ".repeat(200));
    let line = line(&long);
    assert!(line.starts_with("`…") && line.ends_with("…`"), "{line}");
    assert!(
        line.contains("connection refused") && line.chars().count() <= QUOTED_MAX + 4,
        "{line}"
    );
}
