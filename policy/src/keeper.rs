//! Keeps what is in force, and what is held by it, in step with where the policies are read.

use std::{collections::HashMap, sync::Arc};

use ::store::Engine;
use chrono::{TimeDelta, Utc};
use contracts::{
    Code, CommitSha, Outgoing, Reason,
    policies::{PoliciesRefused, PoliciesReplaced, PolicyFault},
};
use located::Fault;
use service::health::Troubles;
use sqlx::PgPool;
use tokio::sync::Mutex;
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::{
    commit_words::REMEMBERED,
    decider::GateDecider,
    desk::line::LATELY,
    library::{Library, Look, Shelf},
    metrics::Refusals,
    news::News,
    store::{self, Before, Standing},
};

/// How many waiting gates are woken at a time when the policies change.
const PAGE: i64 = 1000;
/// How many faults a message names.
const FAULTS_MAX: usize = 20;

/// Keeps what is in force.
pub(crate) struct Keeper {
    pub(crate) library: Arc<Library>,
    /// Policies on trial.
    pub(crate) shadow: Option<Arc<Library>>,
    pub(crate) engine: Engine<GateDecider>,
    pub(crate) pool: PgPool,
    /// What was noted last, by where it is read.
    pub(crate) noted: Mutex<HashMap<String, Standing>>,
    pub(crate) refusals: Refusals,
    /// What its readiness says of it.
    pub(crate) troubles: Troubles,
    /// The digest of the policies that waiting gates are put to.
    pub(crate) put_to: Mutex<String>,
}

/// How much later than another a word may be committed that was kept before it.
const LATE: TimeDelta = TimeDelta::minutes(1);

/// Says which policies are in force.
pub(crate) fn announce(library: &Library) {
    let set = library.current();
    let (source, commit) = (library.source().title(), set.commit.as_ref().map(CommitSha::as_str));
    info!(source, commit, policies = set.len(), policy.digest = set.digest, "policies in force");
    for warning in &set.warnings {
        warn!("{warning}");
    }
}

impl Keeper {
    /// What must be known before the first gate is decided.
    pub(crate) async fn begin(&self) -> anyhow::Result<()> {
        self.see_line().await?;
        self.note().await?;
        self.see_words().await?;
        self.see_broken_chains().await
    }

    /// Looks whether anything has changed.
    pub(crate) async fn look(&self) -> anyhow::Result<()> {
        for library in [Some(&self.library), self.shadow.as_ref()].into_iter().flatten() {
            let looking = library.clone();
            match tokio::task::spawn_blocking(move || looking.look(Utc::now())).await? {
                Look::Same => {}
                Look::Replaced => announce(library),
                Look::Refused(faults) => {
                    let source = library.source().title();
                    error!(source, "new policies are refused, the old ones stay: {faults}");
                }
            }
        }
        self.see_line().await?;
        self.note().await?;
        self.see_broken_chains().await?;
        self.see_words().await?;
        self.see_turns().await?;
        self.wake_waiting().await
    }

    /// Asks the origin, if it is time to or something new was heard of.
    pub(crate) async fn fetch(&self) -> anyhow::Result<()> {
        if let Some(branch) = self.library.branch() {
            // What another replica has read, this one should have, too.
            if let Some(head) = store::head_of(&self.pool, &branch.key()).await?
                && !branch.has(&head)
            {
                branch.heard.of(&head);
            }
        }
        fetch(&self.library).await;
        Ok(())
    }

    /// The same for policies on trial: whose origin is away must not keep those in force waiting.
    pub(crate) async fn fetch_trial(&self) -> anyhow::Result<()> {
        if let Some(shadow) = &self.shadow {
            fetch(shadow).await;
        }
        Ok(())
    }

