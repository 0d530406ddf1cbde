//! Calls to the outside: fences, leases, lanes, panics, and an end in the middle.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bus::Failure;
use contracts::{Code, Reason};
use store::{Claim, Performed, Performer};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::{
    bench::{Place, Service, also, eventually},
    counter::{Also, Called, Counting, Input, MUCH},
};

/// What the outside does at a call.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Outside {
    Answers,
    Panics,
    NeverAnswers,
    IsBusy,
    HasNoRoom,
    /// Answers once it is let.
    Waits,
    /// Answers with what the database does not take.
    AnswersNul,
    /// Answers with what leads to more than the broker takes.
    AnswersMuch,
}

/// Notes the claims and does what the script says at each.
#[derive(Clone)]
struct Caller {
    script: Arc<dyn Fn(usize) -> Outside + Send + Sync>,
    claims: Arc<Mutex<Vec<Claim>>>,
    ended: Arc<AtomicUsize>,
    let_go: Arc<Semaphore>,
    full: Arc<Mutex<Vec<String>>>,
}

impl Caller {
    fn new(script: impl Fn(usize) -> Outside + Send + Sync + 'static) -> Self {
        Self {
            script: Arc::new(script),
            claims: Arc::default(),
            ended: Arc::default(),
            let_go: Arc::new(Semaphore::new(0)),
            full: Arc::default(),
        }
    }

    fn claims(&self) -> Vec<Claim> {
        self.claims.lock().unwrap().clone()
    }
}

impl Performer for Caller {
    type Decider = Counting;

    async fn perform(&self, claim: &Claim) -> Performed<Input> {
        let nth = {
            let mut claims = self.claims.lock().unwrap();
            claims.push(claim.clone());
            claims.len()
        };
        match (self.script)(nth) {
            Outside::Answers => {}
            Outside::Panics => panic!("as the test wants"),
            Outside::NeverAnswers => std::future::pending().await,
            Outside::IsBusy => {
                let why = Reason::new(Code::SpaceliftUnavailable, "the outside is busy");
                let after = Duration::from_millis(50);
                return Performed::Later { after, why, uncertain: false };
            }
            Outside::HasNoRoom => {
                let why = Reason::new(Code::SpaceliftUnavailable, "as many as may be");
                return Performed::Full { after: Duration::from_millis(50), why };
            }
            Outside::Waits => self.let_go.acquire().await.unwrap().forget(),
            Outside::AnswersNul | Outside::AnswersMuch => {}
        }
        self.ended.fetch_add(1, Ordering::SeqCst);
        let result = match (self.script)(nth) {
            Outside::AnswersNul => "\0".to_owned(),
            Outside::AnswersMuch => MUCH.to_owned(),
            _ => format!("{}/{}", claim.attempt, claim.fence),
        };
        Performed::Done(Input::Called(Called { counter: claim.key, result }))
    }

    fn full(&self) -> Vec<String> {
        self.full.lock().unwrap().clone()
    }

    fn undecidable(&self, claim: &Claim, why: String) -> Option<Input> {
        Some(Input::Called(Called { counter: claim.key, result: why }))
    }
}

async fn called(service: &Service, counter: Uuid) -> Vec<String> {
    service.counter(counter).await.called
}

#[tokio::test]
async fn a_call_is_made_once_and_its_result_decided_with_its_end() {
    let service = Service::engine(&Place::shared().await).await;
    let caller = Caller::new(|_| Outside::Answers);
    service.perform(caller.clone(), 4);
    let (id, counter) = (Uuid::new_v4(), Uuid::new_v4());
    for _ in 0..3 {
        service.submit_as(id, also(counter, Also::Call("a".into()))).await.unwrap();
    }
    eventually("the result", async || called(&service, counter).await == ["1/1"]).await;
    assert_eq!(service.count("effects where not open and not claimed").await, 1);
    let claims = caller.claims();
    assert_eq!(claims.len(), 1);
    assert_eq!((claims[0].attempt, claims[0].uncertain), (1, false));
    assert_eq!(claims[0].body["total"], 1);
    service.stop().await;
}

