use contracts::{Code, CommitSha};

use super::{Alert, Notice};
use crate::sample::{alerted, at, change, ignored, refused};

#[test]
fn reasons_are_kept_once_whatever_their_order() {
    let mut one = Notice::new(&change());
    let mut two = Notice::new(&change());
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
fn a_commit_has_a_key_of_its_own_in_each_repository() {
    let commit = CommitSha("abc".to_owned());
    assert_eq!(Notice::key("acme/infra", &commit), Notice::key("acme/infra", &commit));
    assert_ne!(Notice::key("acme/infra", &commit), Notice::key("acme/other", &commit));
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