    /// Puts in force what people stopped or let go on by hand, on whichever replica they said it.
    async fn see_line(&self) -> anyhow::Result<()> {
        let stops = store::line(&self.pool, Utc::now() - LATELY).await?;
        if let Some(shadow) = &self.shadow {
            // What is stopped by hand is no difference between policies.
            shadow.switch(&stops, Utc::now());
        }
        match self.library.switch(&stops, Utc::now()) {
            Look::Same => {}
            Look::Replaced => {
                let news = self.library.shelf().switched.unwrap_or_default();
                warn!(news, "the line is switched");
                announce(&self.library);
            }
            Look::Refused(faults) => error!("what is stopped by hand cannot be read: {faults}"),
        }
        Ok(())
    }

    /// Notes what is in force and what is on trial, and tells of it if it is news.
    async fn note(&self) -> anyhow::Result<()> {
        self.note_one(&self.library, false).await?;
        match &self.shadow {
            Some(shadow) => self.note_one(shadow, true).await,
            None => Ok(()),
        }
    }

    async fn note_one(&self, library: &Library, is_trial: bool) -> anyhow::Result<()> {
        let shelf = library.shelf();
        self.refusals.are(is_trial, shelf.refused.is_some());
        let what = if is_trial { "policies on trial" } else { "policies" };
        match &shelf.refused {
            Some(refused) => self.troubles.warn(what, &refused.faults.to_string()),
            None => self.troubles.clear(what),
        }
        let key = library.source().key();
        let standing = Standing {
            source: if is_trial { trial_of(&key) } else { key },
            head: shelf.head().cloned(),
            commit: shelf.set.commit.clone(),
            digest: if shelf.is_read { shelf.set.digest.clone() } else { String::new() },
            refused: shelf.refused.as_ref().map(|refused| refused.faults.to_string()),
        };
        let mut noted = self.noted.lock().await;
        if noted.get(&standing.source) != Some(&standing) {
            // So that its decisions can be explained, and a start without another set finds it.
            if shelf.is_read {
                let files = library.sources();
                store::keep_set(&self.pool, &standing.digest, &files, Utc::now()).await?;
            }
            let told = |before: &Before| told(library, &shelf, before, is_trial);
            store::note(&self.pool, &standing, told, Utc::now()).await?;
            noted.insert(standing.source.clone(), standing);
        }
        Ok(())
    }

    /// Another replica may have been told of a broken glass: what waits behind it is to go on.
    async fn see_broken_chains(&self) -> anyhow::Result<()> {
        let broken = store::broken_chains(&self.pool, Utc::now()).await?;
        let glass = &self.engine.decider().glass;
        let known = glass.read().expect("no holder panics").clone();
        if *known == broken {
            return Ok(());
        }
        let news = broken.iter().filter(|glass| !known.contains(glass));
        let news: Vec<_> = news.map(|glass| News::Glass(glass.chain)).collect();
        *glass.write().expect("no holder panics") = Arc::new(broken);
        self.engine.decider().rounds.begin(news);
        Ok(())
    }

    /// Hears what was said about commits.
    async fn see_words(&self) -> anyhow::Result<()> {
        let GateDecider { commit_words, rounds, .. } = self.engine.decider();
        let now = Utc::now();
        let newest = commit_words.newest().unwrap_or(now - REMEMBERED);
        let words = store::words_since(&self.pool, newest - LATE).await?;
        rounds.begin(commit_words.note(words, now).into_iter().map(News::Word));
        Ok(())
    }

    /// Wakes the chains whose turn has come, as a net: who ends wakes them, too.
    async fn see_turns(&self) -> anyhow::Result<()> {
        let set = self.library.current();
        if set.counts_chains() {
            self.engine.nudge(&store::next(&self.pool, &set, Utc::now()).await?).await?;
        }
        Ok(())
    }

    /// Wakes the gates that are held and whom something concerns that is news.
    async fn wake_waiting(&self) -> anyhow::Result<()> {
        let rounds = &self.engine.decider().rounds;
        let digest = self.library.current().digest.clone();
        let mut put_to = self.put_to.lock().await;
        if *put_to != digest {
            put_to.clone_from(&digest);
            rounds.begin([News::Policies]);
        }
        let news = rounds.due();
        if news.is_empty() {
            return Ok(());
        }
        if news.contains(&News::Policies) {
            self.put_to_policies(&digest).await?;
        }
        self.engine.nudge(&store::concerned(&self.pool, &news).await?).await?;
        rounds.done(&news);
        Ok(())
    }

