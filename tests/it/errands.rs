//! Chains that no change of code asks for: the same gates lie beneath them.

use contracts::{
    Action, Code, Message, StackId,
    chain::ChainState,
    stack::{DestroyStacks, FixDrift, StackLoosened},
    step::StepState,
    subject,
};
use executor::ChainPage;
use harness::{
    Pipeline, Setup, accounts, github,
    listener::Listener,
    patience::{PATIENCE, eventually},
};
use receivers::work;
use serde_json::{Value, json};
use tempfile::TempDir;

const POLICIES: &str = r#"
    policy "clean_up" {
      match { stacks = ["net", "shop"] }
      deregistration {
        on_code_gone = "destroy"
        after        = "1s"
      }
    }
    policy "destroying_takes_one" {
      match { action = ["destroy", "deregister"] }
      approval { min_approvers = 1 }
    }
    policy "drift_is_looked_at" {
      match {
        action = "fix_drift"
        stacks = ["net"]
      }
      deny { reason = "not by itself" }
    }"#;

/// `shop` depends on `net`, as code says; both are in a repository that is mirrored.
struct Shop {
    work: TempDir,
    _mirrors: TempDir,
    pipeline: Pipeline,
    head: String,
}

impl Shop {
    async fn open(policies: &str) -> Self {
        let (work, mirrors) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        work::git(work.path(), &["init", "--quiet", "--initial-branch", "main"]);
        let head = work::commit(
            work.path(),
            &[
                ("stacks/net/main.tf", "# net\n"),
                ("stacks/shop/main.tf", "# shop\n"),
                ("stacks/shop/stackly.hcl", "stack \"shop\" {\n  depends_on = [\"net\"]\n}\n"),
                ("readme.md", "a shop\n"),
            ],
        );
        let environment =
            [("PLANNER__GIT__FOLDER", mirrors.path()), ("PLANNER__GIT__URL", work.path())];
        let pipeline = Pipeline::with(Setup {
            account: accounts::account(&[("net", &[]), ("shop", &[])]),
            policies: vec![("policy.hcl", policies.to_owned())],
            environment: environment
                .map(|(name, value)| (name.to_owned(), value.display().to_string()))
                .into(),
            ..Setup::default()
        })
        .await;
        let status = subject::question("planner", "status");
        eventually(
            "the code to be read",
            PATIENCE,
            || async { pipeline.bus.request(&status, &Value::Null).await },
            |status| matches!(status, Ok(Ok(status)) if status["with_code"] == 2),
        )
        .await
        .unwrap()
        .unwrap();
        Self { work, _mirrors: mirrors, pipeline, head }
    }

    /// Takes the code of both stacks away.
    async fn close(&self) -> String {
        let gone = work::commit(
            self.work.path(),
            &[
                ("stacks/net/main.tf", ""),
                ("stacks/shop/main.tf", ""),
                ("stacks/shop/stackly.hcl", ""),
            ],
        );
        let mut payload = github::push(&gone, &[]);
        payload["before"] = json!(self.head);
        self.pipeline.deliver("push", &payload).await;
        gone
    }

    async fn order<M: Message>(&self, command: &M) -> Result<Value, bus::Problem> {
        let body = serde_json::to_value(command).unwrap();
        self.pipeline.bus.request(&subject::command(M::TYPE), &body).await.unwrap()
    }

    /// Approves what the step of this stack waits for.
    async fn approve(&self, page: &ChainPage, stack: &str) {
        let step = page.steps_in_order.iter().find(|it| it.summary.stack.as_str() == stack);
        let gate = step.unwrap().gate.unwrap();
        self.pipeline.review(gate, true, "bob").await.unwrap();
    }

    fn kinds(&self, stack: &str) -> Vec<String> {
        let runs = self.pipeline.spacelift.runs(stack);
        runs.iter().map(|run| format!("{:?}", run.run_type)).collect()
    }
}

