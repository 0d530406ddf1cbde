use super::*;

/// A page from this place down, ten deliveries long; these of it are not in.
fn page(from: u32, missing: &[u32], next: bool) -> Seen<u32> {
    let places = (from.saturating_sub(9)..=from).rev();
    let deliveries = places.map(|place| (place, !missing.contains(&place))).collect();
    let next = next.then(|| format!("below {from}"));
    Seen { deliveries, next, etag: Some(format!("as of {from}")) }
}

fn newest(unless: Option<&str>) -> Step {
    Step::Newest { unless: unless.map(str::to_owned) }
}

#[test]
fn a_first_walk_goes_to_the_end_of_the_list_and_later_ones_to_what_is_settled() {
    let mut walk = Walk::default();
    assert_eq!(walk.step(), newest(None));
    assert_eq!(walk.note(page(30, &[], true), None), Some("below 30".to_owned()));
    assert_eq!(walk.note(page(20, &[], true), None), Some("below 20".to_owned()));
    assert_eq!(walk.note(page(10, &[], false), None), None);
    assert_eq!(walk.step(), newest(Some("as of 30")), "nothing more while nothing is new");

    // Fifteen more came: the second page reaches below what is settled.
    assert_eq!(walk.note(page(45, &[], true), None), Some("below 45".to_owned()));
    assert_eq!(walk.note(page(35, &[], true), None), None);
    assert_eq!(walk.step(), newest(Some("as of 45")));
}

#[test]
fn what_was_too_young_is_looked_at_again_below_a_page_that_has_everything() {
    let mut walk = Walk::default();
    assert_eq!(walk.note(page(10, &[4], false), None), None);
    assert_eq!(walk.step(), newest(None), "the page may not be taken for settled");
    // Twenty more came, all of them in; the one that was young lies on the third page.
    assert_eq!(walk.note(page(30, &[], true), None), Some("below 30".to_owned()));
    assert_eq!(walk.note(page(20, &[], true), None), Some("below 20".to_owned()));
    assert_eq!(walk.note(page(10, &[], false), None), None);
    assert_eq!(walk.step(), newest(Some("as of 30")));
}

#[test]
fn a_walk_too_long_for_one_round_goes_on_where_it_stopped() {
    let mut walk = Walk::default();
    walk.note(page(1000, &[], true), None);
    assert_eq!(walk.step(), Step::On("below 1000".to_owned()));
    walk.note(page(990, &[], false), None);
    assert_eq!(walk.step(), newest(Some("as of 1000")));
    walk.note(page(1100, &[], true), None);
    walk.give_up();
    assert_eq!(walk.step(), newest(Some("as of 1000")));
}

#[test]
fn nothing_below_the_floor_is_looked_for() {
    let mut walk = Walk::default();
    assert_eq!(walk.note(page(30, &[], true), Some(25)), None);
    assert_eq!(walk.step(), newest(Some("as of 30")));
}
