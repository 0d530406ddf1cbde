//! The stacks of the account as they were read, and what is still to be told of what changed.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{SpaceId, StackId, chain::WorkerPool};
use futures::TryStreamExt;
use sqlx::{PgConnection, PgPool, Row, postgres::PgRow, types::Json};
use uuid::Uuid;

use super::register::states_among;
use crate::{
    account::{Differences, News, Told},
    catalogue::{Dependency, Provider, Settings, Stack, digest, ordered},
    texts::Texts,
    trail::Mark,
};

/// For how long the right to read the account is had without being kept.
const LEASE: TimeDelta = TimeDelta::seconds(15);

/// The right to read the account: only one replica has it at a time, and one that does not keep it
/// loses it. Nothing is locked while Spacelift is asked.
#[derive(Debug)]
pub struct Reading {
    pool: PgPool,
    /// Tells it from those who have the right later.
    reader: Uuid,
}

/// What was read.
#[derive(Debug)]
pub enum Read {
    /// All stacks of the account.
    Whole {
        /// The stacks.
        stacks: Vec<Stack>,
        /// The account was read no earlier than this.
        as_of: DateTime<Utc>,
    },
    /// Some of them.
    Some {
        /// Those that were asked for.
        asked: Vec<StackId>,
        /// Those that are there; the others are gone.
        found: Vec<Stack>,
    },
}

/// How the audit trail stood when it was looked at.
#[derive(Debug, Clone)]
pub struct Looked {
    /// Up to where it was seen; none if it cannot be read.
    pub mark: Option<Mark>,
    /// When it was looked at.
    pub at: DateTime<Utc>,
}

/// Takes the right to read the account, unless another replica has it or had it a moment ago.
pub async fn claim(pool: &PgPool, now: DateTime<Utc>) -> Result<Option<Reading>, sqlx::Error> {
    let reader = Uuid::new_v4();
    let claimed = sqlx::query(
        "update catalogue set reader = $1, reads_until = $3
         where not_before <= $2 and (reader is null or reads_until <= $2)",
    )
    .bind(reader)
    .bind(now)
    .bind(now + LEASE)
    .execute(pool)
    .await?;
    Ok((claimed.rows_affected() == 1).then(|| Reading { pool: pool.clone(), reader }))
}

impl Reading {
    /// How often it must be kept: often enough that it may fail once.
    pub const KEPT_EVERY: Duration = Duration::from_secs(5);

    /// Keeps the right; false if another replica has it by now.
    pub async fn keep(&self, now: DateTime<Utc>) -> Result<bool, sqlx::Error> {
        let kept = sqlx::query("update catalogue set reads_until = $2 where reader = $1")
            .bind(self.reader)
            .bind(now + LEASE)
            .execute(&self.pool)
            .await?;
        Ok(kept.rows_affected() == 1)
    }

