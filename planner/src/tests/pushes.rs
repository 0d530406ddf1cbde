//! Pushes that come late, or that could not be looked at when they came.

use contracts::stack::StackLoosened;

use super::{
    git::{CODE, repository, silent},
    *,
};

#[tokio::test]
async fn a_push_that_is_told_after_a_newer_one_takes_nothing_back() {
    let (work, first) = repository();
    let (mut running, _folder) = Running::with_code(account(), &work, 3).await;
    let mut answers = running.answers().await;
    let second = work.commit(&[("network/main.tf", "# wider\n")]);
    let third = work.commit(&[("app/main.tf", "# wider\n")]);
    running.publish(&silent(&second, &third)).await;
    assert_eq!(stacks(&next(&mut answers).await), ["app"]);

    running.publish(&silent(&first, &second)).await;
    let late = next(&mut answers).await;
    assert_eq!(stacks(&late), ["network", "dns", "app"]);
    assert_eq!(late.body["change"]["commit"], third);
    running.publish(&silent(&first, &second)).await;
    assert_eq!(next(&mut answers).await.body["reason"]["code"], "already_planned");

    // What came with a newer push is not planned again.
    let fourth = work.commit(&[("dns/main.tf", "# wider\n")]);
    let fifth = work.commit(&[("app/main.tf", "# wider still\n")]);
    let mut joined = silent(&fourth, &fifth);
    joined.change.previous = Some(CommitSha::from(third.as_str()));
    running.publish(&joined).await;
    assert_eq!(stacks(&next(&mut answers).await), ["dns", "app"]);
    running.publish(&silent(&third, &fourth)).await;
    let late = next(&mut answers).await;
    assert_eq!(late.body["reason"]["code"], "already_planned");
    let text = late.body["reason"]["text"].as_str().unwrap();
    assert!(text.contains("is part of") && text.contains(&fifth), "{text}");

    // A branch that is moved back is.
    work.git(&["reset", "--quiet", "--hard", &third]);
    running.publish(&silent(&fifth, &third)).await;
    let back = next(&mut answers).await;
    assert_eq!(
        (stacks(&back), &back.body["change"]["commit"]),
        (vec!["dns", "app"], &json!(third))
    );
    running.stop().await;
}

#[tokio::test]
async fn a_push_that_is_told_after_its_code_was_read_leaves_what_came_later() {
    let (work, first) = repository();
    let second = work.commit(&[("network/main.tf", "# wider\n")]);
    let account = Account {
        stacks: account().stacks.into_iter().chain([seed("later")]).collect(),
        ..account()
    };
    let third = work.commit(&[("later/main.tf", CODE)]);
    let (mut running, _folder) = Running::with_code(account, &work, 4).await;
    let (mut answers, mut events) = (running.answers().await, running.stack_events().await);

    running.publish(&silent(&first, &second)).await;
    assert_eq!(stacks(&next(&mut answers).await), ["network", "dns", "app"]);
    running.publish(&silent(&second, &third)).await;
    assert_eq!(stacks(&next(&mut answers).await), ["later"]);
    let fourth = work.commit(&[("app/main.tf", "")]);
    running.publish(&silent(&third, &fourth)).await;
    let event = next(&mut events).await;
    assert_eq!((event.kind.as_str(), event.key.as_str()), (StackLoosened::TYPE, "app"));
    running.stop().await;
}

#[tokio::test]
async fn what_a_refused_push_changed_is_planned_with_the_one_that_mends_it() {
    let (work, first) = repository();
    let (mut running, _folder) = Running::with_code(account(), &work, 3).await;
    let mut answers = running.answers().await;
    let circle = "stack \"network\" {\n  depends_on = [\"dns\"]\n}\n";
    let second = work.commit(&[("network/stackly.hcl", circle), ("app/main.tf", "# wider\n")]);
    running.publish(&silent(&first, &second)).await;
    assert_eq!(next(&mut answers).await.body["reason"]["code"], "cycle");
    let third = work.commit(&[("network/stackly.hcl", "")]);
    running.publish(&silent(&second, &third)).await;

    let planned = next(&mut answers).await;
    assert_eq!(stacks(&planned), ["app"], "what came back to what it was is not touched");
    running.stop().await;
}

