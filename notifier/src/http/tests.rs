use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use reqwest::{Method, header::HeaderName};
use tracing::{
    Dispatch, Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};
use uuid::Uuid;

use super::{Answer, BACKOFF_MAX, Brake, CallError, backoff, call, client, mending};

#[test]
fn waits_double_up_to_five_minutes() {
    let waits: Vec<u64> = [0, 1, 2, 3, 9, 10, 1_000].map(|n| backoff(n).as_secs()).to_vec();
    assert_eq!(waits, [1, 1, 2, 4, 256, 300, 300]);
    assert_eq!(backoff(i32::MAX), BACKOFF_MAX);
    let waits: Vec<u64> = [0, 1, 2, 3, 4, 1_000].map(|n| mending(n).as_secs()).to_vec();
    assert_eq!(waits, [60, 60, 120, 240, 300, 300], "while a person mends something");
}

#[test]
fn nobody_is_waited_for_longer_than_a_day_whatever_they_ask() {
    let asked = |value: &str| {
        let headers = [(HeaderName::from_static("retry-after"), value.parse().unwrap())];
        let headers = headers.into_iter().collect();
        Answer { status: 429, headers, body: Vec::new() }.retry_after()
    };
    let day = Duration::from_secs(86_400);
    assert_eq!(asked("7"), Some(Duration::from_secs(7)));
    assert_eq!(asked("86401"), Some(day));
    assert_eq!(asked(&u64::MAX.to_string()), Some(day));
    assert_eq!(asked("-1"), None);
    assert_eq!(asked("soon"), None);
    let brake = Brake::default();
    brake.pull(Duration::MAX);
    assert!(brake.left(Uuid::nil()).unwrap() <= day + Duration::from_secs(1));
}

#[test]
fn a_pulled_brake_holds_everybody_but_not_until_the_same_moment() {
    let brake = Brake::default();
    let (one, two) = (Uuid::from_u128(0x00), Uuid::from_u128(0xff));
    assert_eq!(brake.left(one), None);
    brake.pull(Duration::from_secs(30));
    brake.pull(Duration::from_secs(1));
    let (first, second) = (brake.left(one).unwrap(), brake.left(two).unwrap());
    assert!(first > Duration::from_secs(29), "a shorter wait does not end a longer one");
    assert!(second > first + Duration::from_secs(4));
}

/// Notes the method that each span names.
#[derive(Clone, Default)]
struct Methods(Arc<Mutex<Vec<String>>>);

impl Visit for Methods {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "http.request.method" {
            self.0.lock().unwrap().push(value.to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

impl Subscriber for Methods {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        attributes.record(&mut self.clone());
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn a_span_names_the_method_of_its_call() {
    let methods = Methods::default();
    // As long as there is one subscriber alone, the thread of another test may be asked in its place.
    let _another = Dispatch::new(Methods::default());
    let _guard = tracing::subscriber::set_default(methods.clone());
    let client = client(Duration::from_secs(1)).unwrap();
    let all = [Method::GET, Method::POST, Method::PATCH, Method::PUT, Method::DELETE];
    for method in all.clone() {
        // Nobody listens there: what counts is what was tried.
        let request = client.request(method, "http://127.0.0.1:1/");
        let tried = call("test", request).await;
        assert!(matches!(tried, Err(CallError::NotSent(_))), "{tried:?}");
    }
    let named = methods.0.lock().unwrap().clone();
    assert_eq!(named, all.map(|method| method.to_string()));
}
