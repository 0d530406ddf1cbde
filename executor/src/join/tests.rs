use super::{Join, Standing};

fn join(label: &str) -> Join {
    Join::of(&["team:net".into(), label.into()])
}

#[test]
fn a_label_says_how_many_parents_are_waited_for_and_what_cannot_be_read_asks_for_all() {
    let needed = |label| join(label).needed(3);
    assert_eq!(needed("stackly:join=any"), 1);
    assert_eq!(needed("stackly:join=2"), 2);
    assert_eq!(needed("stackly:join=7"), 3);
    assert_eq!(needed("stackly:join=all"), 3);
    assert_eq!(needed("stackly:join=some"), 3);
    assert_eq!(needed("stackly:join=0"), 1, "a step with parents waits for one at least");
    assert_eq!(needed("stackly:joint=1"), 3);
    assert_eq!(join("stackly:join=any").needed(0), 0, "a first step waits for nobody");
}

#[test]
fn a_rule_is_met_or_can_be_met_or_never_will_be() {
    let standing = |well, open| Standing { parents: 3, well, open, needed: 2 };
    let of = |well, open| (standing(well, open).is_met(), standing(well, open).can_be_met());
    assert_eq!(of(2, 0), (true, true));
    assert_eq!(of(1, 1), (false, true));
    assert_eq!(of(1, 0), (false, false));
    assert_eq!(standing(1, 1).phrase().as_deref(), Some("1 of 3 ended well, and 2 must"));
    assert_eq!(Standing { parents: 2, well: 0, open: 2, needed: 2 }.phrase(), None);
}