#[tokio::test]
async fn a_circle_that_was_refused_keeps_no_later_push_from_being_planned() {
    let (work, first) = repository();
    let (mut running, _folder) = Running::with_code(account(), &work, 3).await;
    let mut answers = running.answers().await;
    let circle = "stack \"network\" {\n  depends_on = [\"dns\"]\n}\n";
    let second = work.commit(&[
        ("network/stackly.hcl", circle),
        ("network/main.tf", "# wider\n"),
        ("dns/main.tf", "# wider\n"),
    ]);
    running.publish(&silent(&first, &second)).await;
    assert_eq!(next(&mut answers).await.body["reason"]["code"], "cycle");

    let third = work.commit(&[("app/main.tf", "# wider\n")]);
    running.publish(&silent(&second, &third)).await;
    assert_eq!(stacks(&next(&mut answers).await), ["app"], "it is nothing to the circle");
    let fourth = work.commit(&[("dns/main.tf", "# wider still\n")]);
    running.publish(&silent(&third, &fourth)).await;
    assert_eq!(next(&mut answers).await.body["reason"]["code"], "cycle");

    let fifth = work.commit(&[("network/stackly.hcl", "")]);
    running.publish(&silent(&fourth, &fifth)).await;
    let planned = next(&mut answers).await;
    assert_eq!(stacks(&planned), ["network", "dns", "app"], "with what was refused");
    running.stop().await;
}

#[tokio::test]
async fn what_was_pushed_while_the_origin_was_away_is_planned_when_it_is_back() {
    let ((work, first), folder) = (repository(), tempfile::tempdir().unwrap());
    let module = "module \"net\" {\n  source = \"../modules/net\"\n}\n";
    let second = work.commit(&[("modules/net/main.tf", CODE), ("app/main.tf", module)]);
    let account = Account {
        stacks: account().stacks.into_iter().filter(|stack| stack.id == "app").collect(),
        ..Account::default()
    };
    let mut running = Running::prepare(account).await;
    running.mirrors(&work, &folder);
    running.config.git.patience = Duration::from_millis(100);
    running.spawn();
    running.until("the code is known", |status| status["with_code"] == 1).await;
    let mut answers = running.answers().await;

    let third = work.commit(&[("modules/net/main.tf", "# wider\n")]);
    let away = work.path().with_extension("away");
    std::fs::rename(work.path(), &away).unwrap();
    let mut pushed = push("acme/infra", &third, "modules/net/main.tf");
    pushed.change.previous = Some(CommitSha::from(second.as_str()));
    running.publish(&pushed).await;
    let ignored = next(&mut answers).await;
    assert_eq!(ignored.body["reason"]["code"], "nothing_touched");
    let text = ignored.body["reason"]["text"].as_str().unwrap();
    assert!(text.contains("from what the sender tells"), "{text}");

    std::fs::rename(&away, work.path()).unwrap();
    // Whatever reads the repository shows that it is back.
    running.publish(&silent(&first, &second)).await;
    for commit in [&second, &third] {
        let planned = next(&mut answers).await;
        assert_eq!(
            (stacks(&planned), &planned.body["change"]["commit"]),
            (vec!["app"], &json!(commit))
        );
    }
    running.stop().await;
}

#[tokio::test]
async fn a_push_for_a_stack_that_was_just_made_is_planned() {
    let (work, first) = repository();
    let (mut running, _folder) = Running::with_code(account(), &work, 3).await;
    let mut answers = running.answers().await;
    running.simulator.control().add_stack(seed("new")).unwrap();

    let second = work.commit(&[("new/main.tf", CODE)]);
    running.publish(&silent(&first, &second)).await;
    assert_eq!(stacks(&next(&mut answers).await), ["new"]);

    let third = work.commit(&[("nowhere/main.tf", CODE)]);
    running.publish(&silent(&second, &third)).await;
    let ignored = next(&mut answers).await;
    assert_eq!(ignored.body["reason"]["code"], "nothing_touched");
    running.stop().await;
}
