use super::{Routes, SlackRoute, WebhookRoute, matches};
use crate::{
    config::Channel,
    input::Input,
    sample::{planned, refused},
};

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

#[test]
fn a_story_goes_to_the_first_channel_that_fits_its_repository_or_one_of_its_stacks() {
    let channel = |channel: &str, repositories: &[&str], labels: &[&str], spaces: &[&str]| {
        let list = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect();
        let (repositories, labels, spaces) = (list(repositories), list(labels), list(spaces));
        Channel { channel: channel.to_owned(), repositories, labels, spaces, owners: vec![] }
    };
    let route = SlackRoute {
        channel: "deploys".to_owned(),
        routes: vec![
            channel("net", &["acme/*"], &["team:net"], &["prod*"]),
            channel("others", &["others/*"], &[], &[]),
        ],
        update_pause: std::time::Duration::ZERO,
    };
    let mut event = planned(&["a", "b"]);
    assert_eq!(route.choose(&Input::Planned(event.clone())), None, "no stack fits");
    event.steps[0].space = "prod-eu".into();
    event.steps[1].labels = vec!["team:net".into()].into();
    assert_eq!(route.choose(&Input::Planned(event.clone())), None, "no stack fits all of it");
    event.steps[1].space = "prod-us".into();
    assert_eq!(route.choose(&Input::Planned(event.clone())), Some("net"));
    event.change.repository = "others/infra".to_owned();
    assert_eq!(route.choose(&Input::Planned(event)), Some("others"));
    let mut event = refused("a circle");
    assert_eq!(route.choose(&Input::Refused(event.clone())), None, "it has no stacks");
    event.change.repository = "others/infra".to_owned();
    assert_eq!(route.choose(&Input::Refused(event)), Some("others"));
    assert!(route.knows("deploys") && route.knows("net") && !route.knows("nowhere"));
}
