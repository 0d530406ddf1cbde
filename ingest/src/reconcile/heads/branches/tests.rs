use std::time::Duration;

use chrono::TimeDelta;
use contracts::change::ChangePushed;
use receivers::Host as Double;
use serde_json::{Value, json};

use super::*;
use crate::{
    intake,
    page::Listed,
    publish,
    reconcile::finder::Taken,
    store::{
        read::{Filter, newest},
        replays,
    },
    testing::{House, Settings},
};

/// A house, and a search beside it that takes in by a way of its own.
struct Beside {
    house: House,
    double: Double,
    branches: Branches,
    start: DateTime<Utc>,
    _events: tokio::sync::mpsc::Receiver<crate::publish::Batch>,
}

impl Beside {
    async fn at_bitbucket(branch: &str) -> Self {
        let double = receivers::bitbucket::start().await;
        let mut settings = Settings::default();
        settings.reconcile.bitbucket_api_base = double.api_base.clone();
        settings.reconcile.bitbucket_token = receivers::bitbucket::TOKEN.into();
        settings.reconcile.bitbucket_branches = vec![branch.to_owned()];
        Self::new(double, &settings, Branches::at_bitbucket).await
    }

    async fn at_bitbucket_server(branch: &str) -> Self {
        let double = receivers::bitbucket_server::start().await;
        let mut settings = Settings::default();
        settings.reconcile.bitbucket_server_api_base = double.api_base.clone();
        settings.reconcile.bitbucket_server_token = receivers::bitbucket_server::TOKEN.into();
        settings.reconcile.bitbucket_server_branches = vec![branch.to_owned()];
        Self::new(double, &settings, Branches::at_bitbucket_server).await
    }

    async fn at_azure_devops(branch: &str) -> Self {
        let double = receivers::azure_devops::start().await;
        let mut settings = Settings::default();
        settings.reconcile.azure_devops_api_base = double.api_base.clone();
        settings.reconcile.azure_devops_token = receivers::azure_devops::TOKEN.into();
        settings.reconcile.azure_devops_branches = vec![branch.to_owned()];
        Self::new(double, &settings, Branches::at_azure_devops).await
    }

    async fn new(
        double: Double,
        settings: &Settings,
        open: fn(&config::Reconcile, &PgPool, &Arc<Entry>) -> anyhow::Result<Option<Branches>>,
    ) -> Self {
        let house = House::open().await;
        let (intake, queue) = intake::queue(100, Duration::from_secs(1));
        let (publisher, events) = publish::queue();
        tokio::spawn(intake::write(house.pool.clone(), queue, publisher, Duration::from_secs(5)));
        let entry = Entry::new(&settings.http, &settings.rate, &settings.senders, intake).unwrap();
        let branches = open(&settings.reconcile, &house.pool, &Arc::new(entry)).unwrap();
        let branches = branches.expect("a token and a branch are configured");
        let start = Utc::now() - TimeDelta::hours(1);
        Self { house, double, branches, start, _events: events }
    }

    /// A round after so many minutes; gives what people should know.
    async fn round(&self, minutes: i64) -> Option<String> {
        self.branches.round(self.start + TimeDelta::minutes(minutes)).await.unwrap();
        self.branches.standing().trouble
    }

    /// What was found, the newest first.
    async fn found(&self) -> Vec<Listed> {
        let filter = Filter { limit: 100, ..Filter::default() };
        newest(&self.house.pool, &filter).await.unwrap()
    }

    /// Moves the branch while it is looked at, from one commit to the next and back; gives the event
    /// of the first move.
    async fn moved_to_and_fro(&self, branch: &str) -> ChangePushed {
        self.double.move_branch(branch, &sha('a'));
        assert_eq!(self.round(1).await, None);
        self.double.move_branch(branch, &sha('b'));
        assert_eq!(self.round(2).await, None);
        assert!(
            self.found().await.is_empty(),
            "what was there before is not missed, and it may come"
        );
        for minutes in 3..5 {
            assert_eq!(self.round(minutes).await, None);
        }
        let [first] = &self.found().await[..] else { panic!("it is found once") };
        assert!(first.found);
        self.double.move_branch(branch, &sha('a'));
        for minutes in 5..8 {
            assert_eq!(self.round(minutes).await, None);
        }
        let heads: Vec<_> = self.found().await.into_iter().filter_map(|one| one.head).collect();
        assert_eq!(heads, [sha('a'), sha('b')]);
        let events = replays::first_events(&self.house.pool, first.event.unwrap()).await.unwrap();
        serde_json::from_value(events.unwrap()[0].body.clone()).unwrap()
    }
}

fn sha(digit: char) -> String {
    digit.to_string().repeat(40)
}

