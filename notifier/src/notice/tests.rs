use contracts::{Code, chain::ChainKind, change::Change};

use super::{Alert, Notice};
use crate::{
    forge::Forge,
    routes::{ForgeRoute, Routes},
    sample::{alerted, at, change, github_route, ignored, refused},
};

#[test]
fn reasons_are_kept_once_whatever_their_order() {
    let mut one = Notice::new(&change(), None);
    let mut two = Notice::new(&change(), None);
    let (first, second) = (refused("a circle"), refused("another circle"));
    for event in [&first, &second, &first] {
        one.refused(event);
    }
    for event in [&second, &first] {
        two.refused(event);
    }
    assert_eq!(one, two);
    assert_eq!(one.refusals().len(), 2);
    one.ignored(&ignored(Code::NothingTouched, "nothing"));
    assert_eq!(one.worth_a_status().map(|reason| reason.code), Some(Code::NothingTouched));
}

#[test]
fn a_notice_has_the_key_of_the_place_where_its_status_stands() {
    let routes = Routes { github: Some(github_route()), ..Routes::default() };
    let here = Notice::key(&change(), None, &routes);
    let elsewhere = |other: Change| Notice::key(&other, None, &routes);
    assert_ne!(here, elsewhere(Change { repository: "acme/other".to_owned(), ..change() }));
    assert_ne!(here, elsewhere(Change { branch: "release".to_owned(), ..change() }));
    let proposed = elsewhere(Change { pull_request: Some(7), ..change() });
    assert_ne!(here, proposed);
    let asked = Notice::key(&change(), Some(ChainKind::Preview), &routes);
    assert_eq!(proposed, asked, "a merge queue asks");
    assert_eq!(here, elsewhere(Change { title: "another".to_owned(), ..change() }));
    let also_default = elsewhere(Change { branch: "master".to_owned(), ..change() });
    assert_eq!(here, also_default, "neither is named, so both stand in one place");
}

#[test]
fn pull_requests_with_one_head_and_one_target_stand_in_one_place_unless_each_has_a_status() {
    let host = github_route();
    let repositories = vec!["acme/*".to_owned()];
    let keys = |forge: Forge| {
        let forges =
            vec![ForgeRoute { forge, host: host.clone(), repositories: repositories.clone() }];
        let routes = Routes { forges, ..Routes::default() };
        let key =
            |number| Notice::key(&Change { pull_request: Some(number), ..change() }, None, &routes);
        [key(7), key(8)]
    };
    for forge in Forge::ALL {
        let [one, other] = keys(*forge);
        assert_eq!(one != other, *forge == Forge::AzureDevops, "{forge:?}");
    }
}

#[test]
fn a_fault_is_told_again_only_after_an_hour() {
    let mut alert = Alert::new(&alerted("down"), at(0));
    assert!(!alert.again(at(60)));
    assert!(!alert.again(at(3_600)));
    assert!(alert.again(at(3_601)));
    assert!(!alert.again(at(3_700)));
    assert!(!alert.again(at(-10)), "a late report of an older one");
    assert_ne!(Alert::key(&alerted("down")), Alert::key(&alerted("up")));
}
