use proptest::{prelude::*, sample::select};
use serde_json::json;

use super::*;

const KIND: &str = "gate.review";

fn heard(voucher: Voucher, asked: &str, only: bool, body: Value) -> Result<Value, Problem> {
    voucher.heard((KIND, asked), only, body)
}

proptest! {
    /// Whoever may send as one person only is never heard as another, and never with groups
    /// or at another time.
    #[test]
    fn nobody_is_heard_under_another_s_name(
        own in select(vec!["bob", "Bob", "jane.doe", "ann@acme.example", "slack:U7", "Jö"]),
        said in select(vec![
            "bob", "@Bob", " bob ", "jane-doe", "jane.doe", "ann@acme.example", "alice", "", "JÖ",
            "slack:U7", "slack-U7",
        ]),
        only: bool,
    ) {
        let verified = json!({ "groups": ["sre"], "said_at": "2026-01-03T00:00:00Z" });
        let mut body = json!({ "by": said, "approve": true });
        body.as_object_mut().unwrap().extend(verified.as_object().unwrap().clone());
        let asked = subject::command_by(own, KIND);
        match heard(Voucher::Server, &asked, only, body.clone()) {
            Ok(heard) => {
                prop_assert_eq!(person::plain(own), person::plain(said));
                prop_assert_eq!(heard, json!({ "by": said, "approve": true }));
            }
            Err(problem) => {
                prop_assert_ne!(person::plain(own), person::plain(said));
                prop_assert_eq!(problem.code, "name_of_another");
            }
        }
        let told = heard(Voucher::Nobody, &subject::command(KIND), only, body);
        prop_assert_eq!(told.is_err(), only);
    }
}

#[test]
fn where_no_name_is_taken_at_its_word_the_refusal_says_where_it_counts() {
    let body = json!({ "by": "@Jane.Doe" });
    let refused = heard(Voucher::Nobody, &subject::command(KIND), true, body.clone()).unwrap_err();
    assert_eq!((refused.kind, &*refused.code), (ProblemKind::Refused, "name_not_vouched"));
    assert!(refused.message.contains("stackly.by.jane%2Edoe.gate.review"), "{refused}");
    let vouched = heard(Voucher::Service, &subject::command_vouched(KIND), true, body.clone());
    assert_eq!(vouched, Ok(body));
}

#[test]
fn a_body_without_a_name_is_nobody_s_at_the_subject_of_a_person() {
    for body in [json!({}), json!(null), json!([7]), json!({ "by": 7 })] {
        let asked = subject::command_by("bob", KIND);
        let refused = heard(Voucher::Server, &asked, false, body).unwrap_err();
        assert_eq!(refused.code, "name_of_another");
        let nameless = heard(Voucher::Server, "stackly.by.%.gate.review", false, json!({}));
        assert_eq!(nameless.unwrap_err().code, "name_of_another");
    }
}
