//! Drift that a `stackly.hcl` wants to be looked at.

use chrono::{TimeDelta, Timelike};
use receivers::Work;
use secrecy::ExposeSecret;

use super::*;

#[tokio::test]
async fn drift_is_looked_at_once_when_its_schedule_says_so() {
    let due = Utc::now() - TimeDelta::minutes(3);
    let stackly = |stack: &str, reconcile: bool| {
        let minute = due.minute();
        format!(
            "stack \"{stack}\" {{\n  drift {{\n    schedule  = [\"{minute} * * * *\"]\n    \
             reconcile = {reconcile}\n  }}\n}}\n"
        )
    };
    let work = Work::new();
    let first = work.commit(&[
        ("network/stackly.hcl", &stackly("network", true)),
        ("dns/stackly.hcl", &stackly("dns", true)),
        ("app/stackly.hcl", &stackly("app", false)),
        ("x/stackly.hcl", &stackly("x", true)),
        ("y/stackly.hcl", &stackly("y", true)),
    ]);
    let mut account = account();
    // These two wait for each other, which is no matter of the others.
    for (stack, other) in [("x", "y"), ("y", "x")] {
        let labels = vec![format!("depends-on:{other}")];
        account.stacks.push(StackSeed { labels, ..seed(stack) });
    }
    let (mut running, _folder) = Running::with_code(account, &work, 5).await;
    let mut answers = running.answers().await;
    let pool = sqlx::PgPool::connect(running.config.store.url.expose_secret()).await.unwrap();
    // As if the planner had been down for five minutes; twice, because it may die before it notes
    // that it looked.
    for _ in 0..2 {
        let down = "update planner.progress set drift_seen = date_trunc('minute', now()) - interval '5 min'";
        sqlx::query(down).execute(&pool).await.unwrap();
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        let seen = "select drift_seen > now() - interval '2 min' from planner.progress";
        let is_seen = async {
            while !sqlx::query_scalar::<_, bool>(seen).fetch_one(&pool).await.unwrap() {
                ticks.tick().await;
            }
        };
        tokio::time::timeout(PATIENCE, is_seen).await.unwrap();
    }
    let mut second = push("acme/infra", &work.commit(&[("app/main.tf", "# new\n")]), "app/main.tf");
    second.change.previous = Some(CommitSha::from(first.as_str()));
    running.publish(&second).await;

    let mut told = Vec::new();
    for _ in 0..4 {
        let answer = next(&mut answers).await;
        let chain = answer.body;
        if answer.kind == ChainIgnored::TYPE {
            let text = chain["reason"]["text"].as_str().unwrap();
            assert!(text.starts_with("x and y wait for each other in a circle"), "{text}");
            told.push("ignored: x y".to_owned());
            continue;
        }
        let steps = chain["steps"].as_array().unwrap();
        let steps: Vec<&str> = steps.iter().map(|step| step["stack"].as_str().unwrap()).collect();
        let (action, kind) = (chain["action"].as_str(), chain["kind"].as_str().unwrap());
        told.push(format!("{} {kind}: {}", action.unwrap_or("deliver"), steps.join(" ")));
    }
    let wanted = [
        "fix_drift preview: app",
        "fix_drift deploy: network dns",
        "ignored: x y",
        "deliver deploy: app",
    ];
    assert_eq!(told, wanted, "what is put right goes in the order of dependencies");
    running.stop().await;
}

#[tokio::test]
async fn variables_that_code_says_are_held_against_the_environment_and_no_value_is_shown() {
    let work = Work::new();
    let said = "stack \"app\" {\n  variables {\n    same = \"x\"\n    other = 3\n    missing = true\n    \
                hidden = \"s\"\n    zones = [\"a\", \"b\"]\n  }\n}\n";
    work.commit(&[("app/stackly.hcl", said)]);
    let (mut running, _folder) = Running::with_code(account(), &work, 1).await;
    let control = running.simulator.control();
    for (variable, write_only) in [
        (("TF_VAR_same", "x"), false),
        (("TF_VAR_other", "hunter2"), false),
        (("TF_VAR_hidden", "hunter2"), true),
        (("TF_VAR_zones", r#"["a", "b"]"#), false),
    ] {
        control.set_variable("app", variable, write_only).unwrap();
    }

    let all = running.ask("drift", Value::Null).await.unwrap();

    let differ = |all: &Value| {
        let found = all["differences"].as_array().unwrap().iter();
        let found = found.filter(|it| it["what"] == "variables");
        found.map(|it| it["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let wanted = [
        "TF_VAR_other of the stack is not what the code says",
        "the runs of the stack find no TF_VAR_missing",
    ];
    assert_eq!(differ(&all), wanted);
    assert!(!all.to_string().contains("hunter2"), "{all:#}");

    control.add_fault(Fault::always(FaultKind::ServerError { status: 503 }));
    let all = running.ask("drift", Value::Null).await.unwrap();
    let text = &differ(&all)[0];
    assert!(text.starts_with("the variables of 1 stack were not compared: "), "{text}");
    running.stop().await;
}
