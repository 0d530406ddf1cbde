//! Groups that take the word of an issuer of identities.

use super::*;
use crate::gate::Gate;

const POLICY: &str = r#"
policy "two" {
  match { environment = "prod" }
  approval {
    min_approvers    = 2
    allowed_users    = ["ann"]
    allowed_groups   = ["platform"]
    all_of           = ["security"]
    no_self_approval = true
  }
}
group "platform" { claims = ["eng-platform"] }
group "security" {
  members = ["sam"]
  claims  = ["eng-security", "appsec"]
}
"#;

fn claimed(number: u128, by: &str, groups: &[&str]) -> Review {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    Review { groups, ..review(number, by, true) }
}

fn given(reviews: &[Review]) -> (Outcome, String) {
    let verdict = decide(&policies(POLICY), &prod(Moment::BeforeApply), reviews, noon());
    let why = verdict.reasons.first().map(|reason| reason.text.clone()).unwrap_or_default();
    (verdict.outcome, why)
}

#[test]
fn who_the_issuer_vouches_for_counts_in_the_groups_that_take_its_word_and_in_no_others() {
    let held = |given| Outcome::HoldForApprovals { given, needed: 2 };
    let (outcome, why) = given(&[]);
    assert_eq!(outcome, held(0));
    assert!(why.contains("(ann, sam, platform, security may)"), "{why}");
    // Another group's claim, and a claim that is no name of a group here, are nothing.
    let strangers = [claimed(1, "eve", &["platform"]), claimed(2, "mal", &["sales"])];
    assert_eq!(given(&strangers).0, held(0));
    let one = [claimed(1, "zoe", &["eng-platform"]), claimed(2, "zoe", &["eng-platform"])];
    assert_eq!(given(&one).0, held(1), "one person is one approval");
    let without_security = [claimed(1, "zoe", &["eng-platform"]), review(2, "ann", true)];
    assert!(matches!(
        given(&without_security).0,
        Outcome::HoldForApprovals { given: 2, needed: 3 }
    ));
    let both = [claimed(1, "zoe", &["eng-platform"]), claimed(2, "kim", &["appsec"])];
    assert_eq!(given(&both).0, Outcome::Pass);
}

#[test]
fn no_claim_lets_the_author_approve() {
    let author = prod(Moment::BeforeApply).change.author;
    let all = ["eng-platform", "eng-security"];
    let said = [claimed(1, &author, &all), claimed(2, "kim", &["appsec"])];
    assert!(matches!(given(&said).0, Outcome::HoldForApprovals { given: 1, .. }));
}

#[test]
fn a_group_that_takes_claims_alone_may_be_asked_for_any_number() {
    let set = policies(
        "policy \"p\" {\n approval {\n min_approvers = 3\n allowed_groups = [\"g\"]\n }\n}\n\
         group \"g\" { claims = [\"x\"] }",
    );
    assert!(set.warnings.is_empty(), "{:?}", set.warnings);
}

#[test]
fn who_stands_in_for_somebody_is_told_with_whom_they_stand_in_for() {
    let set = policies(
        "policy \"p\" {\n match { environment = \"prod\" }\n approval {\n allowed_users = [\"sam\", \
         \"ann\"]\n remind_after = \"1h\"\n escalate_after = \"2h\"\n escalate_to = [\"bosses\"]\n \
         }\n}\ngroup \"bosses\" { members = [\"vera\"] }\ndelegate \"sam\" { to = [\"ben\", \
         \"ann\"] }",
    );
    let request = prod(Moment::BeforeApply);
    let case = Case::new(&request, noon());
    let standings = standings(&set, &case);
    let standing = &standings[0];
    assert_eq!(standing.left().unwrap(), ["ann", "ben", "sam"]);
    assert_eq!(standing.instead_of("ben"), ["sam"]);
    assert!(standing.instead_of("ann").is_empty(), "she may for herself");
    let hours = |hours| Some(noon() + TimeDelta::hours(hours));
    assert_eq!(
        (standing.urged_at, standing.escalates_to),
        ([hours(1), hours(2)], &["bosses".to_owned()][..])
    );
}

