//! Gates and reviews in Postgres: the only SQL of the service.

use std::{collections::HashMap, ops::RangeInclusive};

use chrono::{DateTime, Utc};
use contracts::{ChainId, CommitSha, GateId, Reason, Trace, gate::GateRequested, gate::Outcome};
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Row, postgres::PgRow, types::Json};
use uuid::Uuid;

use crate::{
    call::Call,
    decider::StoredGate,
    evaluate::Place,
    gate::Gate,
    news::News,
    review::{Review, Word},
};

mod forget;
mod history;
mod line;
mod outdated;
mod overrides;
mod places;
mod save;
mod sources;
mod words;

pub(crate) use forget::{forget_gates, forget_sets, forget_words, oldest};
pub(crate) use history::{ChainGlass, broken_chains, keep_set, kept_set, recorded, trial_of};
pub(crate) use line::{let_go, line, stop_line};
pub(crate) use outdated::{mark, outdate};
pub(crate) use overrides::{follow_up, hold_glass, level_glass, overrides};
pub(crate) use places::{ended, look, next, waiting};
pub(crate) use save::save;
pub(crate) use sources::{Before, Standing, head_of, in_force, note};
pub(crate) use words::{keep_word, words_since};

/// Ids that begin alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Begins {
    /// Those of gates.
    Gate(RangeInclusive<GateId>),
    /// Those of chains.
    Chain(RangeInclusive<ChainId>),
}

impl Begins {
    /// What people typed of an id; none if no id begins so.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let gate = GateId::beginning(text).map(Self::Gate);
        gate.or_else(|| ChainId::beginning(text).map(Self::Chain))
    }

    fn ends(&self) -> [Uuid; 2] {
        match self {
            Self::Gate(range) => [range.start().0, range.end().0],
            Self::Chain(range) => [range.start().0, range.end().0],
        }
    }
}

/// Which gates are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Those of one chain.
    pub chain: Option<ChainId>,
    /// This one.
    pub gate: Option<GateId>,
    /// Those whose id, or that of their chain, begins so; they come in the order of those ids.
    pub begins: Option<Begins>,
    /// Those about one stack.
    pub stack: Option<String>,
    /// Those of a commit that begins so: some hosts cut commits short.
    pub commit: Option<CommitSha>,
    /// Those that are not decided for good.
    pub open_only: bool,
    /// Those that come after this one: the last of the page before.
    pub after: Option<(DateTime<Utc>, Uuid)>,
    /// No more than this many, the newest first.
    pub limit: i64,
}

impl Filter {
    /// The condition that an index answers. Plans are kept for all values, and an index helps none
    /// of what may be null; so there is one statement for each way to ask.
    const fn narrowest(&self) -> &'static str {
        match self {
            Self { gate: Some(_), .. } => "id = $2",
            Self { chain: Some(_), .. } => "chain = $1",
            Self { begins: Some(Begins::Gate(_)), .. } => "id between $9 and $10",
            Self { begins: Some(Begins::Chain(_)), .. } => "chain between $9 and $10",
            // In the words of the index; what follows in a commit is a character before the last of
            // ASCII.
            Self { commit: Some(_), open_only: true, .. } => {
                "not final and request->'change'->>'commit' ~>=~ $4
                 and request->'change'->>'commit' ~<~ ($4 || E'\\x7f')"
            }
            Self { open_only: true, .. } => "not final",
            Self { stack: Some(_), .. } => "stack = $3",
            _ => "true",
        }
    }

    fn statement(&self) -> String {
        let narrowest = self.narrowest();
        // In the order of the index that finds them, or it would not be taken.
        let (begins, order) = match self.begins {
            None => ("id", "requested_at desc, id desc"),
            Some(Begins::Gate(_)) => ("id", "id"),
            Some(Begins::Chain(_)) => ("chain", "chain, requested_at"),
        };
        format!(
            "select * from gates
             where {narrowest}
               and ($1::uuid is null or chain = $1)
               and ($2::uuid is null or id = $2)
               and ($3::text is null or stack = $3)
               and ($4::text is null or starts_with(request->'change'->>'commit', $4))
               and (not $5 or not final)
               and ($6::timestamptz is null or (requested_at, id) < ($6, $7::uuid))
               and ($9::uuid is null or {begins} between $9 and $10::uuid)
             order by {order} limit $8"
        )
    }
}

/// The gates of these ids, as far as there are any.
pub(crate) async fn load(
    connection: &mut PgConnection,
    ids: &[Uuid],
) -> Result<Vec<StoredGate>, sqlx::Error> {
    let rows = sqlx::query("select * from gates where id = any($1)")
        .bind(ids)
        .fetch_all(&mut *connection)
        .await?;
    with_reviews(connection, rows).await
}

/// The gates that fit, the newest first, unless the filter says otherwise.
pub(crate) async fn find(pool: &PgPool, filter: &Filter) -> Result<Vec<StoredGate>, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    // Text of our own and nothing else.
    let rows = sqlx::query(AssertSqlSafe(filter.statement()))
        .bind(filter.chain.map(|chain| chain.0))
        .bind(filter.gate.map(|gate| gate.0))
        .bind(filter.stack.as_deref())
        .bind(filter.commit.as_ref().map(CommitSha::as_str))
        .bind(filter.open_only)
        .bind(filter.after.map(|(at, _)| at))
        .bind(filter.after.map(|(_, id)| id))
        .bind(filter.limit)
        .bind(filter.begins.as_ref().map(|begins| begins.ends()[0]))
        .bind(filter.begins.as_ref().map(|begins| begins.ends()[1]))
        .fetch_all(&mut *connection)
        .await?;
    with_reviews(&mut connection, rows).await
}