#[tokio::test]
async fn what_never_is_decided_upon_gives_way_to_what_says_so() {
    for (answer, told) in
        [(Outside::AnswersNul, "0x00"), (Outside::AnswersMuch, "larger than nats-server takes")]
    {
        let service = Service::engine(&Place::shared().await).await;
        let caller = Caller::new(move |_| answer);
        service.perform(caller.clone(), 4);
        let counter = Uuid::new_v4();
        service.submit(also(counter, Also::Call("a".into()))).await.unwrap();
        eventually("the refusal", async || !called(&service, counter).await.is_empty()).await;
        let said = called(&service, counter).await;
        assert!(said.len() == 1 && said[0].contains(told), "{said:?}");
        assert_eq!(caller.claims().len(), 1, "it is not called again");
        service.submit(also(counter, Also::Call("a".into()))).await.unwrap();
        service.stop().await;
    }
}

#[tokio::test]
async fn what_there_is_no_room_for_waits_for_room_and_takes_no_turn_of_others() {
    let service = Service::engine(&Place::shared().await).await;
    let caller = Caller::new(|nth| if nth > 2 { Outside::Answers } else { Outside::HasNoRoom });
    caller.full.lock().unwrap().push("hangs/".to_owned());
    service.perform(caller.clone(), 4);
    let [waiting, other] = [Uuid::new_v4(), Uuid::new_v4()];
    for (counter, lane) in [(waiting, "hangs/1"), (other, "works/1")] {
        service.submit(also(counter, Also::Call(lane.into()))).await.unwrap();
    }
    eventually("the other's result", async || called(&service, other).await.len() == 1).await;
    service.submit(also(other, Also::Call("works/2".into()))).await.unwrap();
    eventually("the next one", async || called(&service, other).await.len() == 2).await;
    let lanes: Vec<_> = caller.claims().into_iter().skip(2).map(|claim| claim.lane).collect();
    assert_eq!(lanes, ["works/1", "works/2"]);
    caller.full.lock().unwrap().clear();
    eventually("the one that waited", async || called(&service, waiting).await.len() == 1).await;
    assert!(!caller.claims().last().unwrap().uncertain);
    service.stop().await;
}

#[tokio::test]
async fn a_lane_takes_one_call_at_a_time() {
    let service = Service::engine(&Place::shared().await).await;
    let caller = Caller::new(|_| Outside::Waits);
    service.perform(caller.clone(), 4);
    let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
    let call = || Also::Call("the same".into());
    service.submit(also(one, call())).await.unwrap();
    eventually("the first call", async || caller.claims().len() == 1).await;
    let refused = service.submit(also(two, call())).await.unwrap_err();
    assert!(matches!(refused, Failure::Retry { .. }), "{refused:?}");
    assert_eq!(service.counter(two).await.total, 0, "nothing is left of it");
    caller.let_go.add_permits(2);
    eventually("the first result", async || !called(&service, one).await.is_empty()).await;
    service.submit(also(two, call())).await.unwrap();
    eventually("the second result", async || !called(&service, two).await.is_empty()).await;
    service.stop().await;
}

#[tokio::test]
async fn a_call_that_ends_badly_is_looked_up_by_the_next_claim() {
    for bad in [Outside::Panics, Outside::NeverAnswers] {
        let service = Service::engine(&Place::shared().await).await;
        let caller = Caller::new(move |nth| if nth == 1 { bad } else { Outside::Answers });
        service.perform(caller.clone(), 4);
        let counter = Uuid::new_v4();
        service.submit(also(counter, Also::Call("a".into()))).await.unwrap();
        eventually("the second claim", async || called(&service, counter).await == ["2/2"]).await;
        let uncertain: Vec<_> = caller.claims().iter().map(|claim| claim.uncertain).collect();
        assert_eq!(uncertain, [false, true], "{bad:?}");
        service.stop().await;
    }
}

#[tokio::test]
async fn a_call_that_is_known_not_to_have_been_made_is_simply_made_again() {
    let service = Service::engine(&Place::shared().await).await;
    let caller = Caller::new(|nth| if nth < 3 { Outside::IsBusy } else { Outside::Answers });
    service.perform(caller.clone(), 4);
    let counter = Uuid::new_v4();
    service.submit(also(counter, Also::Call("a".into()))).await.unwrap();
    eventually("the third attempt", async || called(&service, counter).await == ["3/3"]).await;
    assert!(caller.claims().iter().all(|claim| !claim.uncertain));
    let correlation = caller.claims()[0].correlation;
    let story = store::story(service.store.pool(), correlation).await.unwrap();
    let call = story.iter().find(|chapter| chapter.who == "effect").unwrap();
    assert_eq!(call.note.as_deref(), Some("attempt 3: the outside is busy"));
    service.stop().await;
}