#[test]
fn nobody_who_wrote_one_of_the_commits_approves_under_whichever_name_or_in_whose_stead() {
    let set = policies(&format!(
        "{POLICY}\nperson \"ann\" {{ also = [\"ann@acme.example\"] }}\n\
         delegate \"ann\" {{ to = [\"ben\"] }}"
    ));
    let mut request = prod(Moment::BeforeApply);
    request.change.authors = vec!["ann@acme.example".to_owned(), "kim".to_owned()];
    let given = |reviews: &[Review]| decide(&set, &request, reviews, noon()).outcome;
    let none = Outcome::HoldForApprovals { given: 0, needed: 2 };
    assert_eq!(given(&[review(1, "ann", true)]), none, "by one of her names");
    assert_eq!(given(&[review(1, "ben", true)]), none, "in her stead");
    assert_eq!(given(&[claimed(1, "kim", &["eng-platform", "appsec"])]), none);
    let others = [claimed(1, "zoe", &["eng-platform"]), review(2, "sam", true)];
    assert_eq!(given(&others), Outcome::Pass);

    let everybody = policies("policy \"p\" {\n approval {\n no_self_approval = true\n }\n}");
    let why = decide(&everybody, &request, &[], noon()).reasons[0].text.clone();
    assert!(why.contains("not from Dora, ann@acme.example, kim, whose change it is"), "{why}");
}

#[test]
fn who_is_named_by_another_name_of_theirs_may_say_what_they_were_named_for() {
    let set = policies(
        "policy \"p\" {\n approval { allowed_users = [\"ann@acme.example\"] }\n}\n\
         break_glass \"g\" { allowed_users = [\"U0ANN\"] }\n\
         person \"ann\" { also = [\"ann@acme.example\", \"U0ANN\"] }",
    );
    let gate = prod(Moment::BeforeApply);
    for name in ["ann", "@Ann", "ann@acme.example", "U0ANN"] {
        let verdict = decide(&set, &gate, &[review(1, name, true)], noon());
        assert_eq!(verdict.outcome, Outcome::Pass, "{name}");
        assert!(may_break_glass(&set, &Case::new(&gate, noon()), name).is_some(), "{name}");
    }
    let both = "policy \"p\" {\n approval {\n min_approvers = 2\n \
                allowed_users = [\"ann\", \"U0ANN\"]\n }\n}\nperson \"ann\" { also = [\"U0ANN\"] }";
    let file = File { name: "a.hcl".to_owned(), text: both.to_owned() };
    let faults = read(&[file]).unwrap_err().to_string();
    assert!(faults.contains("2 people must approve, but fewer are allowed to"), "{faults}");
}

#[test]
fn whom_only_another_source_knows_may_be_the_author_or_somebody_who_approved_already() {
    let rule = "policy \"p\" {\n approval {\n min_approvers = 2\n no_self_approval = true\n }\n}";
    let (set, mut request) = (policies(rule), prod(Moment::BeforeApply));
    let given = |set: &PolicySet, request: &GateRequested, reviews: &[Review]| {
        let verdict = decide(set, request, reviews, noon());
        (verdict.outcome.is_final(), verdict.reasons[0].text.clone())
    };
    let unknown = review(1, "slack:U1", true);
    let standing = &standings(&set, &Case::new(&request, noon()))[0];
    assert_eq!(standing.eligible(&unknown), Err(Ineligible::Unknown), "Dora herself, perhaps");
    let (passes, why) = given(&set, &request, &[unknown, review(2, "bob", true)]);
    assert!(!passes && why.contains("1 given (bob), perhaps the same person"), "{why}");
    assert!(why.contains("under another name: slack:U1;"), "{why}");

    let mapped = policies(&format!("{rule}\nperson \"ann\" {{ also = [\"slack:U1\"] }}"));
    let both = [review(1, "slack:U1", true), review(2, "bob", true)];
    assert!(given(&mapped, &request, &both).0, "policies know that she is ann");
    let listed = policies(
        "policy \"p\" {\n approval {\n min_approvers = 2\n no_self_approval = true\n \
         allowed_users = [\"slack:U1\", \"bob\"]\n }\n}",
    );
    assert!(given(&listed, &request, &both).0, "who is listed by an id is meant");
    let one = policies("policy \"p\" {\n approval {}\n}");
    assert!(given(&one, &request, &both[..1]).0, "where anybody will do, it matters not who");

    // The source of the change tells its own people apart, but not from those whom policies know.
    request.change.author = "bitbucket:1".to_owned();
    let [two, three] = [2, 3].map(|it| review(it, &format!("bitbucket:{it}"), true));
    assert!(given(&set, &request, &[two.clone(), three]).0);
    assert!(!given(&set, &request, &[review(1, "bitbucket:1", true), two.clone()]).0);
    let (passes, why) = given(&set, &request, &[two, review(4, "bob", true)]);
    assert!(!passes && why.contains("perhaps the same person"), "{why}");
}

