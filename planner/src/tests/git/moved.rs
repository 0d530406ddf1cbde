//! Code that moves between two repositories, and code that names a stack of another one.

use std::collections::BTreeSet;

use contracts::stack::StackReassociated;

use super::*;

const NAMES_NETWORK: &str = "stack \"network\" {\n  spacelift { stack = \"network\" }\n}\n";

/// `network` and `dns` of one repository, `shop` of another.
fn apart() -> Account {
    let of = |repository: &str, id| StackSeed { repository: repository.to_owned(), ..seed(id) };
    let stacks = vec![of("network", "network"), of("network", "dns"), of("shop", "shop")];
    Account { stacks, ..Account::default() }
}

fn pushed_to(repository: &str, previous: &str, commit: &str) -> ChangePushed {
    let mut pushed = silent(previous, commit);
    pushed.change.repository = format!("acme/{repository}");
    pushed
}

#[tokio::test]
async fn what_is_deleted_here_before_it_comes_there_is_associated_there_and_told_as_that() {
    let (origins, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (network, shop) = (Work::new(), Work::new());
    let here = network.commit(&[("network/main.tf", CODE), ("dns/main.tf", CODE)]);
    let there = shop.commit(&[("shop/main.tf", CODE)]);
    let mut running = Running::prepare(apart()).await;
    running.config.git.folder = folder.path().display().to_string();
    running.config.git.url = between(&origins, &[("network", &network), ("shop", &shop)]);
    running.spawn();
    running.until("the code is known", |status| status["with_code"] == 3).await;
    let (mut answers, mut events) = (running.answers().await, running.stack_events().await);

    let gone = network.commit(&[("network/main.tf", "")]);
    running.publish(&pushed_to("network", &here, &gone)).await;
    let loose = next(&mut events).await;
    assert_eq!((loose.kind.as_str(), loose.key.as_str()), (StackLoosened::TYPE, "network"));
    let asks = next(&mut answers).await;
    assert_eq!((stacks(&asks), &asks.body["action"]), (vec!["network"], &json!("deregister")));
    assert_eq!(next(&mut answers).await.body["reason"]["code"], "nothing_touched");

    let files = [("network/main.tf", CODE), ("network/stackly.hcl", NAMES_NETWORK)];
    let come = shop.commit(&files);
    running.publish(&pushed_to("shop", &there, &come)).await;
    let back = next(&mut events).await;
    assert_eq!((back.kind.as_str(), back.key.as_str()), (StackReassociated::TYPE, "network"));
    assert_eq!(back.body["code"]["repository"], "acme/shop");
    // Whoever would destroy it lets it be for that.
    assert_eq!(back.body["reason"]["code"], "code_found");
    assert_eq!(running.ask("loose", Value::Null).await, Some(json!([])));
    running.stop().await;
}

#[tokio::test]
async fn a_block_takes_no_stack_of_a_repository_that_cannot_be_read() {
    let (origins, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (network, shop) = (Work::new(), Work::new());
    let files =
        [("shop/main.tf", CODE), ("network/main.tf", CODE), ("network/stackly.hcl", NAMES_NETWORK)];
    shop.commit(&files);
    network.commit(&[("dns/main.tf", CODE)]);
    let mut running = Running::prepare(apart()).await;
    running.config.git.folder = folder.path().display().to_string();
    running.config.git.url = between(&origins, &[("shop", &shop)]);
    running.config.git.patience = Duration::from_millis(100);
    let mut events = running.stack_events().await;
    running.spawn();
    let is_away =
        |status: &Value| status["with_code"] == 1 && !status["away"]["acme/network"].is_null();
    running.until("one repository is read and the other is not", is_away).await;
    assert_eq!(next(&mut events).await.key, "shop");
    let told = running.ask("loose", Value::Null).await;
    assert_eq!(told, Some(json!([])));
    running.stop().await;

    // Now that it is known that its own repository says nothing of it, the block counts.
    let link = origins.path().join("acme").join("network");
    std::os::unix::fs::symlink(network.path(), link).unwrap();
    running.spawn();
    running.until("both are read", |status| status["with_code"] == 3).await;
    let mut registered = BTreeSet::new();
    for _ in 0..2 {
        let event = next(&mut events).await;
        assert_eq!(event.kind, StackRegistered::TYPE);
        registered.insert((event.key, event.body["code"]["repository"].to_string()));
    }
    let expected = [("dns", "acme/network"), ("network", "acme/shop")];
    let expected = expected.map(|(stack, place)| (stack.to_owned(), json!(place).to_string()));
    assert_eq!(registered, expected.into());
    running.stop().await;
}

#[tokio::test]
async fn a_block_has_its_stack_of_another_repository_also_where_both_are_first_read_at_once() {
    let (origins, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (network, shop) = (Work::new(), Work::new());
    let files =
        [("shop/main.tf", CODE), ("network/main.tf", CODE), ("network/stackly.hcl", NAMES_NETWORK)];
    shop.commit(&files);
    network.commit(&[("dns/main.tf", CODE)]);
    let mut running = Running::prepare(apart()).await;
    running.config.git.folder = folder.path().display().to_string();
    running.config.git.url = between(&origins, &[("network", &network), ("shop", &shop)]);
    let mut events = running.stack_events().await;
    running.spawn();

    let mut registered = BTreeSet::new();
    for _ in 0..3 {
        let event = next(&mut events).await;
        assert_eq!(event.kind, StackRegistered::TYPE);
        registered.insert((event.key, event.body["code"]["repository"].to_string()));
    }
    let expected = [("dns", "acme/network"), ("network", "acme/shop"), ("shop", "acme/shop")];
    let expected = expected.map(|(stack, place)| (stack.to_owned(), json!(place).to_string()));
    assert_eq!(registered, expected.into());
    running.stop().await;
}
