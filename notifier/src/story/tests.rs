use contracts::{
    Code,
    chain::{ChainKind, ChainState},
    step::StepState,
};
use uuid::Uuid;

use super::{About, Story};
use crate::{
    input::{Input, SlackResult, SlackTold},
    notice::Notice,
    routes::Routes,
    sample::{self, alerted, at, chain, envelope, finished, planned, refused, summary},
};

fn take(story: &mut Story, body: Input, second: i64) {
    story.take(&envelope(body, second), &Routes::default(), at(second));
}

fn said(effect: Uuid, result: SlackResult) -> Input {
    Input::Slack(SlackTold { key: chain().0, effect, result })
}

fn posted() -> SlackResult {
    SlackResult::Said { channel: "C1".to_owned(), ts: "1.2".to_owned() }
}

#[test]
fn a_message_is_updated_where_it_was_posted() {
    let mut story = Story::default();
    take(&mut story, Input::Planned(planned(&["net-prod"])), 0);
    let says = story.message().unwrap().fingerprint();
    let effect = story.slack.outlet.offer("slack", says, at(0)).unwrap();
    take(&mut story, said(effect, posted()), 1);
    assert_eq!(story.slack.posted.as_ref().unwrap().ts, "1.2");
    assert_eq!(story.slack.outlet.offer("slack", says, at(2)), None);
}

#[test]
fn a_deleted_message_is_posted_anew() {
    let mut story = Story::default();
    take(&mut story, Input::Planned(planned(&["net-prod"])), 0);
    let says = story.message().unwrap().fingerprint();
    let effect = story.slack.outlet.offer("slack", says, at(0)).unwrap();
    take(&mut story, said(effect, SlackResult::Gone), 1);
    assert_eq!(story.slack.posted, None);
    assert!(story.slack.outlet.offer("slack", says, at(2)).is_some());
}

#[test]
fn where_edits_are_forbidden_only_the_end_is_posted_anew() {
    let mut story = Story::default();
    take(&mut story, Input::Planned(planned(&["net-prod"])), 0);
    let says = story.message().unwrap().fingerprint();
    let effect = story.slack.outlet.offer("slack", says, at(0)).unwrap();
    take(&mut story, said(effect, SlackResult::Sealed), 1);
    assert_eq!(story.message(), None);
    let step = summary("net-prod", StepState::Finished, Code::RunFinished, "done");
    take(&mut story, Input::Finished(finished(ChainState::Finished, vec![step])), 9);
    assert!(story.message().is_some());
    assert_eq!(story.slack.posted, None);
}

#[test]
fn a_fault_reported_again_later_is_another_message() {
    let mut story = Story::default();
    take(&mut story, Input::Alerted(alerted("down")), 0);
    let says = story.message().unwrap().fingerprint();
    let effect = story.slack.outlet.offer("slack", says, at(0)).unwrap();
    take(&mut story, said(effect, posted()), 1);
    take(&mut story, Input::Alerted(alerted("down")), 60);
    assert_eq!(story.slack.outlet.offer("slack", says, at(61)), None);
    take(&mut story, Input::Alerted(alerted("down")), 7_200);
    assert_eq!(story.slack.posted, None);
    assert!(story.slack.outlet.offer("slack", says, at(7_201)).is_some());
}

#[test]
fn a_chain_is_found_where_a_notice_would_stand_in_its_place() {
    let mut story = Story::default();
    take(&mut story, Input::Planned(planned(&["net-prod"])), 0);
    let change = sample::change();
    let routes = Routes::default();
    let place = |story: &Story| story.place(&routes);
    assert_eq!(place(&story), Some(Notice::key(&change, None, &routes)));
    assert_ne!(place(&story), Some(Notice::key(&change, Some(ChainKind::Preview), &routes)));
    let mut notice = Story::default();
    take(&mut notice, Input::Refused(refused("a circle")), 0);
    assert!(matches!(notice.about, About::Notice(_)));
    assert_eq!(place(&notice), None);
    let action = contracts::Action::Deregister;
    let gone = contracts::chain::ChainPlanned { action, ..planned(&["net-lab"]) };
    let mut loose = Story::default();
    take(&mut loose, Input::Planned(gone), 0);
    assert_eq!(place(&loose), None, "it has no status that a notice could cover");
    let commit = Notice::commit_key(&change.repository, &change.commit);
    assert_eq!((notice.notice_of(), story.notice_of()), (Some(commit), None));
}

