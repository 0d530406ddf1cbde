use std::{fs, path::Path};

use proptest::prelude::*;

use crate::testing::{PING, PULL_REQUEST, PUSH, RUN};

/// A real body with a few bytes changed: closer to what breaks a reader than noise is.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let body = prop::sample::select(vec![PUSH, PULL_REQUEST, PING, RUN]);
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8);
    (body, changes).prop_map(|(body, changes)| {
        let mut bytes = body.as_bytes().to_vec();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes
    })
}

type Target = fn(&[u8]);

/// What fuzzers begin from, and what they once broke something with.
#[test]
fn what_a_fuzzer_knows_breaks_nothing() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus");
    let targets: [(&str, Target); 5] = [
        ("read", super::read),
        ("verify", super::verify),
        ("form", super::form),
        ("comment", super::comment),
        ("json", super::json),
    ];
    for (name, target) in targets {
        let known = fs::read_dir(corpus.join(name)).unwrap().map(|entry| entry.unwrap().path());
        let known: Vec<_> = known.collect();
        assert!(!known.is_empty(), "{name} begins from nothing");
        known.iter().for_each(|input| target(&fs::read(input).unwrap()));
    }
}

/// An input that no reader gets far with shows a fuzzer little.
#[test]
fn what_a_fuzzer_begins_from_is_what_senders_send() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus/read");
    for name in [
        "azure-pull-request",
        "azure-vote",
        "bitbucket-comment",
        "bitbucket-pull-request",
        "bitbucket-pull-request-merged",
        "bitbucket-review",
        "bitbucket-server-pull-request",
        "bitbucket-server-pull-request-modified",
        "bitbucket-server-review",
        "github-merge-group",
        "github-release",
        "github-review",
        "gitlab-approval",
        "gitlab-merge-request",
        "gitlab-note",
        "gitlab-release",
    ] {
        let reading = super::reading(&fs::read(corpus.join(name)).unwrap()).unwrap();
        let ignored = ["malformed", "event_ignored", "action_ignored"];
        assert!(!ignored.contains(&reading.verdict.code()), "{name}: {:?}", reading.verdict);
        // A review is a word, and not the pull request once more.
        let is_word = reading.content_key.starts_with("review/");
        assert_eq!(is_word, ["review", "vote"].iter().any(|word| name.ends_with(word)), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_reader_breaks_on_a_body_that_is_nearly_right(
        choice in any::<[u8; 3]>(),
        body in mutated(),
    ) {
        super::read(&[&choice[..], &body].concat());
        super::json(&body);
    }

    #[test]
    fn nothing_breaks_on_noise(data in prop::collection::vec(any::<u8>(), 0..400)) {
        super::read(&data);
        super::verify(&data);
        super::form(&data);
        super::comment(&data);
        super::json(&data);
    }

    #[test]
    fn no_signature_is_forged_by_lines_that_look_like_one(
        choice in any::<u8>(),
        text in "(sha256=|v1,|Basic )?[0-9a-zA-Z+/=]{0,90}\n[a-z_.0-9]{0,40}\n[0-9]{0,12}\n.{0,40}",
    ) {
        super::verify(&[&[choice], text.as_bytes()].concat());
    }
}
