use super::*;

fn shown(kind: &str, address: &str) -> ResourceChange {
    ResourceChange { address: address.to_owned(), kind: kind.to_owned() }
}

#[test]
fn the_type_of_a_resource_is_read_off_its_address_whatever_its_index_holds() {
    for (address, wanted) in [
        ("aws_subnet.a", "aws_subnet"),
        ("module.net.aws_subnet.a[0]", "aws_subnet"),
        (
            "module.net[\"a.b\\\".c\"].module.zone[3].aws_db_instance.main[\"x.y\"]",
            "aws_db_instance",
        ),
        ("module.net.data.aws_ami.linux", "aws_ami"),
        ("urn:pulumi", "urn:pulumi"),
        ("", ""),
    ] {
        assert_eq!(resource_type(address), wanted, "{address}");
    }
}

#[test]
fn a_replacement_is_a_deletion_and_an_addition_and_a_new_word_is_handed_on() {
    let actions = |kind: &str| -> Vec<String> {
        changes_of(&shown(kind, "a.b")).into_iter().map(|change| change.action).collect()
    };
    assert_eq!(actions("ADD"), ["added"]);
    assert_eq!(actions("change"), ["changed"]);
    assert_eq!(actions("Deleted"), ["deleted"]);
    assert_eq!(actions("REPLACE"), ["deleted", "added"]);
    assert_eq!(actions("delete_before_create"), ["deleted", "added"]);
    assert_eq!(actions("FORGET"), ["forget"]);
}

#[test]
fn a_plan_too_large_for_a_message_is_cut_and_loses_no_deletion_first() {
    let mut all: Vec<ResourceChange> = (0..draft::CHANGES_MAX + 10)
        .map(|number| shown("add", &format!("a.b[{number}]")))
        .collect();
    all.push(shown("delete", "aws_db_instance.main"));
    let plan = read(4, &all);
    assert_eq!(plan.more, 11);
    assert_eq!(plan.changes.unwrap()[0].address, "aws_db_instance.main");

    let long: Vec<_> =
        (0..100).map(|_| shown("add", &format!("a.{}", "b".repeat(10_000)))).collect();
    let plan = read(4, &long);
    assert_eq!((plan.changes.unwrap().len(), plan.more), (19, 81));
}
