use contracts::Action;

use super::*;
use crate::fixtures::{noon, policies, prod};

fn word(number: u128, by: &str, word: Word) -> CommitWord {
    let review = crate::fixtures::review(number, by, true);
    CommitWord {
        repository: "acme/infra".to_owned(),
        pull_request: 7,
        commit: "c0ffee".into(),
        review: Review { word, ..review },
        kept_at: noon(),
    }
}

fn said(words: Vec<CommitWord>) -> CommitWords {
    let commit_words = CommitWords::default();
    commit_words.note(words, noon());
    commit_words
}

fn about(commit_words: &CommitWords, request: &GateRequested) -> Vec<(String, Word)> {
    let people = policies("person \"ann\" { also = [\"annie\"] }\n").people;
    let about = commit_words.about(request, &people, &[]);
    about.into_iter().map(|review| (review.by, review.word)).collect()
}

#[test]
fn a_word_is_about_gates_of_its_commit_and_pull_request_and_of_none_other() {
    let commit_words = said(vec![word(1, "ann", Word::Approve)]);
    let asked = prod(Moment::BeforeChain);
    assert_eq!(about(&commit_words, &asked), [("ann".to_owned(), Word::Approve)]);
    let of = |number: Option<u64>, commit: &str, repository: &str| {
        let mut request = prod(Moment::BeforePlan);
        request.change.pull_request = number;
        request.change.commit = commit.into();
        request.change.repository = repository.to_owned();
        about(&commit_words, &request).len()
    };
    assert_eq!(of(Some(7), "c0ffee", "Acme/Infra"), 1);
    assert_eq!(of(Some(8), "c0ffee", "acme/infra"), 0);
    assert_eq!(of(Some(7), "0ther", "acme/infra"), 0);
    assert_eq!(of(Some(7), "c0ffee", "acme/else"), 0);
}

#[test]
fn a_word_about_a_commit_that_its_host_cuts_short_is_about_the_whole_one() {
    let whole = "c0ffee0123456789c0ffee0123456789c0ffee01";
    let heard = |said_of: &str, asked_of: &str| {
        let mut said_of = CommitWord { commit: said_of.into(), ..word(1, "ann", Word::Approve) };
        said_of.repository = "Acme/Infra".to_owned();
        let mut request = prod(Moment::BeforeChain);
        request.change.commit = asked_of.into();
        about(&said(vec![said_of]), &request).len()
    };
    assert_eq!((heard(&whole[..12], whole), heard(whole, whole)), (1, 1));
    assert_eq!((heard(&whole[..11], whole), heard(&whole[..11], &whole[..11])), (0, 1));
    assert_eq!(heard(&whole.replace("89c", "88c"), whole), 0, "it goes on otherwise");
    assert_eq!(heard("c0ffee012344", whole), 0);
}

#[test]
fn what_nobody_had_seen_is_not_approved_and_may_be_rejected() {
    let yes = said(vec![word(1, "ann", Word::Approve)]);
    assert_eq!(about(&yes, &prod(Moment::BeforeApply)), []);
    for action in [Action::FixDrift, Action::Destroy, Action::Deregister] {
        let asked_for = GateRequested { action, ..prod(Moment::BeforeChain) };
        assert_eq!(about(&yes, &asked_for), [], "{action}");
    }
    let no = said(vec![word(1, "ann", Word::Reject)]);
    assert_eq!(about(&no, &prod(Moment::BeforeApply)), [("ann".to_owned(), Word::Reject)]);
    // The newest word of a person counts, under whichever of their names.
    let mut later = word(2, "annie", Word::Approve);
    later.review.at = noon() + TimeDelta::minutes(1);
    let changed = said(vec![later, word(1, "ann", Word::Reject)]);
    assert_eq!(about(&changed, &prod(Moment::BeforeApply)), []);
    let code = about(&changed, &prod(Moment::BeforeChain));
    assert_eq!(code, [("annie".to_owned(), Word::Approve)]);
}

#[test]
fn a_no_to_the_code_is_taken_back_where_it_was_said_and_nothing_else_is() {
    let people = policies("person \"ann\" { also = [\"annie\"] }\n").people;
    let gate = prod(Moment::BeforeApply);
    let commit_words = said(vec![word(1, "ann", Word::Reject)]);
    let mut held = commit_words.about(&gate, &people, &[]);
    let mut later = word(2, "annie", Word::Approve);
    later.review.at = noon() + TimeDelta::minutes(1);
    commit_words.note(vec![later], noon());
    let taken = commit_words.about(&gate, &people, &held);
    let [back] = taken.as_slice() else { panic!("{taken:?}") };
    assert_eq!((back.by.as_str(), back.word), ("annie", Word::Withdraw), "a plan is not approved");
    let own = Review { word: Word::Reject, ..crate::fixtures::review(9, "ann", false) };
    assert_eq!(commit_words.about(&gate, &people, &[held.clone(), vec![own]].concat()), []);
    held.extend(taken);
    assert_eq!(commit_words.about(&gate, &people, &held), [], "once");
}

#[test]
fn what_is_known_is_no_news_and_what_is_long_ago_is_forgotten() {
    let commit_words = said(vec![word(1, "ann", Word::Approve)]);
    assert_eq!(commit_words.note(vec![word(1, "ann", Word::Approve)], noon()), []);
    assert_eq!(commit_words.newest(), Some(noon()));
    let mut other = word(2, "ben", Word::Approve);
    (other.commit, other.kept_at) = ("beef".into(), noon() + REMEMBERED);
    assert_eq!(commit_words.note(vec![other], noon() + REMEMBERED), ["beef".into()]);
    assert_eq!(about(&commit_words, &prod(Moment::BeforeChain)), []);
}