#[test]
fn a_commit_pushed_first_and_proposed_then_says_both_where_each_is_looked_for() {
    let mut stories = std::collections::HashMap::<_, Story>::new();
    let mut pushed = sample::ignored(Code::BranchNotTracked, "no stack tracks feature");
    pushed.change.branch = "feature".to_owned();
    let mut proposed = sample::ignored(Code::NothingTouched, "no stack uses these files");
    proposed.change.pull_request = Some(7);
    for input in [Input::Ignored(pushed), Input::Ignored(proposed)] {
        take(stories.entry(input.key(&Routes::default())).or_default(), input, 0);
    }
    let route = sample::github_route();
    let named = stories.values().map(|story| story.status(&route).unwrap());
    let said = named.map(|(status, name)| (name, status.description));
    let said: std::collections::BTreeMap<String, String> = said.collect();
    let expected = [
        ("stackly (feature)", "Nothing to do: no stack tracks feature"),
        ("stackly/plan", "Nothing to do: no stack uses these files"),
    ];
    assert_eq!(said, expected.map(|(name, text)| (name.to_owned(), text.to_owned())).into());
}

#[test]
fn a_story_survives_being_stored() {
    let mut story = Story::default();
    for event in sample::history() {
        story.take(&event, &Routes::default(), at(500));
    }
    let says = story.message().unwrap().fingerprint();
    story.slack.outlet.offer("slack", says, at(500));
    let stored = serde_json::to_string(&story).unwrap();
    let read = serde_json::from_str::<Story>(&stored).unwrap();
    assert_eq!(Story { has_moved: true, ..read }, story);
}

#[test]
fn code_that_is_gone_is_told_once_until_something_follows_from_it() {
    let action = contracts::Action::Deregister;
    let gone = contracts::chain::ChainPlanned { action, ..planned(&["net-lab"]) };
    let mut story = Story::default();
    take(&mut story, Input::Planned(gone), 0);
    let route = sample::github_route();
    assert_eq!((story.message(), story.status(&route)), (None, None), "the policies are asked");
    let step = summary("net-lab", StepState::Denied, Code::StaysLoose, "it stays");
    let mut ended = finished(ChainState::Denied, vec![step]);
    ended.reason = sample::reason(Code::StaysLoose, "it stays");
    let mut stays = story.clone();
    take(&mut stays, Input::Finished(ended.clone()), 9);
    assert_eq!((stays.message(), stays.status(&route)), (None, None));

    let mut denied = story.clone();
    ended.reason = sample::reason(Code::PolicyDenied, "not this one");
    take(&mut denied, Input::Finished(ended), 9);
    assert!(denied.message().is_some(), "somebody wanted it destroyed, and somebody else did not");
    take(&mut story, Input::Started(sample::started(1)), 5);
    assert!(story.message().is_some());
    assert_eq!(story.status(&route), None, "the status of the commit is that of its delivery");
}

#[test]
fn chains_of_one_commit_have_statuses_of_their_own() {
    let name = |kind: ChainKind, branch: &str, pull_request| {
        let mut event = planned(&["net-prod"]);
        event.kind = kind;
        event.change.branch = branch.to_owned();
        event.change.pull_request = pull_request;
        let mut story = Story::default();
        take(&mut story, Input::Planned(event), 0);
        story.status(&sample::github_route()).unwrap().1
    };
    assert_eq!(name(ChainKind::Deploy, "main", None), "stackly");
    assert_eq!(name(ChainKind::Preview, "main", Some(7)), "stackly/plan");
    assert_eq!(name(ChainKind::Deploy, "release", None), "stackly (release)");
    assert_eq!(name(ChainKind::Preview, "release", Some(7)), "stackly/plan (release)");
    let long = name(ChainKind::Deploy, &"x".repeat(255), None);
    assert!(long.chars().count() <= 200, "{long}");
}

#[test]
fn a_pull_request_that_leads_to_nothing_says_so_under_the_name_of_its_plan() {
    let mut event = sample::ignored(Code::NothingTouched, "no stack uses these files");
    event.change.pull_request = Some(7);
    let mut story = Story::default();
    take(&mut story, Input::Ignored(event), 0);
    assert_eq!(story.status(&sample::github_route()).unwrap().1, "stackly/plan");
}
