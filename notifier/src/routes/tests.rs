use super::{Routes, WebhookRoute, matches};

#[test]
fn patterns_fit_event_types() {
    for (pattern, kind, fits) in [
        ("*", "chain.planned", true),
        ("chain.*", "chain.planned", true),
        ("chain.*", "step.planned", false),
        ("*.finished", "step.finished", true),
        ("*.finished", "step.planned", false),
        ("step.finished", "step.finished", true),
        ("step.finished", "step.finishedx", false),
        ("step", "step.finished", false),
        ("s*.*d", "step.finished", true),
        ("*ed*ed", "ed", false),
        ("*an*an*", "chain.planned", false),
        ("*a*n*", "chain.planned", true),
        ("ab*ab", "ab", false),
        ("", "chain.planned", false),
        ("**", "x", true),
    ] {
        assert_eq!(matches(pattern, kind), fits, "{pattern} and {kind}");
    }
}

#[test]
fn an_event_goes_to_the_endpoints_that_want_it() {
    let webhook = |name: &str, events: &[&str]| WebhookRoute {
        name: name.to_owned(),
        events: events.iter().map(|event| (*event).to_owned()).collect(),
    };
    let routes = Routes {
        webhooks: vec![
            webhook("all", &["*"]),
            webhook("ends", &["chain.finished", "*.refused"]),
            webhook("smoke", &["hook.called.smoke_test"]),
            webhook("called", &["hook.called"]),
        ],
        ..Routes::default()
    };
    let names = |kind, called| -> Vec<String> {
        routes.webhooks_for(kind, called).map(|route| route.name.clone()).collect()
    };
    assert_eq!(names("chain.refused", None), ["all", "ends"]);
    assert_eq!(names("step.finished", None), ["all"]);
    assert_eq!(names("hook.called", Some("smoke_test")), ["all", "smoke", "called"]);
    assert_eq!(names("hook.called", Some("other")), ["all", "called"]);
    assert!(!routes.is_empty());
    assert!(Routes::default().is_empty());
}