#[tokio::test]
async fn a_head_at_bitbucket_that_no_push_told_of_is_taken_in_once() {
    let beside = Beside::at_bitbucket("acme/infra@release/1").await;
    let missing = beside.round(0).await.unwrap();
    assert!(missing.contains("acme/infra@release/1: Bitbucket shows no such thing"), "{missing}");
    let ChangePushed { change, forced, .. } = beside.moved_to_and_fro("release/1").await;
    assert_eq!((change.repository.as_str(), change.branch.as_str()), ("acme/infra", "release/1"));
    assert_eq!((change.commit.as_str(), change.title.as_str()), (&*sha('b'), "Change something"));
    assert_eq!(change.previous.unwrap().as_str(), sha('a'));
    assert_eq!((change.authors, forced), (vec!["jane@acme.example".to_owned()], false));
}

#[tokio::test]
async fn a_head_at_bitbucket_data_center_that_no_push_told_of_is_taken_in_once() {
    let beside = Beside::at_bitbucket_server("acme/infra@release/1").await;
    // More than one page has the name in other names.
    for number in 0..101 {
        beside.double.move_branch(&format!("a/release/1-{number:03}"), &sha('c'));
    }
    let missing = beside.round(0).await.unwrap();
    let text = "acme/infra@release/1: Bitbucket Data Center shows no such thing";
    assert!(missing.contains(text), "{missing}");
    let ChangePushed { change, .. } = beside.moved_to_and_fro("release/1").await;
    assert_eq!((change.repository.as_str(), change.branch.as_str()), ("acme/infra", "release/1"));
    assert_eq!((change.commit.as_str(), change.title.as_str()), (&*sha('b'), "Change something"));
    assert_eq!(change.previous.unwrap().as_str(), sha('a'));
    assert_eq!(
        (change.author.as_str(), change.authors),
        ("unknown", vec!["jane@acme.example".to_owned()])
    );
    // The same move once more, of which again nobody told.
    beside.double.move_branch("release/1", &sha('b'));
    for minutes in 8..10 {
        assert_eq!(beside.round(minutes).await, None);
    }
    assert_eq!(beside.found().await.len(), 3);
}

#[tokio::test]
async fn a_head_at_azure_that_no_push_told_of_is_taken_in_once_as_the_push_that_it_was() {
    let beside = Beside::at_azure_devops("Net & Co/infra@release/1").await;
    let missing = beside.round(0).await.unwrap();
    assert!(missing.contains("Net & Co/infra@release/1: Azure DevOps shows no such"), "{missing}");
    let ChangePushed { change, .. } = beside.moved_to_and_fro("release/1").await;
    assert_eq!(
        (change.repository.as_str(), change.branch.as_str()),
        ("Net & Co/infra", "release/1")
    );
    assert_eq!((change.commit.as_str(), change.title.as_str()), (&*sha('b'), "Change something"));
    assert_eq!(
        (change.previous.unwrap().0, change.author.as_str()),
        (sha('a'), "ada@acme.example")
    );

    // When it comes after all, it is a duplicate: it was the second push.
    let late: Value = json!({
        "id": "03c164c2-8912-4d5e-8009-3707d5f83734",
        "eventType": "git.push",
        "resource": {
            "pushId": 2,
            "repository": { "name": "infra", "project": { "name": "Net & Co" } },
            "refUpdates": [{ "name": "refs/heads/release/1", "oldObjectId": sha('a'),
                "newObjectId": sha('b') }],
        },
    });
    let late = Arrival::found(axum::http::HeaderMap::new(), late.to_string(), Utc::now());
    beside.branches.finder.take_in(late, "the late one").await;
    assert_eq!(beside.found().await.len(), 2);
}

#[tokio::test]
async fn what_is_found_is_told_of_the_repository_as_it_was_delivered_before() {
    let beside = Beside::at_bitbucket("Acme/Infra@release/1").await;
    let delivered = json!({
        "repository": { "full_name": "acme/infra" },
        "push": { "changes": [{
            "new": { "type": "branch", "name": "main", "target": { "hash": sha('c') } },
        }] },
    });
    let mut headers = axum::http::HeaderMap::new();
    for (name, value) in [("x-event-key", "repo:push"), ("x-request-uuid", "r-1")] {
        headers.insert(name, axum::http::HeaderValue::from_static(value));
    }
    let delivered = Arrival::found(headers, delivered.to_string(), Utc::now());
    let taken = beside.branches.finder.take_in(delivered, "one of another branch").await;
    assert_eq!(taken, Taken::In);
    for (minutes, at) in [(0, 'a'), (1, 'b'), (2, 'b')] {
        beside.double.move_branch("release/1", &sha(at));
        assert_eq!(beside.round(minutes).await, None);
    }
    let found = beside.found().await;
    let repositories: Vec<_> = found.iter().filter_map(|one| one.repository.as_deref()).collect();
    assert_eq!(repositories, ["acme/infra", "acme/infra"]);
}