    /// Wakes those that were not put to these policies yet: also those of the time before this
    /// process started.
    async fn put_to_policies(&self, digest: &str) -> anyhow::Result<()> {
        let mut after = (String::new(), Uuid::nil());
        loop {
            let page = store::unconsidered(&self.pool, digest, &after, PAGE, Utc::now()).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after.clone_from(last);
            let gates: Vec<Uuid> = page.into_iter().map(|(_, gate)| gate).collect();
            self.engine.nudge(&gates).await?;
        }
    }
}

/// By what the standing of policies on trial is kept.
pub(crate) fn trial_of(key: &str) -> String {
    format!("trial of {key}")
}

async fn fetch(library: &Library) {
    let Some(branch) = library.branch().filter(|branch| branch.heard.take_turn(branch.refresh))
    else {
        return;
    };
    let done = branch.fetch_in_time().await;
    branch.heard.settle(|commit| branch.has(commit));
    if library.note_fetch(&done, Utc::now()) {
        let source = branch.title();
        match &done {
            Ok(()) => info!(source, "the repository of policies can be fetched again"),
            Err(error) => {
                let error = format!("{error:#}");
                warn!(source, error, "policies cannot be fetched; those that are here stay");
            }
        }
    }
}

/// What is told of what stands now, to whom what stood before was told.
fn told(library: &Library, shelf: &Shelf, before: &Before, is_trial: bool) -> Vec<Outgoing> {
    let (source, set) = (library.source(), &shelf.set);
    let title = |commit: Option<&CommitSha>| {
        let at = commit.map(|commit| format!(" at {}", commit.short())).unwrap_or_default();
        format!("{}{at}", source.title())
    };
    let mut told = Vec::new();
    let previous = before.digest.clone().filter(|previous| *previous != set.digest && !is_trial);
    if let Some(previous) = previous {
        let (policies, commit) = (set.len(), set.commit.as_ref());
        let text = shelf
            .switched
            .clone()
            .unwrap_or_else(|| format!("{policies} policies of {} are in force", title(commit)));
        let digest = set.digest.clone();
        let reason = Reason::new(Code::PoliciesReplaced, text);
        let source = source.at(commit);
        let replaced = PoliciesReplaced { source, digest, previous, policies, reason };
        told.push(Outgoing::new(&replaced));
    }
    if let Some(refused) = &shelf.refused
        && (before.refused != Some(refused.faults.to_string()) || before.head != refused.commit)
    {
        let all = &refused.faults.0;
        let more = match all.len() {
            0 | 1 => String::new(),
            many => format!(", and {} more", many - 1),
        };
        let said = |fault: &Fault| {
            let text = fault.to_string();
            format!("{}; {}", text.lines().next().unwrap_or_default(), fault.advice)
        };
        let first = all.first().map(said).unwrap_or_default();
        let (which, stays) = match (is_trial, shelf.is_read) {
            (false, _) => ("the policies", "what was in force stays"),
            (true, true) => ("the policies on trial", "what was tried is tried on"),
            (true, false) => ("the policies on trial", "nothing is tried until they are mended"),
        };
        let source_at = title(refused.commit.as_ref());
        let text = format!("{which} of {source_at} are refused, and {stays}: {first}{more}");
        let refused = PoliciesRefused {
            source: source.at(refused.commit.as_ref()),
            digest: set.digest.clone(),
            faults: all.iter().take(FAULTS_MAX).map(fault).collect(),
            reason: Reason::new(Code::PoliciesRefused, text),
            trial: is_trial,
        };
        told.push(Outgoing::new(&refused));
    }
    told
}

fn fault(fault: &Fault) -> PolicyFault {
    let Fault { file, place, what, advice } = fault.clone();
    PolicyFault { file, line: place.map(|place| place.line), what, advice }
}
