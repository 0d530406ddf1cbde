//! What answers while more comes in than there are places for.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::net::TcpStream;

use super::*;

/// More than there are places.
const SENDERS: usize = 32;
/// How often each page is asked for.
const TIMES: usize = 20;

/// Who takes a service for dead because its door is full restarts it, and makes it worse.
#[tokio::test(flavor = "multi_thread")]
async fn health_answers_on_its_own_port_while_the_door_is_flooded_and_has_no_place_left() {
    let mut settings = Settings::default();
    settings.http.connections_max = 4;
    let ingest = Arc::new(Running::start_as(embedded::shared_nats().await.url(), settings).await);
    let answered = Arc::new(AtomicUsize::new(0));
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..SENDERS {
        let (ingest, answered) = (ingest.clone(), answered.clone());
        senders.spawn(async move {
            for number in 0.. {
                let delivery = format!("d-{sender}-{number}");
                ingest.push(&delivery, &push_to(&delivery)).await;
                answered.fetch_add(1, Relaxed);
            }
        });
    }
    let begun = async {
        while answered.load(Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, begun).await.expect("the flood begins");
    for _ in 0..TIMES {
        for page in ["ready", "metrics"] {
            let asked = reqwest::get(format!("http://{}/{page}", ingest.health));
            let response = timeout(SOON, asked).await.expect("an answer in time").unwrap();
            assert_eq!(response.status(), 200, "{page}");
        }
    }
    assert!(senders.try_join_next().is_none(), "the flood goes on");
    // Nobody who only keeps a place takes health's either.
    senders.shutdown().await;
    let mut silent = Vec::new();
    for _ in 0..SENDERS {
        silent.push(TcpStream::connect(&ingest.address).await.unwrap());
    }
    let refused = timeout(Duration::from_millis(200), ingest.push("d", PUSH)).await;
    refused.expect_err("no place is free");
    let response = reqwest::get(format!("http://{}/ready", ingest.health)).await.unwrap();
    assert_eq!(response.status(), 200);
    drop(silent);
    Arc::into_inner(ingest).expect("the senders are gone").stop().await;
}