#[test]
fn whom_an_address_means_that_no_person_has_nobody_knows_unless_the_author_has_one_there() {
    let group = "\ngroup \"g\" {\n members = [\"dora\", \"bob\"]\n claims = [\"eng\"]\n}\n";
    let rule = |more: &str| format!("policy \"p\" {{\n approval {{\n {more}\n }}\n}}{group}");
    let request = prod(Moment::BeforeApply);
    let given = |text: &str, reviews: &[Review]| {
        let verdict = decide(&policies(text), &request, reviews, noon());
        let Outcome::HoldForApprovals { given, .. } = verdict.outcome else {
            return "passes".into();
        };
        format!("{given}")
    };
    let dora = [claimed(1, "dora@acme.example", &["eng"])];
    let own = rule("allowed_groups = [\"g\"]\n no_self_approval = true\n known_authors = true");
    assert_eq!(given(&own, &dora), "0", "it may be her own change");
    let set = policies(&own);
    let gate = Gate::open(&set, request.clone(), noon());
    assert_eq!(gate.accepts(&set, &dora[0]).unwrap_err().code(), "approver_unknown");
    let everybody = rule("no_self_approval = true");
    assert_eq!(given(&everybody, &dora), "0");
    let both = [review(2, "bob", true), claimed(1, "bob@acme.example", &["eng"])];
    let two = rule("allowed_groups = [\"g\"]\n min_approvers = 2");
    assert_eq!(given(&two, &both), "1", "it may be he himself");
    assert_eq!(given(&rule("allowed_groups = [\"g\"]"), &dora), "passes", "it matters not who");

    // One domain has one address for each.
    let known = format!("{two}\nperson \"dora\" {{ also = [\"d@acme.example\"] }}");
    assert_eq!(given(&known, &both), "1", "not the author, but perhaps bob");
    let eve = claimed(3, "eve@acme.example", &["eng"]);
    assert_eq!(given(&known, &[both[1].clone(), eve.clone()]), "passes");
    assert_eq!(given(&known, &[both[1].clone(), claimed(3, "eve@other.example", &["eng"])]), "1");
    let of_bob = format!("{known}\nperson \"bob\" {{ also = [\"bob@acme.example\"] }}");
    assert_eq!(given(&of_bob, &[both[0].clone(), eve]), "passes");
}

