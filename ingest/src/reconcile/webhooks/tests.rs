use secrecy::SecretString;
use simulator::{Account, FaultKind, Simulator, WebhookTarget};

use super::*;
use crate::{
    intake, publish,
    store::read::{Filter, newest},
    testing::{House, Settings},
};

fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
}

#[test]
fn what_is_switched_off_again_and_again_is_switched_on_less_often() {
    assert_eq!(step(true, None, at(0)), Step::Leave);
    assert_eq!(step(false, None, at(0)), Step::Restore(1));
    let tried = |minutes, times| Some(Try { at: at(minutes), times });
    assert_eq!(step(false, tried(0, 1), at(0)), Step::Wait(at(1)));
    assert_eq!(step(false, tried(0, 1), at(1)), Step::Restore(2));
    assert_eq!(step(false, tried(1, 2), at(2)), Step::Wait(at(3)));
    // Never less often than once an hour.
    assert_eq!(step(false, tried(0, 40), at(59)), Step::Wait(at(60)));
    assert_eq!(step(false, tried(0, 40), at(60)), Step::Restore(41));
    // And all is forgotten once it held for two hours.
    assert_eq!(step(false, tried(0, 40), at(121)), Step::Restore(1));
}

/// A house, a Spacelift account, and somebody who looks at its webhooks.
struct Beside {
    house: House,
    simulator: Simulator,
    watch: Watch,
    _events: tokio::sync::mpsc::Receiver<crate::publish::Batch>,
}

impl Beside {
    async fn new() -> Self {
        let house = House::open().await;
        let options = simulator::Options::new(Account::default());
        let simulator = Simulator::start(options).await.unwrap();
        let key = simulator.api_key();
        let mut settings = Settings::default();
        settings.reconcile.spacelift_endpoint = simulator.url();
        settings.reconcile.spacelift_api_key_id = key.id;
        settings.reconcile.spacelift_api_key_secret = SecretString::from(key.secret);
        let (intake, queue) = intake::queue(100, Duration::from_secs(1));
        let (publisher, events) = publish::queue();
        tokio::spawn(intake::write(house.pool.clone(), queue, publisher, Duration::from_secs(5)));
        let entry = Entry::new(&settings.http, &settings.rate, &settings.senders, intake).unwrap();
        let watch = Watch::new(&settings.reconcile, &Arc::new(entry)).unwrap();
        let watch = watch.expect("an account and a webhook are configured");
        Self { house, simulator, watch, _events: events }
    }

    fn add_webhook(&self) {
        let target =
            WebhookTarget { endpoint: "http://127.0.0.1:9/".to_owned(), secret: "s".to_owned() };
        self.simulator.control().add_webhook("stackly", &target);
    }

    fn is_on(&self) -> bool {
        self.simulator.control().webhooks()[0].enabled
    }

    /// What people are told: the bodies of what was found.
    async fn told(&self) -> Vec<String> {
        let filter = Filter { limit: 100, ..Filter::default() };
        let all = newest(&self.house.pool, &filter).await.unwrap();
        all.into_iter().filter(|one| one.found).map(|one| one.kind).collect()
    }
}

#[tokio::test]
async fn a_webhook_that_is_off_is_switched_on_again_and_people_are_told_once() {
    let beside = Beside::new().await;
    let now = Utc::now();
    beside.watch.round(now).await.unwrap();
    let trouble = beside.watch.standing().trouble.unwrap();
    assert!(trouble.contains("there is no named webhook `stackly`"), "{trouble}");

    beside.add_webhook();
    beside.watch.round(now).await.unwrap();
    assert_eq!(beside.watch.standing().trouble, None);
    assert!(beside.told().await.is_empty());

    beside.simulator.control().enable_webhook("stackly", false).unwrap();
    beside.watch.round(now).await.unwrap();
    assert!(beside.is_on());
    assert_eq!(beside.told().await, ["internal_error"]);
    let standing = beside.watch.standing();
    assert_eq!((standing.restored, standing.trouble), (1, None));

    // At once off again: it is left alone for a while, and that is seen.
    beside.simulator.control().enable_webhook("stackly", false).unwrap();
    beside.watch.round(now + TimeDelta::seconds(10)).await.unwrap();
    assert!(!beside.is_on());
    let trouble = beside.watch.standing().trouble.unwrap();
    assert!(trouble.contains("switched off once more"), "{trouble}");
    beside.watch.round(now + TimeDelta::minutes(2)).await.unwrap();
    assert!(beside.is_on());
    assert_eq!(beside.told().await.len(), 2);
}

#[tokio::test]
async fn what_cannot_be_switched_on_is_told_as_an_error() {
    let beside = Beside::new().await;
    beside.add_webhook();
    beside.simulator.control().enable_webhook("stackly", false).unwrap();
    let trouble = FaultKind::ServerError { status: 500 };
    let fault = simulator::Fault::once(trouble).on("namedWebhooksIntegrationUpdate");
    beside.simulator.control().add_fault(fault);
    beside.watch.round(Utc::now()).await.unwrap();
    assert!(!beside.is_on());
    assert_eq!(beside.told().await.len(), 2, "that it is off, and that it stays so");
    let standing = beside.watch.standing();
    assert_eq!(standing.restored, 0);
    assert!(standing.trouble.unwrap().contains("could not be switched on"));
}
