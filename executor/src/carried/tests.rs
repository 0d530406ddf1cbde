use contracts::chain::EdgeOrigin;
use secrecy::{ExposeSecret, SecretString};
use spacelift::Output;

use super::{Carried, Missing};
use crate::fixtures::ChainFixture;

fn output(name: &str, sensitive: bool, value: Option<&str>) -> Output {
    Output { name: name.to_owned(), sensitive, value: value.map(SecretString::from) }
}

fn carried(label: &str) -> Carried {
    Carried::of(label).unwrap()
}

fn refusal(label: &str, outputs: &[Output]) -> String {
    match carried(label).found(outputs).unwrap_err() {
        Missing::NotYet(text) | Missing::Never(text) => text,
    }
}

#[test]
fn a_label_says_which_output_a_variable_takes() {
    let vpc = carried("stackly:input=vpc_id:network-prod/vpc");
    assert_eq!((vpc.name().as_str(), vpc.stack.as_str()), ("TF_VAR_vpc_id", "network-prod"));
    assert!(!vpc.sensitive && carried("stackly:sensitive-input=key:vault/key").sensitive);
    for bad in ["stackly:input=vpc", "stackly:input=a:/b", "stackly:input=:a/b", "env:prod"] {
        assert_eq!(Carried::of(bad), None, "{bad}");
    }
}

#[test]
fn a_text_is_carried_without_its_quotation_marks_and_all_else_as_it_is() {
    let value = |kept: &str| {
        let outputs = [output("o", false, Some(kept))];
        let found = carried("stackly:input=v:s/o").found(&outputs).unwrap();
        found.value.expose_secret().to_owned()
    };
    assert_eq!(value("\"vpc-1\""), "vpc-1");
    assert_eq!(value("vpc-1"), "vpc-1");
    assert_eq!(value("[\"a\",\"b\"]"), "[\"a\",\"b\"]");
    assert_eq!(value("42"), "42");
}

#[test]
fn a_secret_is_carried_only_if_asked_for_and_shown_and_never_printed() {
    let secret = [output("key", true, Some("hush"))];
    assert!(refusal("stackly:input=k:vault/key", &secret).contains("sensitive = true"));
    let found = carried("stackly:sensitive-input=k:vault/key").found(&secret).unwrap();
    assert!(!format!("{found:?}").contains("hush"));
    let hidden = [output("key", true, None)];
    assert!(refusal("stackly:sensitive-input=k:vault/key", &hidden).contains("does not show"));
    assert!(refusal("stackly:input=k:vault/other", &secret).contains("no output `other`"));
    let large = "x".repeat(200_000);
    let large = [output("key", false, Some(&large))];
    assert!(refusal("stackly:input=k:vault/key", &large).contains("128 KiB"));
}

#[test]
fn what_spacelift_hands_on_by_itself_is_left_to_it() {
    let line = || {
        ChainFixture::of(&[("a", &[]), ("b", &["a"])])
            .labelled("b", "stackly:input=zone:a/zone")
            .labelled("b", "stackly:input=key:elsewhere/key")
    };
    let chain = line().gating();
    let names: Vec<_> =
        chain.chain().carried(1).into_iter().map(|it| it.stack.to_string()).collect();
    assert_eq!(names, ["a", "elsewhere"]);

    let mut chain = line().gating();
    let edges = &mut chain.state.as_mut().unwrap().edges;
    edges[0].origins =
        vec![EdgeOrigin::Native { references: vec!["zone -> TF_VAR_zone".into()] }].into();
    let left = chain.chain().carried(1);
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].stack.as_str(), "elsewhere");
}
