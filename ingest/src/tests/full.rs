//! What answers while the door has no place left.

use tokio::net::TcpStream;

use super::*;

/// More than there are places.
const SENDERS: usize = 32;

/// Who takes a service for dead because its door is full restarts it, and makes it worse. That health
/// answers while twice the capacity is offered, `load door` shows.
#[tokio::test(flavor = "multi_thread")]
async fn health_answers_on_its_own_port_while_the_door_has_no_place_left() {
    let mut settings = Settings::default();
    settings.http.connections_max = 4;
    let ingest = Running::start_as(embedded::shared_nats().await.url(), settings).await;
    let mut silent = Vec::new();
    for _ in 0..SENDERS {
        silent.push(TcpStream::connect(&ingest.address).await.unwrap());
    }
    let refused = timeout(Duration::from_millis(200), ingest.push("d", PUSH)).await;
    refused.expect_err("no place is free");
    for page in ["ready", "metrics"] {
        let asked = reqwest::get(format!("http://{}/{page}", ingest.health));
        let response = timeout(SOON, asked).await.expect("an answer in time").unwrap();
        assert_eq!(response.status(), 200, "{page}");
    }
    drop(silent);
    ingest.stop().await;
}
