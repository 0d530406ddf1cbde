use super::*;
use crate::testing::Settings;

fn about(repository: &str, fork: bool) -> About<'_> {
    About { repository: Some(repository), head: None, fork }
}

fn forge(change: impl FnOnce(&mut Forge)) -> Source {
    let mut senders = Settings::default().senders;
    change(&mut senders.github);
    Source::forge(Kind::Github, &senders, &senders.github).unwrap()
}

#[test]
fn patterns_name_one_repository_those_of_an_owner_or_all() {
    for (pattern, repository, expected) in [
        ("acme/infra", "acme/infra", true),
        ("acme/infra", "Acme/Infra", true),
        ("acme/infra", "acme/infra-2", false),
        ("acme/*", "acme/infra", true),
        ("acme/*", "acme/group/infra", true),
        ("acme/*", "acme-evil/infra", false),
        ("group/sub/*", "group/sub/infra", true),
        ("group/sub/*", "group/subordinate/infra", false),
        ("*", "anything/at-all", true),
    ] {
        assert_eq!(Pattern::read(pattern).unwrap().fits(repository), expected, "{pattern}");
    }
    for bad in ["", "acme", "/infra", "acme/", "*/infra", "acme/in*"] {
        Pattern::read(bad).unwrap_err();
    }
}

#[test]
fn what_configuration_does_not_let_in_is_kept_and_says_why() {
    let listed = forge(|github| github.repositories = vec!["acme/*".to_owned()]);
    assert_eq!(listed.objection(about("acme/infra", true), &[]), None);
    let elsewhere = listed.objection(about("evil/infra", false), &[]).unwrap();
    assert_eq!((elsewhere.as_str(), elsewhere.code()), ("kept", "repository_not_allowed"));

    let no_forks = forge(|github| github.forks = false);
    assert_eq!(no_forks.objection(about("acme/infra", false), &[]), None);
    let fork = no_forks.objection(about("acme/infra", true), &[]).unwrap();
    assert_eq!((fork.as_str(), fork.code()), ("kept", "fork_not_allowed"));
}

#[test]
fn a_secret_of_one_repository_proves_nothing_about_another() {
    let source = forge(|_| ());
    let scopes = ["acme-labs/*".to_owned(), "acme/*".to_owned()];
    assert_eq!(source.objection(about("acme/infra", false), &scopes), None);
    let verdict = source.objection(about("evil/infra", false), &scopes).unwrap();
    assert_eq!((verdict.as_str(), verdict.code()), ("refused", "secret_out_of_scope"));
}

#[test]
fn a_person_is_who_configuration_says_they_are() {
    let mut senders = Settings::default().senders;
    senders.people.insert("slack:U1".to_owned(), "jane".to_owned());
    let slack = Source::new(Kind::Slack, &senders);
    assert_eq!(slack.person("U1"), "jane");
    assert_eq!(slack.person("U2"), "slack:U2");
    assert!(forge(|github| github.commanders = vec!["Grace".to_owned()]).may_command("grace"));
}