/// Where a page of gates ends that were put to other policies: the digest of those, and the gate.
pub(crate) type PutTo = (String, Uuid);

/// Gates that are held, or clear steps, and have not been put to the policies of `digest`, in the
/// order of the policies they were put to, from after `after` on.
pub(crate) async fn unconsidered(
    pool: &PgPool,
    digest: &str,
    (after_digest, after): &PutTo,
    limit: i64,
    now: DateTime<Utc>,
) -> Result<Vec<PutTo>, sqlx::Error> {
    sqlx::query_as(UNCONSIDERED)
        .bind(digest)
        .bind(after_digest)
        .bind(after)
        .bind(limit)
        .bind(now)
        .fetch_all(pool)
        .await
}

/// Less and greater in place of unlike: two ranges of an index, which are empty as a rule, instead of
/// everything that is open.
const UNCONSIDERED: &str = "
    (select considered_digest, id from gates
     where not final and considered_digest < $1 and (considered_digest, id) > ($2, $3)
     order by considered_digest, id limit $4)
    union all
    (select considered_digest, id from gates
     where not final and considered_digest > $1 and (considered_digest, id) > ($2, $3)
     order by considered_digest, id limit $4)
    union all
    select considered_digest, id from gates
    where cleared_until > $5 and final and considered_digest <> $1
        and (considered_digest, id) > ($2, $3)
    order by considered_digest, id limit $4";

/// The gates that wait, and that hear of broken glass or of words about commits, which some hosts cut
/// short.
pub(crate) async fn concerned(pool: &PgPool, news: &[News]) -> Result<Vec<Uuid>, sqlx::Error> {
    let chain = |news: &News| match news {
        News::Glass(chain) => Some(chain.0),
        News::Policies | News::Word(_) => None,
    };
    let commit = |news: &News| match news {
        News::Word(commit) => Some(commit.to_string()),
        News::Policies | News::Glass(_) => None,
    };
    sqlx::query_scalar(
        "select id from gates where not final and chain = any($1)
         union
         select id from gates, unnest($2::text[]) as said(beginning)
         where not final and request->'change'->>'commit' ~>=~ said.beginning
             and request->'change'->>'commit' ~<~ (said.beginning || E'\\x7f')",
    )
    .bind(news.iter().filter_map(chain).collect::<Vec<_>>())
    .bind(news.iter().filter_map(commit).collect::<Vec<_>>())
    .fetch_all(pool)
    .await
}

async fn with_reviews(
    connection: &mut PgConnection,
    rows: Vec<PgRow>,
) -> Result<Vec<StoredGate>, sqlx::Error> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids = rows.iter().map(|row| row.try_get("id")).collect::<Result<Vec<Uuid>, _>>()?;
    let found = sqlx::query("select * from reviews where gate = any($1) order by gate, number")
        .bind(ids)
        .fetch_all(connection)
        .await?;
    let mut reviews: HashMap<Uuid, Vec<Review>> = HashMap::new();
    for row in &found {
        reviews.entry(row.try_get("gate")?).or_default().push(review(row)?);
    }
    rows.iter()
        .map(|row| kept(row, reviews.remove(&row.try_get("id")?).unwrap_or_default()))
        .collect()
}

fn kept(row: &PgRow, reviews: Vec<Review>) -> Result<StoredGate, sqlx::Error> {
    let Json(request): Json<GateRequested> = row.try_get("request")?;
    let Json(outcome): Json<Outcome> = row.try_get("outcome")?;
    let Json(reasons): Json<Vec<Reason>> = row.try_get("reasons")?;
    let ended = row.try_get::<bool, _>("final")? && !outcome.is_final();
    let gate = Gate {
        request,
        requested_at: row.try_get("requested_at")?,
        asked_again_at: row.try_get("asked_again_at")?,
        reviews,
        outcome,
        reasons,
        revision: row.try_get("revision")?,
        policy_digest: row.try_get("policy_digest")?,
        policy_commit: row.try_get::<Option<String>, _>("policy_commit")?.map(CommitSha::from),
        considered_digest: row.try_get("considered_digest")?,
        decided_at: row.try_get("decided_at")?,
        calls: row.try_get::<Option<Json<Vec<Call>>>, _>("calls")?.map_or_else(Vec::new, |c| c.0),
        recheck: row.try_get("recheck_at")?,
        told: row.try_get::<Option<Json<_>>, _>("told")?.map_or_else(Vec::new, |told| told.0),
        shadow: row.try_get::<Option<Json<_>>, _>("shadow")?.map(|shadow| shadow.0),
        clearance: row.try_get::<Option<Json<_>>, _>("clearance")?.map(|clearance| clearance.0),
        place: row.try_get::<Option<&str>, _>("place")?.and_then(Place::named),
        crowds: row.try_get::<Option<Json<_>>, _>("crowds")?.map(|crowds| crowds.0),
        ended,
    };
    let trace = row.try_get::<Option<String>, _>("trace")?.map(Trace);
    Ok(StoredGate::stored(gate, row.try_get("correlation")?, trace))
}

fn review(row: &PgRow) -> Result<Review, sqlx::Error> {
    let word = match row.try_get::<Option<&str>, _>("word")? {
        Some("withdraw") => Word::Withdraw,
        Some("override") => Word::Override {
            until: row.try_get("until")?,
            whole_chain: row.try_get("whole_chain")?,
        },
        _ => Word::of(row.try_get("approve")?),
    };
    Ok(Review {
        id: row.try_get("id")?,
        by: row.try_get("by")?,
        groups: row
            .try_get::<Option<Json<Vec<String>>>, _>("groups")?
            .map_or_else(Vec::new, |it| it.0),
        word,
        note: row.try_get("note")?,
        at: row.try_get("at")?,
    })
}

#[cfg(test)]
mod tests;
