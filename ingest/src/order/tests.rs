use serde_json::json;

use super::*;
use crate::testing;

fn gate(number: u128, pull_request: u64, stack: &str, outcome: &str) -> GateSeen {
    let gate = GateId(uuid::Uuid::from_u128(number));
    let chain = ChainId(uuid::Uuid::from_u128(1));
    serde_json::from_value(json!({
        "gate": gate, "chain": chain, "outcome": outcome,
        "stacks": [{ "stack": stack, "space": "root", "labels": [] }],
        "change": { "repository": "acme/infra", "pull_request": pull_request, "commit": COMMIT },
    }))
    .unwrap()
}

fn order(approve: bool, target: Target) -> Order {
    let act = if approve { Act::Review(Word::Approve) } else { Act::Review(Word::Reject) };
    testing::order(act, target)
}

fn at(number: u64, stack: Option<&str>) -> Target {
    let stack = stack.map(str::to_owned);
    Target::PullRequest { repository: "Acme/Infra".to_owned(), number, stack, commit: None }
}

const COMMIT: &str = "59b20b8d5c6ff8d09518454d4dd8b7b30f095ab5";
const WAITS: &str = "hold_for_approvals";

#[test]
fn the_one_gate_that_waits_at_a_pull_request_is_meant() {
    let open = [gate(1, 42, "a", WAITS), gate(2, 43, "a", WAITS), gate(3, 42, "b", "hold_until")];
    assert_eq!(pick(&order(true, at(42, None)), Utc::now(), &open), Ok(open[0].gate));
    // What waits for the clock can be rejected, so then it is not clear which is meant.
    let several = pick(&order(false, at(42, None)), Utc::now(), &open).unwrap_err();
    assert_eq!(several.code, "several_open");
    assert!(
        several.message.contains(&format!("stackly reject {}", open[2].gate)),
        "{}",
        several.message
    );
    assert_eq!(pick(&order(false, at(42, Some("b"))), Utc::now(), &open), Ok(open[2].gate));
    assert_eq!(
        pick(&order(true, at(44, None)), Utc::now(), &open).unwrap_err().code,
        "nothing_open"
    );
}

#[test]
fn a_gate_that_is_named_is_meant_whatever_is_open() {
    let named = gate(9, 1, "a", WAITS).gate;
    assert_eq!(pick(&order(true, Target::Gate(named)), Utc::now(), &[]), Ok(named));
    assert_eq!(Target::read(&named.to_string()), Some(Target::Gate(named)));
    let chain = ChainId(uuid::Uuid::from_u128(1));
    let word = format!("{chain}/network");
    assert_eq!(Target::read(&word), Some(Target::Chain(chain, Some("network".to_owned()))));
    for word in ["", "gate", "network", "chain_", "../../etc"] {
        assert_eq!(Target::read(word), None, "{word}");
    }
}

#[test]
fn another_commit_is_not_meant_and_a_review_means_everything_that_waited_then() {
    let open = [gate(1, 42, "a", WAITS), gate(2, 42, "b", WAITS), gate(3, 42, "c", "hold_until")];
    let (meant, other) = (CommitSha::from(COMMIT), CommitSha::from("0".repeat(40)));
    let bound = |commit: &CommitSha| at(42, None).of_commit(commit.clone());
    assert_eq!(
        pick(&order(true, bound(&other)), Utc::now(), &open).unwrap_err().code,
        "nothing_open"
    );

    let review = |approve, commit| Order { is_review: true, ..order(approve, bound(commit)) };
    let now = Utc::now();
    assert_eq!(reviewed(&review(true, &meant), now, &open), [open[0].gate, open[1].gate]);
    assert_eq!(reviewed(&review(false, &meant), now, &open).len(), 3);
    assert_eq!(reviewed(&review(true, &other), now, &open), []);
    let late =
        GateSeen { requested_at: Some(now + chrono::TimeDelta::seconds(1)), ..open[0].clone() };
    assert_eq!(reviewed(&review(true, &meant), now, &[late]), []);
}

#[test]
fn what_was_asked_after_a_word_was_said_is_not_meant_by_it() {
    let now = Utc::now();
    let asked = |at| GateSeen { requested_at: Some(at), ..gate(1, 42, "a", WAITS) };
    let (before, after) = (asked(now), asked(now + chrono::TimeDelta::seconds(1)));
    let yes = order(true, at(42, None));
    assert_eq!(pick(&yes, now, std::slice::from_ref(&before)), Ok(before.gate));
    assert_eq!(pick(&yes, now, std::slice::from_ref(&after)).unwrap_err().code, "asked_later");
    // Who names a gate has seen it.
    assert_eq!(pick(&order(true, Target::Gate(after.gate)), now, &[]), Ok(after.gate));
}

#[test]
fn a_word_that_came_late_was_said_when_its_host_says_and_never_after_it_came() {
    use crate::store::orders::Open;
    let came = Utc::now();
    let hour = chrono::TimeDelta::hours(1);
    let open = |spoken_at| {
        let order = Order { spoken_at, ..order(true, at(42, None)) };
        Open::new(uuid::Uuid::nil(), order, came)
    };
    assert_eq!(open(Some(came - hour)).said_at(), came - hour);
    assert_eq!(open(Some(came + hour)).said_at(), came);
    assert_eq!(open(None).said_at(), came);
    // Head B came after "approve" was written and before it was found.
    let since = Some(came - hour / 2);
    let known = Known { head: Some(CommitSha::from(COMMIT)), since, merged_as: None };
    let late = bind(7, None, &known, open(Some(came - hour)).said_at());
    assert_eq!(late.unwrap_err().code, "head_moved");
}

