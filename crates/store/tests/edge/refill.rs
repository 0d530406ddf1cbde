//! A broker that lost what was published gets it again, and one that lost nothing gets nothing.

use std::path::Path;

use bus::{Handler, Incoming};
use contracts::{Envelope, topology::EVENTS};
use embedded::{Nats, NatsOptions};
use futures::future::join_all;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use uuid::Uuid;

use crate::{
    bench::{Place, Service, added, also, event, eventually},
    counter::Also,
};

async fn own() -> (Nats, Place) {
    let nats = Nats::start(NatsOptions::default()).await.unwrap();
    let place = Place::on(&nats).await;
    (nats, place)
}

/// Has `count` answers decided and waits until they are published.
async fn answer(service: &Service, count: usize) -> Vec<Uuid> {
    let counter = Uuid::new_v4();
    let asks = (0..count).map(|_| service.submit(added(counter, 1)));
    let answers = join_all(asks.collect::<Vec<_>>()).await;
    eventually("the answers to be published", async || service.unpublished().await == 0).await;
    answers.into_iter().map(|answers| answers.unwrap()[0].id).collect()
}

/// Waits until the service has seen the broker as it is now.
async fn settled(service: &Service) {
    eventually("the era to be entered", async || match service.bus.sight().await {
        Ok(sight) => service.bus.era() == Some(sight.era.id),
        Err(_) => false,
    })
    .await;
    eventually("everything to be published", async || service.unpublished().await == 0).await;
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// As an operator would, past all our code.
async fn delete_events(nats: &Nats, place: &Place) {
    let name = format!("{}_{}", place.bus.prefix, EVENTS.name);
    let socket = TcpStream::connect(("127.0.0.1", nats.port())).await.unwrap();
    let mut socket = BufReader::new(socket);
    let request = format!(
        "CONNECT {{\"verbose\":false}}\r\nSUB reply 1\r\n\
         PUB $JS.API.STREAM.DELETE.{name} reply 0\r\n\r\n"
    );
    socket.get_mut().write_all(request.as_bytes()).await.unwrap();
    let mut line = String::new();
    while !line.contains("\"success\":true") {
        line.clear();
        assert_ne!(socket.read_line(&mut line).await.unwrap(), 0, "no answer");
        assert!(!line.contains("\"error\""), "{line}");
    }
}

#[tokio::test]
async fn a_broker_that_lost_nothing_gets_nothing_again() {
    let (mut nats, place) = own().await;
    let service = Service::whole(&place).await;
    let answers = answer(&service, 50).await;
    nats.shut_down().await;
    nats.restart().await.unwrap();
    settled(&service).await;
    assert_eq!(service.stream().await, answers);
    assert_eq!(
        service.count("(select distinct unnest(positions) from published_blocks) marks").await,
        50
    );
    assert_eq!(service.count("(select distinct era from published_blocks) eras").await, 1);
    service.stop().await;
}

#[tokio::test]
async fn what_a_broker_lost_from_the_end_is_published_again_and_no_more() {
    for is_down in [false, true] {
        let (mut nats, place) = own().await;
        let mut service = Service::whole(&place).await;
        let kept = answer(&service, 200).await;
        let backup = tempfile::tempdir().unwrap();
        nats.shut_down().await;
        copy(nats.store_folder(), backup.path());
        nats.restart().await.unwrap();
        settled(&service).await;
        let lost = answer(&service, 100).await;
        if is_down {
            service.stop().await;
        }
        nats.kill().await;
        nats.delete_store().await.unwrap();
        copy(backup.path(), nats.store_folder());
        nats.restart().await.unwrap();

        // Somebody else publishes where ours stood before we are back.
        let other = bus::Bus::connect(&place.bus, "other").await.unwrap();
        let theirs: Vec<_> = (0..60).map(|_| event(&added(Uuid::nil(), 0))).collect();
        eventually("the others to publish", async || {
            let sent = other.send(&theirs).await;
            other.stored(sent).await.is_ok()
        })
        .await;
        if is_down {
            service = Service::whole(&place).await;
        }
        let new = answer(&service, 10).await;
        settled(&service).await;
        let all: Vec<_> = [&kept[..], &lost, &new].concat();
        eventually("all answers", async || service.is_all_there(&all).await).await;
        let stream = service.stream().await;
        let again = kept.iter().filter(|id| stream.iter().filter(|it| it == id).count() > 1);
        assert_eq!(again.count(), 0, "what was not lost is not sent again");
        // In the order of decision.
        let places = lost.iter().map(|id| stream.iter().position(|it| it == id).unwrap());
        assert!(places.collect::<Vec<_>>().is_sorted(), "down: {is_down}");
        service.stop().await;
    }
}

#[tokio::test]
async fn a_broker_that_lost_everything_gets_everything_again() {
    for is_down in [false, true] {
        let (mut nats, place) = own().await;
        let mut service = Service::whole(&place).await;
        let before = answer(&service, 100).await;
        if is_down {
            service.stop().await;
        }
        nats.kill().await;
        nats.delete_store().await.unwrap();
        nats.restart().await.unwrap();
        if is_down {
            service = Service::whole(&place).await;
        }
        let after = join_all((0..10).map(|_| service.submit(added(Uuid::new_v4(), 1)))).await;
        let after = after.into_iter().map(|answers| answers.unwrap()[0].id);
        let all: Vec<_> = before.into_iter().chain(after).collect();
        eventually("all answers", async || service.is_all_there(&all).await).await;
        service.stop().await;
    }
}

#[tokio::test]
async fn a_stream_that_was_deleted_is_made_and_filled_again() {
    for is_down in [false, true] {
        let (nats, place) = own().await;
        let mut service = Service::whole(&place).await;
        let answers = answer(&service, 100).await;
        if is_down {
            service.stop().await;
        }
        delete_events(&nats, &place).await;
        if is_down {
            service = Service::whole(&place).await;
        }
        eventually("all answers", async || service.is_all_there(&answers).await).await;
        assert_eq!(service.stream().await, answers, "in the order of decision");
        service.stop().await;
    }
}

#[tokio::test]
async fn what_the_stream_would_have_dropped_by_age_is_not_brought_back() {
    let (nats, place) = own().await;
    let service = Service::whole(&place).await;
    let old = answer(&service, 20).await;
    service.execute("update published_blocks set at = now() - interval '8 days'").await;
    let young = answer(&service, 20).await;
    delete_events(&nats, &place).await;
    eventually("the young answers", async || service.is_all_there(&young).await).await;
    assert_eq!(service.stream().await, young);
    assert!(!service.is_all_there(&old).await);
    service.stop().await;
}

#[tokio::test]
async fn every_service_fills_in_its_own_part() {
    let (mut nats, place) = own().await;
    let neighbour = Place { schema: "other", ..place.clone() };
    let services = [Service::whole(&place).await, Service::whole(&neighbour).await];
    let (one, two) = tokio::join!(answer(&services[0], 60), answer(&services[1], 60));
    nats.kill().await;
    nats.delete_store().await.unwrap();
    nats.restart().await.unwrap();
    let all: Vec<_> = [one, two].concat();
    eventually("all answers of both", async || {
        services[1].unpublished().await == 0 && services[0].is_all_there(&all).await
    })
    .await;
    for service in services {
        service.stop().await;
    }
}

#[tokio::test]
async fn what_a_crash_left_unpublished_is_published_at_the_next_start() {
    let place = Place::shared().await;
    let service = Service::engine(&place).await;
    let answers = answer(&service, 10).await;
    // As if the process had died between its commit and the broker.
    service.execute("delete from published_blocks").await;
    service.stop().await;
    let service = Service::engine(&place).await;
    assert_eq!(service.unpublished().await, 10);
    service.relay();
    eventually("them to be published", async || service.unpublished().await == 0).await;
    // They stood there all the time: the server knew them by their ids.
    assert_eq!(service.stream().await, answers);
    service.stop().await;
}

/// Has a message given up, and gives its letter.
async fn give_up(service: &Service, count: usize) -> bus::DeadLetter {
    let large = event(&also(Uuid::new_v4(), Also::Large));
    let sent = service.bus.send(&[large]).await;
    service.bus.stored(sent).await.unwrap();
    eventually("the dead letter", async || service.letters().await.len() == count).await;
    service.letters().await.remove(count - 1)
}

#[tokio::test]
async fn dead_letters_the_broker_lost_are_put_back_as_they_were() {
    let (mut nats, place) = own().await;
    let service = Service::whole(&place).await;
    let first = give_up(&service, 1).await;
    let second = give_up(&service, 2).await;
    eventually("both places to be noted", async || {
        service.count("buried where sequence is not null").await == 2
    })
    .await;

    // What was taken out stays out, whatever is lost later.
    assert!(service.bus.requeue(first.sequence).await.unwrap());
    eventually("it to be given up again", async || {
        let letters = service.letters().await;
        letters.len() == 2 && letters.iter().all(|letter| letter.sequence >= second.sequence)
    })
    .await;
    let before = service.letters().await;

    nats.kill().await;
    nats.delete_store().await.unwrap();
    nats.restart().await.unwrap();
    eventually("the letters to be there again", async || {
        service.bus.dead_letters(10).await.is_ok_and(|letters| letters.len() == 2)
    })
    .await;
    let told = |letters: Vec<bus::DeadLetter>| {
        let mut told: Vec<_> = letters
            .into_iter()
            .map(|it| (it.at, it.consumer, it.reason, it.kind, it.body.to_string()))
            .collect();
        told.sort();
        told
    };
    assert_eq!(told(service.letters().await), told(before), "also when they were given up");
    assert!(service.bus.requeue(service.letters().await[0].sequence).await.unwrap());
    service.stop().await;
}

#[tokio::test]
async fn what_was_given_up_is_not_tried_again_when_it_comes_again_but_when_a_person_gives_it_back()
{
    let place = Place::shared().await;
    let service = Service::whole(&place).await;
    let letter = give_up(&service, 1).await;
    eventually("its place to be noted", async || {
        service.count("buried where sequence is not null").await == 1
    })
    .await;
    service.stop().await;

    // The service was mended, and its consumer begins again with everything.
    let service = Service::engine(&place).await;
    let (id, counter) = (service.stream().await[0], Uuid::new_v4());
    let again = async |is_requeued| {
        let mended = Envelope { id, ..event(&added(counter, 1)) };
        let incoming = Incoming { envelope: mended, span: tracing::Span::none(), is_requeued };
        let answered = service.engine.handle(vec![incoming]).await.remove(0);
        assert!(answered.is_ok(), "{answered:?}");
        service.counter(counter).await.total
    };
    assert_eq!(again(false).await, 0);
    assert_eq!(service.letters().await.len(), 1);
    // The mark of a requeue is on the message.
    assert!(service.bus.requeue(letter.sequence).await.unwrap());
    assert_eq!(again(true).await, 1);
    assert_eq!(again(false).await, 1, "it is answered from memory now");
    service.stop().await;
}

#[tokio::test]
async fn a_letter_that_was_handled_since_is_not_put_back() {
    let (mut nats, place) = own().await;
    let service = Service::whole(&place).await;
    give_up(&service, 1).await;
    // As if the service had been mended, and the letter given back to it.
    service
        .execute(
            "insert into remembered (consumer, event_id, event_type, event_key, correlation,
                 event_at, answered_at, answers, has_answers)
             select consumer, key, '', '', key, now(), now() + interval '1 second', '[]', false
             from buried",
        )
        .await;
    nats.kill().await;
    nats.delete_store().await.unwrap();
    nats.restart().await.unwrap();
    settled(&service).await;
    eventually("the letter to be forgotten", async || service.count("buried").await == 0).await;
    assert!(service.letters().await.is_empty());
    service.stop().await;
}
