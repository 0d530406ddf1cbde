use std::collections::BTreeMap;

use service::config::Layers;

use super::{NoOrigin, Origins, is_lasting};
use crate::{
    DEFAULTS,
    catalogue::Provider,
    config::{Config, Git},
};

/// The defaults, with a folder and these keys besides.
fn git(keys: &[(&str, &str)]) -> Git {
    let mut environment: BTreeMap<String, String> =
        BTreeMap::from([("PLANNER__GIT__FOLDER".to_owned(), "/mirrors".to_owned())]);
    let named = |&(key, value): &(&str, &str)| (format!("PLANNER__GIT__{key}"), value.to_owned());
    environment.extend(keys.iter().map(named));
    let layers = Layers::merge("planner", DEFAULTS, None, &environment).unwrap();
    layers.read::<Config>().unwrap().git
}

/// Where a repository is fetched from, and as whom.
fn origin(keys: &[(&str, &str)], at: Provider) -> String {
    let mirror = Origins::new(git(keys)).unwrap().mirror("acme/infra", at).unwrap();
    let told = format!("{mirror:?}");
    assert!(!told.contains("secret"), "{told}");
    let part = |name: &str| {
        let rest = told.split_once(&format!("{name}: ")).unwrap().1;
        rest.split([',', ' ', '}']).next().unwrap().trim_matches('"').to_owned()
    };
    format!("{} {}", part("url"), part("access"))
}

#[test]
fn a_repository_is_fetched_from_where_spacelift_says_it_is() {
    assert_eq!(origin(&[], Provider::Github), "https://github.com/acme/infra.git Open");
    assert_eq!(origin(&[], Provider::Bitbucket), "https://bitbucket.org/acme/infra.git Open");
    let nowhere = Origins::new(git(&[])).unwrap().mirror("acme/infra", Provider::Other);
    let text = nowhere.unwrap_err().to_string();
    assert!(text.contains("set `git.url`"), "{text}");
    let own = [("URL", "git@git.acme.example:{repository}.git")];
    assert_eq!(origin(&own, Provider::Other), "git@git.acme.example:acme/infra.git Open");
}

#[test]
fn a_token_is_shown_to_the_host_it_was_given_for_alone() {
    let token = [("TOKEN", "secret")];
    assert!(origin(&token, Provider::Github).ends_with("github.com/acme/infra.git Token"));
    assert!(origin(&token, Provider::Bitbucket).ends_with("bitbucket.org/acme/infra.git Open"));
    let own = [("TOKEN", "secret"), ("URL", "https://git.acme.example/{repository}")];
    assert_eq!(origin(&own, Provider::Other), "https://git.acme.example/acme/infra Token");
}

#[test]
fn without_a_folder_there_is_no_mirror_and_a_bad_key_is_told_with_its_name() {
    let none = Origins::new(git(&[("FOLDER", "")])).unwrap();
    let refused = none.mirror("acme/infra", Provider::Github).unwrap_err();
    assert!(matches!(refused, NoOrigin::NoFolder));
    assert!(is_lasting(&refused.into()));
    let keys = [("APP__ID", "1"), ("APP__KEY", "no key")];
    let error = format!("{:#}", Origins::new(git(&keys)).unwrap_err());
    assert!(error.contains("`git.app.key`") && !error.contains("no key\""), "{error}");
    let keys = [("APP__ID", "1"), ("APP__KEY_FILE", "/nowhere/key.pem")];
    let error = format!("{:#}", Origins::new(git(&keys)).unwrap_err());
    assert!(error.contains("/nowhere/key.pem"), "{error}");
}
