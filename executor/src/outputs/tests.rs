use std::collections::BTreeSet;

use contracts::ChainId;
use spacelift::Output;
use uuid::Uuid;

use super::{Digests, EVERY};
use crate::fixtures::{ChainFixture, alter_edges, edge};

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn output(name: &str, value: &str) -> Output {
    Output { name: name.to_owned(), sensitive: false, value: Some(value.to_owned().into()) }
}

/// Those of `wanted` that are surely the same.
fn kept(wanted: &[&str], before: &[Output], after: &[Output]) -> BTreeSet<String> {
    let digests = |outputs| Digests::of(ChainId(Uuid::nil()), &names(wanted), outputs);
    digests(before).kept(&digests(after))
}

#[test]
fn an_output_is_kept_if_its_value_is_the_same() {
    let before = [output("vpc_id", "1"), output("zone", "x")];
    let after = [output("vpc_id", "1"), output("zone", "y")];
    assert_eq!(kept(&["vpc_id", "zone", EVERY], &before, &after), names(&["vpc_id"]));
    assert_eq!(kept(&["vpc_id", EVERY], &before, &before), names(&["vpc_id", EVERY]));
}

#[test]
fn what_is_not_shown_or_not_there_is_not_known_to_be_kept() {
    let secret = |value: Option<&str>| Output {
        sensitive: true,
        value: value.map(|it| it.to_owned().into()),
        ..output("token", "")
    };
    for token in [secret(None), secret(Some("")), secret(Some("hush"))] {
        let shown = [output("vpc_id", "1"), token];
        let same = kept(&["vpc_id", "token", "zone", EVERY], &shown, &shown);
        assert_eq!(same, names(&["vpc_id"]));
    }
    assert!(kept(&[EVERY], &[], &[]).is_empty(), "there is nothing to compare");
    let grown = [output("vpc_id", "1"), output("zone", "x")];
    assert!(kept(&[EVERY], &[output("vpc_id", "1")], &grown).is_empty());
}

#[test]
fn a_digest_says_nothing_of_the_value_and_is_another_in_another_chain() {
    let outputs = [output("zone", "eu-west-1")];
    let digests = |id| Digests::of(ChainId(Uuid::from_u128(id)), &names(&["zone"]), &outputs);
    assert!(!serde_json::to_string(&digests(1)).unwrap().contains("eu-west-1"));
    assert_ne!(digests(1), digests(2));
}

#[test]
fn what_is_read_is_what_the_edge_names_unless_it_may_be_about_something_else() {
    let line = || ChainFixture::of(&[("a", &[]), ("b", &["a"])]);
    let read = |chain: ChainFixture| chain.gating().chain().reads(1, 0);
    assert_eq!(read(line()), None, "a label only says that there is a dependency");
    assert_eq!(read(line().labelled("b", "stackly:reads=outputs")), Some(names(&[EVERY])));
    assert_eq!(read(line().reading(&["vpc_id"])), Some(names(&["vpc_id"])));
    assert_eq!(read(line().reading(&["vpc_id", EVERY])), Some(names(&[EVERY])));
    let mut both = line().reading(&["vpc_id"]);
    let label = edge("a", "b").origins;
    alter_edges(&mut both.planned, |edge| {
        edge.origins = edge.origins.iter().chain(label.iter()).cloned().collect();
    });
    assert_eq!(read(both), None);
}
