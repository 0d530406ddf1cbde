//! Eras: within one, what the stream of events loses, it loses from its end.
//!
//! An era is one life of the stream on one life of the server. A broker loses messages when it
//! dies and comes back (what was not flushed yet, or all of it) and when its stream is deleted and
//! made again. Both begin a new era, so whoever noted the era beside the sequence of a message can
//! tell what was lost: everything if the stream is another one, otherwise a suffix.
//!
//! The server is the one we are connected to. In a cluster, another one may hold the stream, and lose
//! its end without our seeing it: whoever relies on eras looks at the end of the one that lasts, too, and
//! begins another one when it is lost.

use tokio::sync::OwnedRwLockReadGuard;
use uuid::Uuid;

use crate::{Bus, BusError};

/// One life of the stream of events on one life of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Era {
    /// Its name.
    pub id: Uuid,
    /// The life of the stream: another one once the stream was deleted and made again.
    pub life: Uuid,
    server: String,
}

impl Era {
    /// The era that begins when this one turns out to have lost its end although the server lives on.
    pub fn anew(self) -> Self {
        Self { id: Uuid::new_v4(), ..self }
    }
}

/// The stream of events as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// The era it is in.
    pub era: Era,
    /// The oldest sequence it holds; what is below was dropped by age.
    pub first_sequence: u64,
    /// The newest sequence it gave.
    pub last_sequence: u64,
}

/// While it is held, the era that was entered cannot be left.
pub struct EraGuard {
    held: OwnedRwLockReadGuard<Option<Era>>,
    bus: Bus,
}

impl EraGuard {
    /// The era entered, if the server is still the one it began on.
    pub fn id(&self) -> Option<Uuid> {
        current(self.held.as_ref(), &self.bus)
    }
}

fn current(era: Option<&Era>, bus: &Bus) -> Option<Uuid> {
    // The client knows the server's new name before it reads anything from it, so an
    // acknowledgement of a new server is never taken for one of the old.
    era.filter(|era| era.server == bus.client.server_info().server_id).map(|era| era.id)
}

impl Bus {
    /// Looks at the stream of events; makes missing streams first.
    pub async fn sight(&self) -> Result<Sight, BusError> {
        let server = self.client.server_info().server_id;
        let stream = self.ensure_streams().await?;
        if self.client.server_info().server_id != server {
            let what = "look at the events: the connection changed meanwhile";
            return Err(BusError::request(what, anyhow::anyhow!("another server answers")));
        }
        let life = Uuid::new_v5(&Uuid::nil(), stream.created.to_string().as_bytes());
        let id = Uuid::new_v5(&life, server.as_bytes());
        Ok(Sight {
            era: Era { id, life, server },
            first_sequence: stream.state.first_sequence,
            last_sequence: stream.state.last_sequence,
        })
    }

    /// The era in which messages are sent now; none while nobody has looked since the connection
    /// was made.
    pub fn era(&self) -> Option<Uuid> {
        current(self.era.try_read().ok()?.as_ref(), self)
    }

    /// The era that was entered, if it is one of the same life of the stream on the same server.
    pub fn entered(&self, seen: &Era) -> Option<Uuid> {
        let entered = self.era.try_read().ok()?;
        let is_same = |era: &&Era| era.life == seen.life && era.server == seen.server;
        entered.as_ref().filter(is_same).map(|era| era.id)
    }

    /// Holds on to the era.
    pub async fn hold_era(&self) -> EraGuard {
        EraGuard { held: self.era.clone().read_owned().await, bus: self.clone() }
    }

    /// Leaves the era, once nobody holds on to it: from now on nothing is known to be stored.
    pub async fn leave_era(&self) {
        *self.era.write().await = None;
    }

    /// Enters an era: what is sent from now on, and stored before the next, belongs to it.
    pub async fn enter_era(&self, era: Era) {
        *self.era.write().await = Some(era);
    }
}
