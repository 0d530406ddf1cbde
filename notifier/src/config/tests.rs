use std::collections::BTreeMap;

use service::config::Layers;

use super::Config;

fn config(extra: &str) -> Config {
    let folder = std::env::temp_dir().join(format!("notifier-{}", uuid::Uuid::new_v4()));
    std::fs::write(&folder, extra).unwrap();
    let layers = Layers::merge("notifier", crate::DEFAULTS, Some(&folder), &BTreeMap::new());
    std::fs::remove_file(&folder).unwrap();
    layers.unwrap().read().unwrap()
}

const WEBHOOK: &str = r#"
[[webhooks]]
name = "billing"
url = "https://billing.example.com/hooks"
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"#;

#[test]
fn the_defaults_are_sound_and_tell_nobody() {
    let config = config("");
    assert_eq!(config.faults(), Vec::<String>::new());
    assert!(config.slack().is_none());
    assert!(config.github().is_none());
    assert!(crate::routes::Routes::new(&config).is_empty());
    assert_eq!(config.delivery.retries().len(), 9);
}

#[test]
fn a_token_is_all_it_takes_to_tell_github() {
    let config = config("[github]\ntoken = \"t\"\n");
    assert_eq!(config.faults(), Vec::<String>::new());
    assert_eq!(config.github().unwrap().api_base, "https://api.github.com");
}

#[test]
fn two_hosts_do_not_both_take_every_repository() {
    let gitlab = "[gitlab]\ntoken = \"t\"\n";
    assert_eq!(config(gitlab).faults(), Vec::<String>::new());
    let faults = config(&format!("{gitlab}[azure_devops]\ntoken = \"t\"\n")).faults();
    let [base, both] = &faults[..] else { panic!("{faults:?}") };
    assert!(base.starts_with("azure_devops.api_base ``"), "{base}");
    assert!(both.starts_with("gitlab.repositories and azure_devops.repositories"), "{both}");
}

#[test]
fn a_webhook_wants_every_event_unless_it_says_which() {
    let config = config(WEBHOOK);
    assert_eq!(config.faults(), Vec::<String>::new());
    assert_eq!(config.webhooks[0].events, ["*"]);
}

#[test]
fn all_faults_are_told_at_once_and_none_tells_a_secret() {
    let config = config(&format!(
        "{WEBHOOK}{WEBHOOK}
[[webhooks]]
name = \"a b\"
url = \"ftp://x\"
secret = \"whsec_hunter2\"
[[webhooks]]
name = \"local\"
url = \"http://169.254.169.254/hooks\"
secret = \"hunter2\"
[slack]
token = \"xoxb-hunter2\"
[[slack.routes]]
channel = \"\"
[delivery]
timeout = \"1h\"
at_once = 0
keep = \"2days\"
"
    ));
    let faults = config.faults().join("\n");
    for expected in [
        "delivery.timeout must be",
        "delivery.at_once and",
        "delivery.keep must be longer than calls are tried, which is 3days",
        "slack.channel must not be empty",
        "slack.routes.channel must not be empty",
        "two webhooks are called `billing`",
        "webhooks.name `a b`",
        "webhook `a b` must be http or https",
        "webhook `a b` cannot be used: what follows `whsec_` must be base64",
        "webhook `local` is a private or local address",
        "webhook `local` cannot be used: it must start with `whsec_`",
    ] {
        assert!(faults.contains(expected), "{expected} is missing in:\n{faults}");
    }
    assert!(!faults.contains("hunter2"), "{faults}");
    assert!(!format!("{config:?}").contains("hunter2"));
}
