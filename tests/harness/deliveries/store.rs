//! What was decided, out of the tables that hold it.

use std::{collections::BTreeMap, fmt::Debug};

use serde_json::{Value, json};
use sqlx::{PgPool, Row as _};
use uuid::Uuid;

/// What became of one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    kind: String,
    content_key: String,
    verdict: String,
    code: String,
    repository: Option<String>,
    head: Option<String>,
}

/// Everything that was decided, apart from when.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Decisions {
    /// What became of each fact, by its id.
    pub outcomes: BTreeMap<Uuid, Outcome>,
    /// What ingest told the others because of it.
    pub told: BTreeMap<Uuid, String>,
    /// What the planner answered about each commit or repository, at once or once it had read the account anew.
    pub answered: BTreeMap<String, String>,
}

impl Decisions {
    /// The first differences from what was decided elsewhere.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut all = differences("outcome", &self.outcomes, &other.outcomes);
        all.extend(differences("event", &self.told, &other.told));
        all.extend(differences("answer", &self.answered, &other.answered));
        all
    }
}

/// How many differences are shown.
const SHOWN: usize = 5;

fn differences<K: Debug + Ord, V: Debug + PartialEq>(
    what: &str,
    ours: &BTreeMap<K, V>,
    theirs: &BTreeMap<K, V>,
) -> Vec<String> {
    let keys = ours.keys().chain(theirs.keys().filter(|key| !ours.contains_key(key)));
    let differ = keys.filter(|key| ours.get(key) != theirs.get(key));
    let show = |key: &K| format!("{what} {key:?}: {:?} or {:?}", ours.get(key), theirs.get(key));
    differ.take(SHOWN).map(show).collect()
}

/// A connection of our own: that of the services goes down with the server.
pub(super) async fn connect(url: &str) -> Result<PgPool, sqlx::Error> {
    sqlx::postgres::PgPoolOptions::new().max_connections(2).connect(url).await
}

/// How many facts are known, and how many of them were found.
pub(super) async fn known(pool: &PgPool) -> Result<(i64, i64), sqlx::Error> {
    let counts = "select count(*) as known, count(*) filter (where found) as found
        from ingest.deliveries";
    let row = sqlx::query(counts).fetch_one(pool).await?;
    Ok((row.try_get("known")?, row.try_get("found")?))
}

/// Whether there is an event of these types that the planner has not taken yet, or a change that
/// waits there until the account is read anew.
pub(super) async fn is_open(pool: &PgPool, taken: &[&str]) -> Result<bool, sqlx::Error> {
    let row = sqlx::query(
        "select exists (
             select from ingest.remembered told, json_array_elements(told.answers) as event
             where event ->> 'kind' = any($1) and (event ->> 'id')::uuid not in (
                 select event_id from planner.remembered))
             or exists (select from planner.repositories where waiting > 0) as open",
    );
    row.bind(taken).fetch_one(pool).await?.try_get("open")
}

/// Everything that was decided.
pub(super) async fn decisions(pool: &PgPool) -> Result<Decisions, sqlx::Error> {
    let rows = sqlx::query(
        "select fact_id, kind, content_key, verdict, code, repository, head from ingest.deliveries",
    );
    let mut decisions = Decisions::default();
    for row in rows.fetch_all(pool).await? {
        let outcome = Outcome {
            kind: row.try_get("kind")?,
            content_key: row.try_get("content_key")?,
            verdict: row.try_get("verdict")?,
            code: row.try_get("code")?,
            repository: row.try_get("repository")?,
            head: row.try_get("head")?,
        };
        decisions.outcomes.insert(row.try_get("fact_id")?, outcome);
    }
    for row in
        sqlx::query("select event_id, answers from ingest.remembered").fetch_all(pool).await?
    {
        decisions.told.insert(row.try_get("event_id")?, timeless(row.try_get("answers")?));
    }
    let answered = "select coalesce(answer -> 'body' -> 'change' ->> 'commit', answer ->> 'key')
                as about,
            json_agg(json_build_array(answer -> 'kind', answer -> 'key', answer -> 'body')
                order by answer ->> 'kind', answer ->> 'key',
                (answer -> 'body')::text)::jsonb::text as said
        from planner.remembered said, json_array_elements(said.answers) as answer
        group by 1";
    for row in sqlx::query(answered).fetch_all(pool).await? {
        decisions.answered.insert(row.try_get("about")?, row.try_get("said")?);
    }
    Ok(decisions)
}

/// Messages apart from when they were written, and in which trace.
fn timeless(answers: Value) -> String {
    let messages = answers.as_array().cloned().unwrap_or_default();
    let message = |message: Value| {
        json!([
            message["id"],
            message["kind"],
            message["key"],
            message["causation"],
            message["body"]
        ])
    };
    Value::Array(messages.into_iter().map(message).collect()).to_string()
}
