use chrono::DateTime;
use contracts::{
    CommitSha,
    change::{Change, ChangePushed, Paths},
};
use uuid::Uuid;

use super::{Turn, Turns};
use crate::memory::{Waiting, Wish};

fn push(branch: &str, previous: Option<&str>, commit: &str, path: &str) -> Turn {
    let change = Change {
        repository: "acme/infra".to_owned(),
        branch: branch.to_owned(),
        commit: CommitSha::from(commit),
        previous: previous.map(CommitSha::from),
        author: "ada".to_owned(),
        authors: Vec::new(),
        title: String::new(),
        url: None,
        pull_request: None,
    };
    let paths = Paths::All(vec![path.to_owned()]);
    let pushed = ChangePushed { change, paths, deleted: false, tag: false, forced: false };
    Turn::Change(Box::new(Waiting {
        event: Uuid::new_v5(&Uuid::nil(), commit.as_bytes()),
        correlation: Uuid::nil(),
        trace: None,
        since: DateTime::UNIX_EPOCH,
        looks: 0,
        missing: 0,
        wish: Wish::Pushed(pushed),
    }))
}

/// `previous..commit` of what begins, and what was joined to it.
fn begun(turns: &mut Turns) -> Option<(String, Vec<String>)> {
    let next = turns.begin()?;
    let call = next.turn.call("acme/infra");
    let name = |commit: Option<CommitSha>| commit.map_or_else(|| "?".to_owned(), |commit| commit.0);
    let superseded = next
        .superseded
        .iter()
        .map(|(waiting, by)| format!("{} by {by}", waiting.wish.change().commit));
    Some((format!("{}..{}", name(call.previous), name(call.commit)), superseded.collect()))
}

#[test]
fn one_thing_is_looked_at_at_a_time_in_the_order_of_arrival() {
    let mut turns = Turns::default();
    turns.push(push("main", Some("a"), "b", "x"));
    assert_eq!(begun(&mut turns).unwrap().0, "a..b");
    turns.push(push("other", Some("1"), "2", "x"));
    assert!(begun(&mut turns).is_none(), "the first is not finished");
    assert!(turns.finish().is_some());
    assert_eq!(begun(&mut turns).unwrap().0, "1..2");
    turns.finish();
    assert!(begun(&mut turns).is_none() && turns.len() == 0);
}

#[test]
fn pushes_on_top_of_one_that_waits_are_planned_once_with_the_changes_of_all() {
    let mut turns = Turns::default();
    for (from, to, path) in [("a", "b", "x"), ("b", "c", "y"), ("c", "d", "z")] {
        turns.push(push("main", Some(from), to, path));
    }
    let (range, superseded) = begun(&mut turns).unwrap();
    assert_eq!((range.as_str(), superseded.len()), ("a..d", 2));
    assert_eq!(superseded, ["b by c", "c by d"]);
    let Some(Turn::Change(waiting)) = turns.finish() else { panic!("a change was looked at") };
    let all = Paths::All(["x", "y", "z"].map(ToOwned::to_owned).into());
    assert_eq!(waiting.wish.paths(), &all, "also if the mirror fails");
}

#[test]
fn what_is_not_built_on_top_is_not_joined() {
    let mut turns = Turns::default();
    turns.push(push("main", Some("a"), "b", "x"));
    turns.push(push("main", Some("q"), "r", "y"));
    assert_eq!(begun(&mut turns).unwrap(), ("a..b".to_owned(), vec![]));
    turns.finish();
    assert_eq!(begun(&mut turns).unwrap(), ("q..r".to_owned(), vec![]));
}

#[test]
fn two_surveys_of_a_branch_are_one() {
    let mut turns = Turns::default();
    for (id, branch) in [(1, "main"), (2, "main"), (3, "other")] {
        turns.push(Turn::Survey { id: Uuid::from_u128(id), branch: branch.to_owned() });
    }
    assert_eq!(turns.len(), 2);
}

#[test]
fn who_pushed_what_is_joined_and_who_wrote_it_are_authors_of_what_comes_of_it() {
    let mut turns = Turns::default();
    for (from, to, by, also) in
        [("a", "b", "ada", "bob"), ("b", "c", "cid", "ada"), ("c", "d", "bob", "eve")]
    {
        let Turn::Change(mut turn) = push("main", Some(from), to, "x") else { panic!() };
        let Wish::Pushed(pushed) = &mut turn.wish else { panic!() };
        (pushed.change.author, pushed.change.authors) = (by.to_owned(), vec![also.to_owned()]);
        turns.push(Turn::Change(turn));
    }
    let next = turns.begin().unwrap();
    let Turn::Change(waiting) = next.turn else { panic!("a change is looked at") };
    let change = waiting.wish.change();
    assert_eq!((change.author.as_str(), change.authors.len()), ("bob", 3));
    assert!(["ada", "cid", "eve"].iter().all(|name| change.authors.contains(&(*name).to_owned())));
}
