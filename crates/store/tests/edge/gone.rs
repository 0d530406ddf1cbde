//! A process that is gone: others see it at once, long before its leases end.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use store::{Claim, Performed, Performer};
use uuid::Uuid;

use crate::{
    bench::{Place, Service, also, eventually},
    counter::{Also, Called, Counting, Input},
};

/// Never ends its first call, and answers the others. Looks before it repeats, or does not.
#[derive(Clone, Default)]
struct Caller<const LOOKS: bool>(Arc<Mutex<Vec<Claim>>>);

impl<const LOOKS: bool> Caller<LOOKS> {
    fn claims(&self) -> Vec<Claim> {
        self.0.lock().unwrap().clone()
    }
}

impl<const LOOKS: bool> Performer for Caller<LOOKS> {
    type Decider = Counting;

    const LOOKS: bool = LOOKS;

    async fn perform(&self, claim: &Claim) -> Performed<Input> {
        let is_first = {
            let mut claims = self.0.lock().unwrap();
            claims.push(claim.clone());
            claims.len() == 1
        };
        if is_first {
            std::future::pending::<()>().await;
        }
        let result = format!("{}/{}", claim.attempt, claim.fence);
        Performed::Done(Input::Called(Called { counter: claim.key, result }))
    }
}

/// Sessions that hold a sign of life.
macro_rules! signs {
    () => {
        "pg_locks where locktype = 'advisory' and objsubid = 2
            and database = (select oid from pg_database where datname = current_database())"
    };
}

/// Ends the session that is the sign of life.
async fn cut(service: &Service) {
    service.execute(concat!("select pg_terminate_backend(pid) from ", signs!())).await;
}

/// A call that is being made, for which others would wait an hour.
async fn calling<const LOOKS: bool>() -> (Service, Caller<LOOKS>, Uuid) {
    let mut place = Place::shared().await;
    place.store.lease = Duration::from_secs(3_600);
    let service = Service::engine(&place).await;
    let caller = Caller::default();
    service.perform(caller.clone(), 4);
    // The lock is had before the sign is given: a call that is claimed in between has no holder.
    eventually("a sign of life", async || service.count("present").await == 1).await;
    let counter = Uuid::new_v4();
    service.submit(also(counter, Also::Call("a".into()))).await.unwrap();
    eventually("the call", async || caller.claims().len() == 1).await;
    (service, caller, counter)
}

/// The same, made by a process that is gone.
async fn left<const LOOKS: bool>() -> (Service, Caller<LOOKS>, Uuid) {
    let (service, caller, counter) = calling().await;
    let gone = "with gone as (insert into present (number) values (7) returning number)
        update effects set holder = number from gone";
    service.execute(gone).await;
    (service, caller, counter)
}

#[tokio::test]
async fn who_looks_before_it_repeats_is_given_the_call_at_once() {
    let (service, caller, counter) = left::<true>().await;
    eventually("the second claim's result", async || {
        service.counter(counter).await.called == ["2/2"]
    })
    .await;
    let claims = caller.claims();
    assert!(claims[1].uncertain, "the first may have taken effect");
    let left = claims[1].unsettled().expect("and may do so yet");
    assert!(left > Duration::from_secs(600), "for a quarter of the lease: {left:?}");
    cut(&service).await;
    service.stop().await;
}

#[tokio::test]
async fn who_is_gone_is_missed_even_without_a_call() {
    let place = Place::shared().await;
    let service = Service::engine(&place).await;
    service.perform(Caller::<true>::default(), 4);
    eventually("a sign of life", async || service.count("present").await == 1).await;
    assert_eq!(service.engine.missed_at(), None, "nobody but itself is there");
    service.execute("insert into present (number) values (7)").await;
    eventually("it to be missed", async || service.engine.missed_at().is_some()).await;
    assert_eq!(service.count("present").await, 1, "and by nobody else");
    service.stop().await;
}

#[tokio::test]
async fn who_does_not_look_repeats_nothing_before_it_is_settled() {
    let (service, caller, _) = left::<false>().await;
    eventually("the call to be put off", async || {
        let waits = "effects where open and not claimed and uncertain and attempt = 2
            and due_at > now() + interval '10 minutes'";
        service.count(waits).await == 1
    })
    .await;
    assert_eq!(caller.claims().len(), 1, "it was not made again");
    cut(&service).await;
    service.stop().await;
}

#[tokio::test]
async fn who_cannot_be_seen_any_more_breaks_off_and_goes_on_once_it_can() {
    let (service, caller, counter) = calling::<true>().await;
    let before = caller.claims()[0].holder;
    assert!(before.is_some());
    cut(&service).await;
    eventually("the second claim's result", async || {
        service.counter(counter).await.called == ["2/2"]
    })
    .await;
    let again = &caller.claims()[1];
    assert!(again.uncertain && again.unsettled().is_some(), "{again:?}");
    eventually("a call under another sign of life", async || {
        let lane = Uuid::new_v4().to_string();
        service.submit(also(counter, Also::Call(lane))).await.unwrap();
        let claims = caller.claims();
        let last = claims.last().and_then(|claim| claim.holder);
        last.is_some() && last != before
    })
    .await;
    service.say_stop();
    eventually("its end", async || service.count(signs!()).await == 0).await;
    service.stop().await;
}