fn waits(stack: &'static str) -> impl Fn(&ChainPage) -> bool {
    move |page| {
        let step = page.steps_in_order.iter().find(|it| it.summary.stack.as_str() == stack);
        step.is_some_and(|step| step.summary.reason.code == Code::ApprovalNeeded)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lost_its_code_is_destroyed_in_reverse_where_policies_say_so_and_people_approved() {
    let shop = Shop::open(POLICIES).await;
    let gone = shop.close().await;

    let page = shop.pipeline.chain_when(&gone, PATIENCE, waits("shop")).await;
    let order: Vec<_> = page.steps_in_order.iter().map(|it| it.summary.stack.as_str()).collect();
    assert_eq!(order, ["shop", "net"], "what depends on something goes first");
    assert_eq!(shop.kinds("shop"), [""; 0], "nothing begins before somebody approved");
    shop.approve(&page, "shop").await;
    let page = shop.pipeline.chain_when(&gone, PATIENCE, waits("net")).await;
    assert_eq!(shop.kinds("shop"), ["Destroy"]);
    assert_eq!(shop.kinds("net"), [""; 0]);
    shop.approve(&page, "net").await;

    let chain = shop.pipeline.ended(&gone).await;
    assert_eq!(chain.line.state, ChainState::Finished, "{}", chain.line.reason);
    let kinds = [shop.kinds("shop"), shop.kinds("net")].concat();
    assert_eq!(kinds, ["Destroy", "Destroy"]);
    shop.pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_policy_it_stays_until_a_person_asks_and_then_others_are_asked() {
    let policies = POLICIES.replace("gone = \"destroy\"", "gone = \"loosen\"");
    let policies = policies.replace("after        = \"1s\"", "");
    let shop = Shop::open(&policies).await;
    let active = DestroyStacks { stacks: vec!["net".into()], by: "jane".into(), note: None };
    let refused = shop.order(&active).await.unwrap_err();
    assert_eq!(refused.code, "does_not_fit");
    assert!(refused.message.contains("net is not loose"), "{refused}");

    let mut loosened = Listener::start(&shop.pipeline.bus).await;
    let gone = shop.close().await;
    loosened.expect::<StackLoosened>().await;
    let chain = shop.pipeline.ended(&gone).await;
    assert_eq!((chain.line.state, chain.line.reason.code), (ChainState::Denied, Code::StaysLoose));

    // Nothing is known any more of what depended on what: the order is that of the words.
    let stacks = vec![StackId::from("shop"), StackId::from("net")];
    let order = DestroyStacks { stacks, by: "jane".into(), note: Some("closed".into()) };
    let begun = shop.order(&order).await.unwrap();
    assert_eq!(begun["action"], json!(Action::Destroy));
    let id = serde_json::from_value(begun["chains"][0].clone()).unwrap();
    let look = || async { shop.pipeline.chain(id).await };
    let held = |page: &Option<ChainPage>| page.as_ref().is_some_and(waits("shop"));
    let page = eventually("the gate to hold", PATIENCE, look, held).await.unwrap();
    let states: Vec<_> = page.steps_in_order.iter().map(|step| step.summary.state).collect();
    assert_eq!(states, [StepState::GatingPlan, StepState::Waiting]);
    assert_eq!([shop.kinds("shop"), shop.kinds("net")].concat(), [""; 0]);
    shop.pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_put_right_through_the_gates_and_not_past_them() {
    let shop = Shop::open(POLICIES).await;
    let fix = |stack: &str| FixDrift { stacks: vec![stack.into()], by: "jane".into(), note: None };
    let unknown = shop.order(&fix("nowhere")).await.unwrap_err();
    assert!(unknown.message.contains("no stack nowhere"), "{unknown}");
    let mut states = Vec::new();
    for stack in ["net", "shop"] {
        let begun = shop.order(&fix(stack)).await.unwrap();
        let id = serde_json::from_value(begun["chains"][0].clone()).unwrap();
        let look = || async { shop.pipeline.chain(id).await };
        let ended = |page: &Option<ChainPage>| {
            page.as_ref().is_some_and(|page| page.line.state.is_terminal())
        };
        let page = eventually("the chain to end", PATIENCE, look, ended).await.unwrap();
        states.push(page.steps_in_order[0].summary.state);
    }
    assert_eq!(states, [StepState::Denied, StepState::Finished]);
    assert_eq!([shop.kinds("net"), shop.kinds("shop")].concat(), ["Tracked"]);
    shop.pipeline.stop().await;
}
