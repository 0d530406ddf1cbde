//! Stacks whose `stackly.hcl` says when they are compared with the real world: `drift`.
//!
//! Each minute is looked at once, by whichever replica comes first: the id of what is asked for is
//! made of the minute, so to ask again is to ask for the same. Of minutes that nobody looked at, while
//! the planner was down, the last of each stack counts.

use std::{collections::BTreeMap, str::FromStr};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use chrono_tz::Tz;
use code::settings::Drift;
use contracts::{Action, StackId, chain::ChainKind};
use sqlx::PgPool;
use store::Engine;
use uuid::Uuid;

use crate::{decider::Planner, known::Known, ordered::Asked, store as tables};

/// The message by which a schedule asks.
const KIND: &str = "drift.due";
/// How far back minutes are looked at.
const BACK_MAX: TimeDelta = TimeDelta::days(7);

/// Looks at the schedules.
#[derive(Clone)]
pub(crate) struct Clock {
    pub(crate) pool: PgPool,
    pub(crate) engine: Engine<Planner>,
}

/// Stacks whose time came in one minute.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Round {
    at: DateTime<Utc>,
    /// Whether what differs is put right, or looked at alone.
    kind: ChainKind,
    stacks: Vec<StackId>,
}

impl Clock {
    /// Asks for what became due since somebody last looked.
    pub(crate) async fn look(&self) -> anyhow::Result<()> {
        let Some(snapshot) = self.engine.decider().shelf.snapshot() else { return Ok(()) };
        let until = Utc::now().duration_trunc(TimeDelta::minutes(1))?;
        // Who never looked has missed nothing.
        let since = tables::drift_seen(&self.pool).await?;
        if since.is_some_and(|since| since >= until) {
            return Ok(());
        }
        let since = since.unwrap_or(until).max(until - BACK_MAX);
        for round in rounds(&snapshot.known, since, until) {
            self.begin(round, &snapshot.known).await?;
        }
        tables::note_drift_seen(&self.pool, until).await?;
        Ok(())
    }

    async fn begin(&self, Round { at, kind, stacks }: Round, known: &Known) -> anyhow::Result<()> {
        let name = format!("drift/{}/{kind:?}", at.timestamp());
        let asked = Asked {
            id: Uuid::new_v5(&contracts::id::NAMESPACE, name.as_bytes()),
            action: Action::FixDrift,
            chains: kind,
            kind: KIND,
            stacks,
            by: "the schedule in its stackly.hcl".to_owned(),
            note: None,
        };
        asked.carry_out_what_fits(&self.engine, known).await
    }
}

/// What became due after `since`, up to `until`.
fn rounds(known: &Known, since: DateTime<Utc>, until: DateTime<Utc>) -> Vec<Round> {
    let mut rounds: BTreeMap<(DateTime<Utc>, bool), Vec<StackId>> = BTreeMap::new();
    for (position, stack) in known.catalogue.stacks().iter().enumerate() {
        let said = known.catalogue.blueprint(position).and_then(|said| said.drift.as_deref());
        let Some(drift) = said.filter(|_| !stack.disabled) else { continue };
        if let Some(at) = last(drift, since, until) {
            let key = (at, drift.reconcile == Some(true));
            rounds.entry(key).or_default().push(stack.id.clone());
        }
    }
    let round = |((at, reconciles), stacks)| {
        let kind = if reconciles { ChainKind::Deploy } else { ChainKind::Preview };
        Round { at, kind, stacks }
    };
    rounds.into_iter().map(round).collect()
}

/// The last time of a schedule after `since`, up to `until`.
fn last(drift: &Drift, since: DateTime<Utc>, until: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let zone: Tz = drift.timezone.as_deref().and_then(|zone| zone.parse().ok()).unwrap_or(Tz::UTC);
    let until = until.with_timezone(&zone);
    let times = drift.schedule.iter().filter_map(|text| {
        let cron = croner::Cron::from_str(text).ok()?;
        cron.find_previous_occurrence(&until, true).ok()
    });
    times.map(|at| at.with_timezone(&Utc)).filter(|at| *at > since).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        blueprint::{Blueprint, tests::blueprint},
        catalogue::tests::stack,
    };

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn compared(name: &str, schedule: &[&str], reconcile: bool) -> Blueprint {
        let drift = Drift {
            schedule: schedule.iter().map(|text| (*text).to_owned()).collect(),
            timezone: Some("Europe/Berlin".to_owned()),
            reconcile: Some(reconcile),
            ..Drift::default()
        };
        Blueprint { drift: Some(Box::new(drift)), ..blueprint(name) }
    }

    /// `minute kind: stacks` of each round.
    fn due(since: &str, until: &str) -> Vec<String> {
        let said = vec![
            compared("a", &["0 4 * * *", "30 12 * * SAT"], true),
            compared("b", &["0 4 * * *"], false),
            compared("c", &["0 4 * * *"], true),
            compared("off", &["* * * * *"], true),
            blueprint("never"),
        ];
        let stacks = vec![stack("a"), stack("b"), stack("c"), stack("off").off(), stack("never")];
        let known = Known::with_code(1, stacks, said);
        let told = |Round { at, kind, stacks }| {
            let names: Vec<&str> = stacks.iter().map(StackId::as_str).collect();
            format!("{} {kind:?}: {}", at.format("%d %H:%M"), names.join(" "))
        };
        rounds(&known, at(since), at(until)).into_iter().map(told).collect()
    }

    #[test]
    fn each_minute_counts_once_in_the_zone_of_the_schedule() {
        // Four o'clock in Berlin, in winter.
        let both = ["28 03:00 Preview: b", "28 03:00 Deploy: a c"];
        assert_eq!(due("2026-11-28T02:59:00Z", "2026-11-28T03:00:00Z"), both);
        assert_eq!(due("2026-11-28T03:00:00Z", "2026-11-28T03:01:00Z"), [""; 0]);
        // The 28th is a Saturday.
        assert_eq!(due("2026-11-28T03:00:00Z", "2026-11-28T11:31:00Z"), ["28 11:30 Deploy: a"]);
    }

    #[test]
    fn of_what_was_missed_the_last_counts() {
        let late = due("2026-11-20T00:00:00Z", "2026-11-28T12:00:00Z");
        let wanted = ["28 03:00 Preview: b", "28 03:00 Deploy: c", "28 11:30 Deploy: a"];
        assert_eq!(late, wanted);
    }
}
