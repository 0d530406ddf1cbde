//! The durable consumer of one handler: the place in the stream that all its replicas share.
//!
//! While a service is upgraded, builds that take more and builds that take less share it. So the
//! filter only ever grows: what an older replica is given of it, it gives back. And the server does
//! not go back for a type that is newly taken, although what was written of it before, by senders
//! that were upgraded first, was passed by: the consumer is made anew, from the first such message
//! on. What comes again because of that is answered from memory.

use async_nats::jetstream::{
    consumer::{AckPolicy, Consumer, DeliverPolicy, Info, pull},
    context::ConsumerInfoErrorKind,
    stream::{RawMessageErrorKind, Stream},
};
use contracts::{subject, topology::EVENTS};
use tracing::info;

use crate::{Bus, BusError, verdict::DELIVERIES_MAX};

/// The durable consumer of one handler, made or brought up to date.
pub(crate) async fn consumer(
    bus: &Bus,
    name: &str,
    takes: &[&str],
) -> Result<Consumer<pull::Config>, BusError> {
    let events = bus.stream_name(EVENTS.name);
    let stream = bus.jetstream.get_stream_no_info(&events).await;
    let stream = stream.map_err(|error| BusError::request("look up the events", error))?;
    let mut filter: Vec<_> =
        takes.iter().map(|kind| bus.subject(&subject::events_of(kind))).collect();
    let mut deliver_policy = DeliverPolicy::All;
    match stream.consumer_info(name).await {
        Ok(found) => {
            let known = &found.config.filter_subjects;
            let new: Vec<_> = filter.iter().filter(|kind| !known.contains(kind)).collect();
            deliver_policy = match new.is_empty() {
                true => found.config.deliver_policy,
                false => rewind(&stream, &found, &new).await?,
            };
            let dropped = known.iter().filter(|kind| !filter.contains(kind)).cloned();
            filter.extend(dropped.collect::<Vec<_>>());
        }
        Err(error) if error.kind() == ConsumerInfoErrorKind::NotFound => {}
        Err(error) => return Err(BusError::request(format!("look up consumer {name}"), error)),
    }
    let config = pull::Config {
        durable_name: Some(name.to_owned()),
        filter_subjects: filter,
        deliver_policy,
        ack_policy: AckPolicy::Explicit,
        ack_wait: bus.options.ack_wait,
        max_deliver: DELIVERIES_MAX,
        // Without end: what is given back counts, and what waits for a newer build would in the end
        // keep everything else from being delivered. No more is taken than there is room for anyway.
        max_ack_pending: -1,
        ..pull::Config::default()
    };
    let made = bus.jetstream.create_consumer_on_stream(config, events).await;
    made.map_err(|error| BusError::request(format!("make consumer {name}"), error))
}

/// Removes a consumer that passed by what it is to take now; gives where the next has to begin. Who
/// stops in between has one made that begins with everything.
async fn rewind(
    stream: &Stream<()>,
    found: &Info,
    new: &[&String],
) -> Result<DeliverPolicy, BusError> {
    let mut start_sequence = found.ack_floor.stream_sequence + 1;
    for subject in new {
        // Asked of the leader: another replica of the stream may not have the message yet.
        match stream.get_first_raw_message_by_subject(subject, 1).await {
            Ok(first) => start_sequence = start_sequence.min(first.sequence),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => {}
            Err(error) => return Err(BusError::request(format!("look for {subject}"), error)),
        }
    }
    let name = &found.name;
    info!(consumer = name, ?new, start_sequence, "takes more; makes the consumer anew");
    let removed = stream.delete_consumer(name).await;
    removed.map_err(|error| BusError::request(format!("remove consumer {name}"), error))?;
    Ok(DeliverPolicy::ByStartSequence { start_sequence })
}
