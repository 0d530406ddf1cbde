//! The broker: a nats-server of our own, or our part of one that was given.

use std::sync::Arc;

use anyhow::Context;
use bus::Bus;
use embedded::{Nats, NatsOptions};

use super::keep::Keep;
use crate::dev::{DevArguments, say};

/// The broker, and in front of what our streams and subjects are.
pub(super) struct Broker {
    server: Server,
    pub(super) prefix: String,
}

enum Server {
    Ours(Box<Nats>),
    Given { url: String, keep: bool },
}

impl Broker {
    pub(super) async fn start(arguments: &DevArguments, keep: &Keep) -> anyhow::Result<Self> {
        let Some(url) = &arguments.nats_url else {
            let options = NatsOptions {
                store: keep.store("nats"),
                say: Arc::new(|line: &str| say(line)),
                ..NatsOptions::default()
            };
            let nats = Nats::start(options).await.context("nats-server")?;
            return Ok(Self { server: Server::Ours(Box::new(nats)), prefix: String::new() });
        };
        let server = Server::Given { url: url.clone(), keep: keep.is_kept() };
        let broker = Self { server, prefix: keep.name.clone() };
        broker.forget().await.context("the streams of an earlier start")?;
        Ok(broker)
    }

    /// What a simulated account led to means nothing to the next one.
    async fn forget(&self) -> anyhow::Result<()> {
        if let Server::Given { url, keep: false } = &self.server {
            let bus = Bus::connect(&bus::Options::at(url, &self.prefix), "dev").await?;
            bus.delete_streams().await?;
        }
        Ok(())
    }

    pub(super) fn url(&self) -> String {
        match &self.server {
            Server::Ours(nats) => nats.url(),
            Server::Given { url, .. } => url.clone(),
        }
    }

    pub(super) fn process(&self) -> Option<(&'static str, u32)> {
        match &self.server {
            Server::Ours(nats) => Some(("nats-server", nats.pid())),
            Server::Given { .. } => None,
        }
    }

    pub(super) async fn stop(self) {
        if let Err(error) = self.forget().await {
            say(&format!("The streams {}_* stay on the given nats-server: {error:#}", self.prefix));
        }
        if let Server::Ours(nats) = self.server {
            nats.stop().await;
        }
    }
}
