//! The line to the services: questions and commands over NATS.

use std::{fs, time::Duration};

use bus::{Bus, BusError, Command, Problem};
use contracts::{Card, Message, plain, subject};
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use crate::{failure::Failure, target::Target};

/// All services, in the order of the way of a change.
pub(crate) const SERVICES: [&Card; 5] =
    [&ingest::CARD, &planner::CARD, &policy::CARD, &executor::CARD, &notifier::CARD];

/// For how long to try to connect. A person waits.
const PATIENCE: Duration = Duration::from_secs(1);

/// A line to the services of one installation.
pub(crate) struct Desk {
    /// The connection.
    pub(crate) bus: Bus,
    /// Where it leads.
    pub(crate) target: Target,
}

impl Desk {
    pub(crate) async fn connect(target: Target) -> Result<Self, Failure> {
        if let Some(file) = &target.credentials {
            fs::metadata(file).map_err(|error| Failure::unread(file, error))?;
        }
        let options = bus::Options {
            credentials: target.credentials.clone(),
            connect_patience: PATIENCE,
            ..bus::Options::at(target.url.clone(), target.prefix.clone())
        };
        match Bus::connect(&options, "command line").await {
            Ok(bus) => Ok(Self { bus, target }),
            // The error's own text holds the address as it was given, with a password if it has one.
            Err(BusError::Unreachable { source, .. }) => {
                let message = format!("cannot reach nats-server at {target}; {}", target.advice());
                Err(Failure::Unavailable { message, source: Some(source) })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Asks a service something.
    pub(crate) async fn ask(
        &self,
        service: &str,
        question: &str,
        body: Value,
    ) -> Result<Value, Failure> {
        self.request(service, &subject::question(service, question), body).await
    }

    /// Gives a command to the service that takes it.
    pub(crate) async fn order<M: Message>(&self, order: &M) -> Result<Value, Failure> {
        let body = own(order);
        // Who has no name is told so by the service.
        let by = body["by"].as_str().map(str::trim).filter(|by| !by.is_empty());
        let given = match by {
            Some(by) => self.bus.command_by(by, M::TYPE, &body).await,
            None => self.bus.request(&subject::command(M::TYPE), &body).await,
        };
        self.told(taker(M::TYPE), given)
    }

    /// Gives a command whose subject ends with what it is for.
    pub(crate) async fn order_for<M: Message>(
        &self,
        order: &M,
        key: &str,
    ) -> Result<Value, Failure> {
        let subject = subject::command_for(M::TYPE, key);
        self.request(taker(M::TYPE), &subject, own(order)).await
    }

    async fn request(&self, service: &str, subject: &str, body: Value) -> Result<Value, Failure> {
        self.told(service, self.bus.request(subject, &body).await)
    }

    fn told(
        &self,
        service: &str,
        answered: Result<Result<Value, Problem>, BusError>,
    ) -> Result<Value, Failure> {
        match answered {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(problem)) => Err(Failure::answered(problem)),
            Err(BusError::NobodyAnswers { .. }) => Err(Failure::unavailable(format!(
                "the {service} service is not running at {}; start it; on a developer's machine \
                 `stackly dev` starts all",
                self.target
            ))),
            Err(error) => Err(error.into()),
        }
    }
}

/// A command with an id of its own: should the request reach the service twice, it is still one.
fn own<M: Message>(order: &M) -> Value {
    plain(&Command { id: Uuid::new_v4(), command: order })
}

/// The service that takes a command.
fn taker(kind: &str) -> &'static str {
    let takes = |card: &&&Card| card.commands.contains(&kind);
    SERVICES.iter().find(takes).map_or("needed", |card| card.service)
}

/// Reads what a service answered.
pub(crate) fn read<T: DeserializeOwned>(service: &str, value: Value) -> Result<T, Failure> {
    serde_json::from_value(value)
        .map_err(|source| Failure::Garbled { service: service.to_owned(), source })
}