    /// Gives the right back without having read.
    pub async fn give_up(self) -> Result<(), sqlx::Error> {
        sqlx::query("update catalogue set reader = null where reader = $1")
            .bind(self.reader)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Nothing is to be read, as the audit trail says.
    pub async fn found_nothing(self, looked: Looked) -> Result<(), sqlx::Error> {
        sqlx::query(
            "update catalogue set trail = $2, trail_at = $3, reader = null,
                 trouble = case when trouble_with_some then null else trouble end
             where reader = $1",
        )
        .bind(self.reader)
        .bind(looked.mark.map(Json))
        .bind(looked.at)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Stores what was read, with what is to be told of it, and how the audit trail stood before. The
    /// version rises only if a stack changed; true if one did. Nobody reads again before
    /// `not_before`. Where `reads_code`, the code of a stack tells when that is gone. None if another replica has the right by now: what
    /// it reads is newer, and nothing is stored.
    pub async fn succeeded(
        self,
        (read, looked): (Read, Option<Looked>),
        not_before: DateTime<Utc>,
        reads_code: bool,
    ) -> Result<Option<bool>, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        let connection = &mut *transaction;
        let row = sqlx::query("select digest, as_of from catalogue where reader = $1 for update")
            .bind(self.reader)
            .fetch_optional(&mut *connection);
        let Some(row) = row.await? else { return Ok(None) };
        let known: Option<Uuid> = row.try_get("digest")?;
        let known_as_of: Option<DateTime<Utc>> = row.try_get("as_of")?;
        let is_whole = matches!(read, Read::Whole { .. });
        let (stacks, before, as_of) = match read {
            Read::Whole { stacks, as_of } => (ordered(stacks), None, Some(as_of)),
            Read::Some { asked, found } => {
                let before = load_stacks(connection).await?;
                let others = before.iter().filter(|stack| !asked.contains(&stack.id)).cloned();
                (ordered(others.chain(found).collect()), Some(before), known_as_of)
            }
        };
        let digest = digest(&stacks);
        let changed = known != Some(digest);
        if changed {
            let before = match before {
                Some(before) => before,
                None => load_stacks(connection).await?,
            };
            let differences = Differences::between(&before, &stacks);
            // What was there when we came is no news.
            if known_as_of.is_some() {
                let ids: Vec<&str> = differences.ids().map(StackId::as_str).collect();
                let states = states_among(connection, &ids).await?;
                save_news(connection, &differences.news(&states, reads_code)).await?;
            }
            save_differences(connection, &differences).await?;
        }
        sqlx::query(
            "update catalogue set as_of = $1, digest = $2, not_before = $3, reader = null,
                 trouble = case when $5 or trouble_with_some then null else trouble end,
                 version = case when $4 then nextval('graph_versions') else version end,
                 changes = changes + $4::int,
                 trail = case when $6::timestamptz is null then trail else $7 end,
                 trail_at = coalesce($6, trail_at)",
        )
        .bind(as_of)
        .bind(digest)
        .bind(not_before)
        .bind(changed)
        .bind(is_whole)
        .bind(looked.as_ref().map(|looked| looked.at))
        .bind(looked.and_then(|looked| looked.mark).map(Json))
        .execute(connection)
        .await?;
        transaction.commit().await?;
        Ok(Some(changed))
    }

    /// Notes why the account, or some of its stacks, could not be read, unless another replica has the
    /// right by now. Nobody tries again before `not_before`.
    pub async fn failed(
        self,
        trouble: &str,
        with_some: bool,
        not_before: DateTime<Utc>,
    ) -> Result<(), sqlx::Error> {
        // What is wrong with the whole is not over when some stacks can be read.
        sqlx::query(
            "update catalogue set not_before = $2, trouble = $3, reader = null,
                 trouble_with_some = $4 and (trouble is null or trouble_with_some)
             where reader = $1",
        )
        .bind(self.reader)
        .bind(not_before)
        .bind(trouble)
        .bind(with_some)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

/// Writes what differs and nothing else.
async fn save_differences(
    connection: &mut PgConnection,
    differences: &Differences<'_>,
) -> Result<(), sqlx::Error> {
    let gone: Vec<&str> = differences.gone.iter().map(|stack| stack.id.as_str()).collect();
    sqlx::query("delete from stacks where id = any($1)")
        .bind(gone)
        .execute(&mut *connection)
        .await?;
    // As JSON, because arrays of arrays must be rectangular in Postgres.
    let there: Vec<&Stack> = differences.there.iter().map(|(_, stack)| *stack).collect();
    let there = Json(there);
    sqlx::query(
        "insert into stacks
         select * from jsonb_to_recordset($1) as given (id text, name text,
             space text, labels text[], repository text, branch text, project_root text,
             globs text[], autodeploy boolean, disabled boolean, provider text,
             worker_pool jsonb, cloud_accounts text[], settings jsonb)
         on conflict (id) do update set name = excluded.name, space = excluded.space,
             labels = excluded.labels, repository = excluded.repository,
             branch = excluded.branch, project_root = excluded.project_root,
             globs = excluded.globs, autodeploy = excluded.autodeploy,
             disabled = excluded.disabled, provider = excluded.provider,
             worker_pool = excluded.worker_pool, cloud_accounts = excluded.cloud_accounts,
             settings = excluded.settings, changed_at = now()",
    )
    .bind(&there)
    .execute(&mut *connection)
    .await?;
    let changed: Vec<&str> = there.iter().map(|stack| stack.id.as_str()).collect();
    sqlx::query("delete from dependencies where child = any($1)")
        .bind(changed)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        r#"insert into dependencies (child, parent, hands_over)
         select stack.id, edge."on", edge."references"
         from jsonb_to_recordset($1) as stack (id text, depends_on jsonb),
             jsonb_to_recordset(stack.depends_on) as edge ("on" text, "references" text[])"#,
    )
    .bind(&there)
    .execute(connection)
    .await?;
    Ok(())
}

/// Those of these stacks of which the account, or the code, says something else since a moment: they
/// are there no more, or were changed by another commit than this one.
pub async fn changed_since(
    pool: &PgPool,
    stacks: &[&str],
    (at, commit): (DateTime<Utc>, &str),
) -> Result<Vec<StackId>, sqlx::Error> {
    let changed: Vec<String> = sqlx::query_scalar(
        "select asked.stack from unnest($1::text[]) as asked (stack)
         left join stacks on stacks.id = asked.stack
         left join stack_states state on state.stack = asked.stack
         left join stack_codes code on code.id = state.stack_code_id
         where stacks.id is null or stacks.changed_at > $2
             or (code.current_commit <> $3
                 and greatest(state.updated_at, code.updated_at) > $2)",
    )
    .bind(stacks)
    .bind(at)
    .bind(commit)
    .fetch_all(pool)
    .await?;
    Ok(changed.into_iter().map(StackId::from).collect())
}

async fn save_news(connection: &mut PgConnection, news: &[News]) -> Result<(), sqlx::Error> {
    for News { id, repository, told } in news {
        sqlx::query("insert into account_news (id, repository, told) values ($1, $2, $3)")
            .bind(id)
            .bind(repository)
            .bind(Json(told))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// What changed in the account and is not told yet, in the order in which it was seen.
pub async fn news(pool: &PgPool) -> Result<Vec<News>, sqlx::Error> {
    let rows =
        sqlx::query("select id, repository, told from account_news order by number limit 100");
    let read = |row: &PgRow| {
        let Json::<Vec<Told>>(told) = row.try_get("told")?;
        Ok(News { id: row.try_get("id")?, repository: row.try_get("repository")?, told })
    };
    rows.fetch_all(pool).await?.iter().map(read).collect()
}

/// It is told now.
pub async fn forget_news(pool: &PgPool, id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query("delete from account_news where id = $1").bind(id).execute(pool).await?;
    Ok(())
}

/// The stored stacks, by id.
pub(super) async fn load_stacks(connection: &mut PgConnection) -> Result<Vec<Stack>, sqlx::Error> {
    // One row after the other: all of them would take more than what is made of them.
    let mut edges =
        sqlx::query("select child, parent, hands_over from dependencies").fetch(&mut *connection);
    let mut texts = Texts::default();
    let mut depends_on: HashMap<StackId, Vec<Dependency>> = HashMap::new();
    while let Some(edge) = edges.try_next().await? {
        let on = StackId(texts.text(edge.try_get("parent")?));
        let references = texts.list(edge.try_get::<Vec<String>, _>("hands_over")?);
        let child = StackId(texts.text(edge.try_get("child")?));
        depends_on.entry(child).or_default().push(Dependency { on, references });
    }
    drop(edges);
    let mut stacks = Vec::new();
    let mut rows =
        sqlx::query("select * from stacks order by id collate \"C\"").fetch(&mut *connection);
    while let Some(row) = rows.try_next().await? {
        stacks.push(stack(&row, &mut depends_on, &mut texts)?);
    }
    drop(rows);
    Ok(stacks)
}

fn stack(
    row: &PgRow,
    depends_on: &mut HashMap<StackId, Vec<Dependency>>,
    texts: &mut Texts,
) -> Result<Stack, sqlx::Error> {
    let mut text = |column| Ok::<_, sqlx::Error>(texts.text(row.try_get(column)?));
    let (id, space) = (StackId(text("id")?), SpaceId(text("space")?));
    let (repository, branch) = (text("repository")?, text("branch")?);
    let mut list =
        |column| Ok::<_, sqlx::Error>(texts.list(row.try_get::<Vec<String>, _>(column)?));
    let (labels, globs) = (list("labels")?, list("globs")?);
    let cloud_accounts = list("cloud_accounts")?;
    let pool: Option<Json<WorkerPool>> = row.try_get("worker_pool")?;
    let pool = pool.map(|Json(WorkerPool { id, name })| WorkerPool {
        id: texts.text(&id),
        name: texts.text(&name),
    });
    let settings: Option<Json<Box<Settings>>> = row.try_get("settings")?;
    Ok(Stack {
        depends_on: depends_on.remove(&id).unwrap_or_default(),
        id,
        name: row.try_get::<&str, _>("name")?.into(),
        space,
        provider: Provider::stored(row.try_get("provider")?),
        labels,
        repository,
        branch,
        project_root: row.try_get::<&str, _>("project_root")?.into(),
        globs,
        autodeploy: row.try_get("autodeploy")?,
        disabled: row.try_get("disabled")?,
        worker_pool: pool,
        cloud_accounts,
        settings: settings.map(|Json(settings)| settings),
    })
}
