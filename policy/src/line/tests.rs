use contracts::{
    Code,
    gate::{Moment, Outcome},
};

use super::*;
use crate::{
    document::read,
    evaluate::{decide, never},
    fixtures::{noon, prod},
};

fn stop(labels: &[&str], reason: &str) -> Stop {
    Stop {
        id: Uuid::from_u128(7),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        reason: reason.to_owned(),
        by: "ann".to_owned(),
        at: noon(),
        ended: None,
    }
}

#[test]
fn what_is_stopped_holds_with_who_and_why_and_what_is_not_goes_on() {
    for (labels, holds, command) in [
        (&["env:prod"][..], true, "stackly go --label env:prod"),
        (&[], true, "stackly go"),
        (&["env:dev"], false, ""),
        (&["x", "env:*"], true, "stackly go --label x --label 'env:*'"),
    ] {
        let file = file(&[stop(labels, "4711: \"${quoted}\" \\ %{and}\nmore")]).unwrap();
        let set = read(&[file]).unwrap_or_else(|faults| panic!("{faults}"));
        for moment in [Moment::BeforePlan, Moment::BeforeApply] {
            let verdict = decide(&set, &prod(moment), &[], noon());
            let held = verdict.outcome == Outcome::HoldUntil { until: never() };
            assert_eq!(held, holds, "{labels:?}: {:?}", verdict.reasons);
            if holds {
                let reason = &verdict.reasons[0];
                assert_eq!(reason.code, Code::LineStopped);
                let said = format!(
                    "4711: \"${{quoted}}\" \\ %{{and}} more (ann, since 2026-11-20 11:00 UTC; \
                     `{command}` ends it)"
                );
                assert!(reason.text.contains(&said), "{}", reason.text);
            }
        }
    }
}

#[test]
fn what_has_ended_holds_nothing_and_the_newest_word_is_told() {
    let open = stop(&["a"], "first");
    let end = End { by: "ben".to_owned(), at: noon() + chrono::TimeDelta::hours(1), reason: None };
    let ended = Stop { ended: Some(end), ..stop(&[], "second") };
    assert_eq!(file(std::slice::from_ref(&ended)), None);
    assert_eq!(file(&[]), None);
    assert_eq!(
        news(&[open.clone(), ended]).unwrap(),
        "ben let the line go on for everything; ann had stopped it (second)"
    );
    assert_eq!(news(&[open]).unwrap(), "ann stopped the line for what is labelled a: first");
    assert_eq!(settled(vec!["b ".into(), "a".into(), "b".into(), " ".into()]), ["a", "b"]);
}

#[test]
fn a_stop_is_about_the_stacks_whose_labels_fit() {
    let prod = stop(&["env:prod", "team:*"], "x");
    assert!(prod.is_about(["x", "env:prod"]));
    assert!(prod.is_about(["team:core"]));
    assert!(!prod.is_about(["env:dev"]));
    assert!(!prod.is_about([]));
    assert!(stop(&[], "x").is_about([]));
}