#[tokio::test]
async fn the_result_of_a_zombie_changes_nothing() {
    let service = Service::engine(&Place::shared().await).await;
    let caller = Caller::new(|nth| if nth == 1 { Outside::Waits } else { Outside::Answers });
    service.perform(caller.clone(), 4);
    let counter = Uuid::new_v4();
    service.submit(also(counter, Also::Call("a".into()))).await.unwrap();
    eventually("the call", async || caller.claims().len() == 1).await;
    // Another process takes the call over, as if this one had been frozen.
    service
        .execute("update effects set fence = 7, attempt = 2, due_at = now() + interval '1 hour'")
        .await;
    caller.let_go.add_permits(1);
    eventually("the zombie to come back", async || {
        service.count("remembered where event_type = 'test.call.concluded'").await == 1
    })
    .await;
    assert!(called(&service, counter).await.is_empty());
    assert_eq!(service.count("effects where open").await, 1, "the other still has it");
    service.execute("update effects set due_at = now()").await;
    eventually("the other's result", async || called(&service, counter).await == ["3/8"]).await;
    service.stop().await;
}

#[tokio::test]
async fn at_the_end_calls_begun_are_finished_and_the_others_left_as_not_begun() {
    let place = Place::shared().await;
    let service = Service::engine(&place).await;
    let caller = Caller::new(|_| Outside::Waits);
    service.perform(caller.clone(), 1);
    let counters: Vec<_> = (0..3).map(|_| Uuid::new_v4()).collect();
    for (place, counter) in counters.iter().enumerate() {
        let call = Also::Call(format!("lane {place}"));
        service.submit(also(*counter, call)).await.unwrap();
    }
    eventually("the first call", async || caller.claims().len() == 1).await;
    service.say_stop();
    eventually("the others to be left", async || {
        service.count("effects where open and not claimed").await == 2
    })
    .await;
    caller.let_go.add_permits(1);
    let store = service.store.clone();
    service.stop().await;
    assert!(store.pool().is_closed());
    assert_eq!(caller.ended.load(Ordering::SeqCst), 1);

    let service = Service::engine(&place).await;
    assert_eq!(service.count("effects where not open").await, 1);
    let next = Caller::new(|_| Outside::Answers);
    service.perform(next.clone(), 4);
    eventually("the rest", async || service.count("effects where open").await == 0).await;
    let claims = next.claims();
    assert_eq!(claims.len(), 2);
    assert!(claims.iter().all(|claim| claim.attempt == 2 && !claim.uncertain));
    service.stop().await;
}

#[tokio::test]
async fn a_claim_that_waited_long_for_its_turn_is_renewed_and_not_called_twice() {
    let mut place = Place::shared().await;
    place.store.lease = Duration::from_secs(3);
    let service = Service::engine(&place).await;
    let caller = Caller::new(|_| Outside::Waits);
    service.perform(caller.clone(), 1);
    for number in 0..6 {
        let call = Also::Call(format!("lane {number}"));
        service.submit(also(Uuid::new_v4(), call)).await.unwrap();
    }
    // Each call takes a quarter of a lease, so the last waits for longer than one.
    for number in 1..=6 {
        eventually("the call", async || caller.claims().len() >= number).await;
        let quarter = Duration::from_millis(750);
        tokio::time::interval_at(tokio::time::Instant::now() + quarter, quarter).tick().await;
        caller.let_go.add_permits(1);
        eventually("its end", async || caller.ended.load(Ordering::SeqCst) >= number).await;
    }
    eventually("all results", async || service.count("effects where open").await == 0).await;
    let claims = caller.claims();
    assert_eq!(claims.len(), 6, "none was called twice");
    assert!(claims.iter().all(|claim| !claim.uncertain), "{claims:?}");
    service.stop().await;
}
