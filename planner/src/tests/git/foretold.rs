//! What would follow, before anybody pushes.

use super::*;

#[tokio::test]
async fn what_would_become_of_code_that_goes_and_of_work_that_is_not_pushed_is_told() {
    let (work, _) = repository();
    let call = "module \"m\" {\n  source = \"../modules/m\"\n}\n";
    let first = work.commit(&[("modules/m/main.tf", CODE), ("app/main.tf", call)]);
    let (mut running, _folder) = Running::with_code(account(), &work, 3).await;
    let of = |answer: &Value| {
        let steps = answer["steps"].as_array().unwrap().iter();
        steps.map(|step| step["stack"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };

    // A module that the code at the head of the branch calls.
    let path = json!({ "paths": ["modules/m/main.tf"] });
    let told = running.ask("plan", path).await.unwrap();
    assert_eq!(of(&told), ["network", "dns", "app"], "its glob, and who calls it");
    let why = told["steps"][2]["why"]["text"].as_str().unwrap();
    assert!(why.contains("the module modules/m that it calls"), "{why}");
    // The same on top of work that takes the call out, and the code of another stack.
    let unpushed = json!({
        "commit": first, "paths": ["app/main.tf", "dns/main.tf", "dns/stackly.hcl"],
        "files": { "app/main.tf": CODE, "dns/main.tf": null, "dns/stackly.hcl": null },
    });
    let told = running.ask("plan", unpushed).await.unwrap();
    assert_eq!(of(&told), ["app"], "{told:#}");
    assert_eq!(
        (&told["also"][0]["outcome"], told["also"].as_array().unwrap().len()),
        (&json!("ignored"), 1)
    );
    assert_eq!(told["also"][0]["reason"]["code"], "still_needed");

    let second = work.commit(&[("app/main.tf", "")]);
    let told = running.ask("plan", json!({ "commit": second })).await.unwrap();
    assert_eq!(told["outcome"], "ignored");
    let also = &told["also"][0];
    assert_eq!((of(also), &also["action"]), (vec!["app".to_owned()], &json!("deregister")));
    let mut answers = running.answers().await;
    running.publish(&silent(&first, &second)).await;
    // The push itself waits until the account was read anew: a stack may have been made for it.
    assert_eq!(next(&mut answers).await.body["steps"], also["steps"]);
    assert_eq!(next(&mut answers).await.body["reason"], told["reason"]);
    running.stop().await;
}

#[tokio::test]
async fn what_a_refused_push_changed_is_foretold_with_the_push_that_mends_it() {
    let (work, first) = repository();
    let (mut running, _folder) = Running::with_code(account(), &work, 3).await;
    let mut answers = running.answers().await;
    let circle = "stack \"network\" {\n  depends_on = [\"app\"]\n}\n";
    let second = work.commit(&[("network/stackly.hcl", circle), ("app/main.tf", "# wider\n")]);
    running.publish(&silent(&first, &second)).await;
    assert_eq!(next(&mut answers).await.body["reason"]["code"], "cycle");

    let third = work.commit(&[("network/stackly.hcl", "stack \"network\" {}\n")]);
    let foretold = running.ask("plan", json!({ "commit": third })).await.unwrap();
    let pushed = silent(&second, &third);
    let story = running.publish(&pushed).await;
    let planned = next(&mut answers).await;
    assert_eq!(stacks(&planned), ["network", "dns", "app"]);
    let step = |answer: &Value| answer["steps"][2]["why"]["code"].clone();
    assert_eq!((step(&planned.body), step(&foretold)), (json!("touched"), json!("touched")));
    assert_eq!(foretold["steps"], planned.body["steps"]);
    // Asked again, it is compared with what it was compared with then.
    let again =
        running.ask("reconsider", json!({ "pushed": pushed, "event": story })).await.unwrap();
    assert_eq!(again["now"][0]["steps"], planned.body["steps"]);
    running.stop().await;
}

#[tokio::test]
async fn a_group_of_a_merge_queue_is_previewed_and_registers_nothing() {
    let (work, first) = repository();
    let (mut running, _folder) = Running::with_code(account(), &work, 3).await;
    let mut answers = running.answers().await;
    work.git(&["checkout", "--quiet", "-b", "gh-readonly-queue/main/pr-7"]);
    let group = work.commit(&[("app/main.tf", ""), ("network/main.tf", "# wider\n")]);
    let proposed = |commit: &str, previous: &str| ChangeProposed {
        change: silent(previous, commit).change,
        paths: Paths::Unknown,
        fork: false,
        updated_at: None,
    };

    let event = running.publish(&proposed(&group, &first)).await;

    let planned = next(&mut answers).await;
    assert_eq!(stacks(&planned), ["network", "dns"], "that commit has no code of app");
    let why = planned.body["steps"][0]["why"]["text"].as_str().unwrap();
    assert!(why.ends_with("(left out, being disabled or without code: app)"), "{why}");
    let again = json!({ "proposed": proposed(&group, &first), "event": event });
    let again = running.ask("reconsider", again).await.unwrap();
    assert_eq!(again["then"][0]["steps"], planned.body["steps"]);
    assert_eq!(again["now"][0]["steps"], planned.body["steps"], "by its code, as then");
    assert_eq!(
        (&planned.body["kind"], &planned.body["options"]["supersede"]),
        (&json!("preview"), &Value::Null)
    );
    assert_eq!(planned.body["steps"][0]["on_commit"], true);
    // What goes with the next group is put on top of it.
    let next_group = work.commit(&[("dns/main.tf", "# faster\n")]);
    running.publish(&proposed(&next_group, &group)).await;
    assert_eq!(stacks(&next(&mut answers).await), ["dns"]);
    // Nobody has lost their code by it.
    assert_eq!(running.ask("loose", Value::Null).await, Some(json!([])));
    running.stop().await;
}
