//! Outputs of one stack reach another that Spacelift would not hand them to.

use contracts::{Code, step::StepState};
use harness::{Pipeline, Setup, accounts};
use simulator::OutputSeed;

async fn pipeline(labels: &[&str]) -> Pipeline {
    let mut account = accounts::account(&[("a", &[]), ("b", &["a"])]);
    account.stacks[0].outputs = [
        ("vpc_id".to_owned(), OutputSeed::from("\"vpc-of-{run}\"")),
        ("zones".to_owned(), OutputSeed::from("[\"x\",\"y\"]")),
        (
            "token".to_owned(),
            OutputSeed { value: "hush".into(), sensitive: true, description: None },
        ),
    ]
    .into();
    account.stacks[1].labels.extend(labels.iter().map(|it| (*it).to_owned()));
    Pipeline::with(Setup { account, ..Setup::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_parent_has_just_applied_is_given_to_the_run_of_its_child() {
    let labels = ["stackly:input=vpc:a/vpc_id", "stackly:input=zones:a/zones"];
    let pipeline = pipeline(&labels).await;
    let commit = pipeline.push(&["stacks/a/main.tf"]).await;
    let chain = pipeline.ended(&commit).await;

    let made = &pipeline.spacelift.runs("a")[0];
    let given = &pipeline.spacelift.runs("b")[0].inputs;
    assert_eq!(given["TF_VAR_vpc"], format!("vpc-of-{}", made.id));
    assert_eq!(given["TF_VAR_zones"], "[\"x\",\"y\"]");
    assert!(pipeline.spacelift.runs("a")[0].inputs.is_empty());
    pipeline.assert_all_well(&[chain]);
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_or_an_output_that_is_not_there_ends_the_step_before_it_runs() {
    for (label, says) in [
        ("stackly:input=token:a/token", "sensitive = true"),
        ("stackly:sensitive-input=token:a/token", "does not show"),
        ("stackly:input=subnet:a/subnet", "has no output `subnet`"),
    ] {
        let pipeline = pipeline(&[label]).await;
        let commit = pipeline.push(&["stacks/a/main.tf"]).await;
        let chain = pipeline.ended(&commit).await;

        let b = &chain.steps_in_order[1].summary;
        assert_eq!((b.state, b.reason.code), (StepState::Failed, Code::OutputMissing));
        assert!(b.reason.text.contains(says), "{}", b.reason);
        assert!(pipeline.spacelift.runs("b").is_empty());
        assert_eq!(pipeline.violations(&[chain]), []);
        pipeline.stop().await;
    }
}