#[test]
fn a_review_of_the_host_is_a_word_about_its_commit_and_what_is_said_of_a_gate_is_none() {
    let now = Utc::now();
    let target = at(42, None).of_commit(CommitSha::from(COMMIT));
    let review = |act| Order { act, is_review: true, ..order(true, target.clone()) };
    for (act, said) in [
        (Act::Review(Word::Approve), (true, false)),
        (Act::Review(Word::Reject), (false, false)),
        (Act::Review(Word::Withdraw), (false, true)),
    ] {
        let word = about_commit(&review(act), now).unwrap();
        assert_eq!(word.said_at, Some(now));
        assert_eq!((word.approve, word.withdraw), said, "{act:?}");
        assert_eq!((word.commit.as_str(), word.pull_request), (COMMIT, 42));
    }
    assert_eq!(about_commit(&review(Act::Chain(ChainOrder::Retry)), now), None);
    let comment = order(true, target.clone());
    assert_eq!(about_commit(&comment, now), None, "a comment means what is open");
    let headless = Order { is_review: true, ..order(true, at(42, None)) };
    assert_eq!(about_commit(&headless, now), None);
}

#[test]
fn a_deployment_is_found_by_the_commit_that_merged_the_pull_request() {
    let merged = GateSeen {
        change: ChangeSeen {
            repository: "acme/infra".to_owned(),
            commit: CommitSha::from(COMMIT),
            pull_request: None,
        },
        ..gate(1, 42, "a", WAITS)
    };
    assert!(at(42, None).of_commit(CommitSha::from(COMMIT)).fits(&merged));
    assert!(!at(42, None).fits(&merged), "no commit is meant, so only the number counts");
    assert!(at(42, None).of_commit(CommitSha::from(&COMMIT[..12])).fits(&merged));
}

#[test]
fn what_is_said_at_a_pull_request_is_bound_to_its_head_at_the_time() {
    let (now, head) = (Utc::now(), CommitSha::from(COMMIT));
    let known = Known { head: Some(head.clone()), since: Some(now), merged_as: None };
    let later = now + chrono::TimeDelta::seconds(1);
    assert_eq!(bind(7, None, &known, later), Ok(head.clone()));
    assert_eq!(
        bind(7, None, &known, now - chrono::TimeDelta::seconds(1)).unwrap_err().code,
        "head_moved"
    );
    assert_eq!(bind(7, Some(&CommitSha::from("59b20b8")), &known, later), Ok(head.clone()));
    let old = bind(7, Some(&CommitSha::from("0123456")), &known, later).unwrap_err();
    assert!(old.message.contains("is at 59b20b8d, not at 0123456"), "{}", old.message);
    let merged = CommitSha::from("c".repeat(40));
    let known = Known { merged_as: Some(merged.clone()), ..known };
    assert_eq!(bind(7, None, &known, later), Ok(merged));
    assert_eq!(bind(7, Some(&CommitSha::from("59b20b8")), &known, later), Ok(head));
    assert_eq!(bind(7, None, &Known::default(), later).unwrap_err().code, "pull_request_unknown");
}

#[test]
fn a_retry_that_is_carried_out_late_is_of_the_chain_there_was_when_it_was_said() {
    let (said_at, half_an_hour) = (Utc::now(), chrono::TimeDelta::minutes(30));
    let chain = |number: u128, pull_request: u64, began_at| ChainSeen {
        chain: ChainId(uuid::Uuid::from_u128(number)),
        change: gate(number, pull_request, "a", WAITS).change,
        began_at,
    };
    let later = chain(4, 42, said_at + half_an_hour);
    let newest_first =
        [later.clone(), chain(3, 43, said_at), chain(2, 42, said_at), chain(1, 42, said_at)];
    let retry = Order { act: Act::Chain(ChainOrder::Retry), ..order(true, at(42, None)) };
    assert_eq!(newest(&retry, said_at, &newest_first), Ok(newest_first[2].chain));
    assert_eq!(newest(&retry, later.began_at, &newest_first), Ok(later.chain));
    assert_eq!(newest(&retry, said_at, &[later]).unwrap_err().code, "planned_later");
    assert_eq!(newest(&retry, said_at, &newest_first[1..2]).unwrap_err().code, "nothing_there");
}

#[test]
fn an_order_that_was_kept_before_repositories_were_is_of_that_of_its_pull_request() {
    let at = |said_in: Option<&str>, pull_request: Option<&str>| Order {
        said_in: said_in.map(str::to_owned),
        pull_request: pull_request.map(|repository| (repository.to_owned(), 42)),
        ..order(true, at(42, None))
    };
    assert_eq!(at(Some("acme/infra"), None).said_in(), Some("acme/infra"));
    assert_eq!(at(None, Some("acme/infra")).said_in(), Some("acme/infra"));
    assert_eq!(at(None, None).said_in(), None);
}

#[test]
fn what_is_to_be_done_is_kept_as_the_word_that_people_write() {
    for act in Act::ALL {
        assert_eq!(serde_json::to_value(act).unwrap(), json!(act.as_str()));
        assert_eq!(serde_json::from_value::<Act>(json!(act.as_str())).unwrap(), act);
    }
}