#[test]
fn a_source_tells_people_from_the_authors_only_if_it_knows_all_of_them() {
    let group = "group \"g\" {\n members = [\"dora\", \"bob\"]\n claims = [\"eng\"]\n}\n";
    let dora = "person \"dora\" { also = [\"dora@acme.example\", \"slack:U1\"] }\n";
    let mut request = prod(Moment::BeforeApply);
    request.change.authors = vec!["bob".to_owned()];
    let bob = [claimed(1, "bob@acme.example", &["eng"]), review(2, "slack:U2", true)];
    let bob_too = "person \"bob\" { also = [\"b@acme.example\", \"slack:U3\"] }";
    for (rule, bob) in [
        ("allowed_groups = [\"g\"]\n no_self_approval = true\n known_authors = true", &bob[0]),
        ("no_self_approval = true", &bob[0]),
        ("no_self_approval = true", &bob[1]),
    ] {
        let rule = format!("policy \"p\" {{\n approval {{\n {rule}\n }}\n}}\n{group}{dora}");
        let set = policies(&rule);
        let verdict = decide(&set, &request, std::slice::from_ref(bob), noon());
        let none = Outcome::HoldForApprovals { given: 0, needed: 1 };
        assert_eq!(verdict.outcome, none, "{bob:?} may be bob, who wrote it");
        let gate = Gate::open(&set, request.clone(), noon());
        assert_eq!(gate.accepts(&set, bob).unwrap_err().code(), "approver_unknown");
        let known = policies(&format!("{rule}{bob_too}"));
        let verdict = decide(&known, &request, std::slice::from_ref(bob), noon());
        assert_eq!(verdict.outcome, Outcome::Pass, "{bob:?} is neither");
    }
    // Where whoever made it may approve it, they only have to be two.
    let two = format!("policy \"p\" {{\n approval {{\n min_approvers = 2\n }}\n}}\n{dora}");
    let both = [bob[1].clone(), review(3, "slack:U3", true)];
    assert_eq!(decide(&policies(&two), &request, &both, noon()).outcome, Outcome::Pass);
}

#[test]
fn who_approves_may_be_an_author_whom_nobody_knows_and_that_is_said_or_wanted_otherwise() {
    let rule = |more: &str| {
        format!(
            "policy \"p\" {{\n approval {{\n allowed_groups = [\"leads\"]\n no_self_approval = true\n \
             {more}\n }}\n}}\ngroup \"leads\" {{ members = [\"ann\", \"bob\"] }}"
        )
    };
    let ann = [review(1, "ann", true)];
    let mut request = prod(Moment::BeforeApply);
    request.change.author = "bitbucket:1".to_owned();
    request.change.authors = vec!["bob".to_owned(), "cy@acme.example".to_owned()];
    let given = |rule: &str, request: &GateRequested, reviews: &[Review]| {
        let verdict = decide(&policies(rule), request, reviews, noon());
        (verdict.outcome.is_final(), verdict.reasons[0].text.clone())
    };
    let strangers = "made the change: bitbucket:1, cy@acme.example";
    let (passes, why) = given(&rule(""), &request, &ann);
    assert!(passes && why.contains(strangers), "as before, and it is said: {why}");
    let (passes, why) = given(&rule("known_authors = true"), &request, &ann);
    assert!(!passes && why.contains("0 given, no approval counts before"), "{why}");
    assert!(why.contains(strangers), "{why}");
    let set = policies(&rule("known_authors = true"));
    let gate = Gate::open(&set, request.clone(), noon());
    assert_eq!(gate.accepts(&set, &ann[0]).unwrap_err().code(), "author_unknown");
    assert_eq!(gate.accepts(&set, &review(1, "ann", false)), Ok(()), "who may, rejects");
    assert_eq!(gate.accepts(&set, &review(1, "eve", true)).unwrap_err().code(), "not_an_approver");

    let named = rule("known_authors = true") + "\nperson \"cy\" { also = [\"cy@acme.example\"] }";
    let of_ann = format!("{named}\nperson \"ann\" {{ also = [\"bitbucket:1\"] }}");
    assert!(!given(&of_ann, &request, &ann).0, "it is her own change");
    let of_dora = format!("{named}\nperson \"dora\" {{ also = [\"bitbucket:1\"] }}");
    let (passes, why) = given(&of_dora, &request, &ann);
    assert!(passes && !why.contains("made the change"), "{why}");
    request.change.author = "octocat".to_owned();
    assert!(given(&rule(""), &request, &ann).1.contains("made the change: cy@acme.example"));
    let (passes, why) = given(&named, &request, &ann);
    assert!(!passes && why.contains("made the change: octocat"), "{why}");
}
