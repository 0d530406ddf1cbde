use contracts::{
    Code, CommitSha, Reason,
    policies::{PolicyFault, PolicySource},
};

use super::*;
use crate::{
    input::Input,
    routes::Routes,
    sample::{at, envelope},
    status::State,
    story::Story,
};

const COMMIT: &str = "9f2c1a7be04d5638c1f0a2b49d7e6653801fca42";

fn source(repository: Option<&str>) -> PolicySource {
    PolicySource {
        repository: repository.map(str::to_owned),
        branch: repository.map(|_| "main".to_owned()),
        path: "policies".to_owned(),
        commit: repository.map(|_| CommitSha::from(COMMIT)),
    }
}

fn bad(repository: Option<&str>) -> PoliciesRefused {
    PoliciesRefused {
        source: source(repository),
        digest: "sha256:1".to_owned(),
        faults: vec![PolicyFault {
            file: "a.hcl".to_owned(),
            line: Some(3),
            what: "no".to_owned(),
            advice: "yes".to_owned(),
        }],
        reason: Reason::new(Code::PoliciesRefused, "a.hcl:3: no; yes"),
        trial: false,
    }
}

fn story(input: Input) -> Story {
    let mut story = Story::default();
    story.take(&envelope(input, 0), &Routes::default(), at(0));
    story
}

#[test]
fn what_was_refused_in_a_repository_stands_at_its_commit_and_in_slack() {
    let event = bad(Some("acme/policies"));
    let routes = Routes::default();
    assert_eq!(refused_key(&event, &routes), Notice::key(&change(&event).unwrap(), None, &routes));
    let story = story(Input::PoliciesRefused(event));
    let (status, name) = story.status(&crate::sample::github_route()).unwrap();
    assert_eq!(name, "stackly");
    assert_eq!((status.state, status.commit.as_str()), (State::Error, COMMIT));
    assert_eq!(status.description, "Refused: a.hcl:3: no; yes");
    let said = format!("{:?}", story.message().unwrap());
    assert!(said.contains("acme/policies has policies that are refused"), "{said}");
    assert!(said.contains("What was in force stays."), "{said}");
}

#[test]
fn what_was_refused_in_a_folder_and_what_came_into_force_are_alerts() {
    let story_of = |input| {
        let story = story(input);
        assert_eq!(story.status(&crate::sample::github_route()), None);
        format!("{:?}", story.message().unwrap())
    };
    let said = story_of(Input::PoliciesRefused(bad(None)));
    assert!(said.contains("New policies are refused") && said.contains("a.hcl:3"), "{said}");
    let replaced = PoliciesReplaced {
        source: source(Some("acme/policies")),
        digest: "sha256:2".to_owned(),
        previous: "sha256:1".to_owned(),
        policies: 12,
        reason: Reason::new(Code::PoliciesReplaced, "12 policies are in force"),
    };
    let said = story_of(Input::PoliciesReplaced(replaced));
    assert!(said.contains("Other policies are in force") && said.contains("sha256:2"), "{said}");
}
