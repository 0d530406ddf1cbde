//! Who has a stack, and who comes next.
//!
//! The states are spelled out in the SQL, as in the predicates of the indexes: of a parameter
//! Postgres could not tell that an index holds it.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use contracts::{
    ChainId, StackId,
    chain::{ChainKind, ChainState},
    step::StepState,
};
use sqlx::{PgConnection, Row, postgres::PgRow};
use uuid::Uuid;

use super::read::json;
use crate::{
    chain::{Chain, Hold, Holder},
    limits::rank,
    share::{Shared, Waiting},
};

/// The steps that are asked about, column by column.
#[derive(Default)]
struct Mine {
    chains: Vec<Uuid>,
    stacks: Vec<String>,
    /// Since when a step queues, if it does.
    queued: Vec<Option<DateTime<Utc>>>,
    /// Which steps it goes before, since whenever they queue.
    ranks: Vec<i16>,
    /// Since when its chain is what it is about, if a newer change of its branch may be in its way.
    orders: Vec<Option<DateTime<Utc>>>,
    repositories: Vec<String>,
    branches: Vec<String>,
    commits: Vec<String>,
    /// Whether a step only follows, so that it counts how its stack was left.
    follows: Vec<bool>,
    /// Since when a run of another chain may have done the work of a step.
    shares: Vec<Option<DateTime<Utc>>>,
    /// Steps of other chains that may be served by the run of one that could start, because what is
    /// before it in its chain has served theirs.
    served: Served,
    /// A step could start, be it of a preview.
    could_start: bool,
    /// The code of such a step says how many runs may be at once.
    is_limited: bool,
}

/// Steps that could start, each with another chain, column by column.
#[derive(Default)]
struct Served {
    chains: Vec<Uuid>,
    stacks: Vec<String>,
    others: Vec<Uuid>,
}

impl Served {
    fn note(&mut self, chain: &Chain, at: usize) {
        let parents = chain.shape.parents(at).iter();
        let served = parents.flat_map(|&parent| chain.steps[parent].course.serves.keys());
        for other in served.collect::<BTreeSet<_>>() {
            self.chains.push(chain.id.0);
            self.stacks.push(chain.stack(at).to_string());
            self.others.push(*other);
        }
    }
}

impl Mine {
    /// The steps that could start now, each noted as looked at; and those of a new chain that only
    /// follow. Of a preview the stack is nobody's.
    fn of(chains: &mut HashMap<Uuid, Chain>) -> Self {
        let mut mine = Self::default();
        for chain in chains.values_mut() {
            let is_deploy = chain.runs_as() == ChainKind::Deploy;
            for at in chain.places() {
                let could_start = chain.could_start(at);
                let follows = chain.state == ChainState::Gating && chain.only_follows(at);
                let step = &chain.steps[at];
                let stack = &step.planned.stack;
                if is_deploy && (could_start || follows) {
                    mine.chains.push(chain.id.0);
                    mine.stacks.push(stack.to_string());
                    mine.queued.push((step.state == StepState::Queued).then_some(step.since));
                    mine.ranks.push(rank(chain, step));
                    mine.follows.push(follows);
                    let may_share = could_start && chain.only_follows(at);
                    mine.shares.push(chain.course.taken_up_at.filter(|_| may_share));
                    mine.served.note(chain, at);
                    mine.order(chain, at);
                }
                if could_start {
                    mine.could_start = true;
                    mine.is_limited |= !step.planned.limits.is_empty();
                    chain.busy.insert(stack.clone(), None);
                }
            }
        }
        mine
    }

    /// Notes where the commit of a step stands on its branch.
    fn order(&mut self, chain: &Chain, at: usize) {
        let (step, change) = (&chain.steps[at], &chain.change);
        let brings = chain.course.action.is_deliver() && step.planned.on_commit;
        let may_be_late = brings && change.pull_request.is_none() && !step.course.insisted;
        self.orders.push(may_be_late.then_some(chain.began_at));
        self.repositories.push(change.repository.clone());
        self.branches.push(change.branch.clone());
        self.commits.push(change.commit.to_string());
    }
}

/// What is in the way of steps, in rows of a chain, a stack, and which other chain in which way.
///
/// Everything is looked up stack by stack (`offset 0`): a plan made while the tables were small reads
/// all chains there ever were, or all calls that are open.
const IN_THE_WAY: &str = "with mine as (
         select * from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::boolean[],
             $5::timestamptz[], $6::text[], $7::text[], $8::text[], $9::timestamptz[],
             $13::smallint[])
             as mine (chain_id, stack, queued_since, follows, began_at, repository, branch,
                 commit, shares_since, rank)
     )
     select mine.chain_id as chain, mine.stack, other.chain_id as owner, 'runs' as hold,
         null::json as said
     from mine cross join lateral (
         select chain_id from steps
         where stack = mine.stack and chain_id <> mine.chain_id and kind = 'deploy' and state in
             ('triggering', 'planning', 'gating_apply', 'confirming', 'applying', 'discarding',
                 'canceling')
         offset 0) other
     union all
     select mine.chain_id, mine.stack, other.chain_id, 'unknown', null
     from mine cross join lateral (
         select chain_id from steps
         where stack = mine.stack and chain_id <> mine.chain_id and kind = 'deploy'
             and state = 'unknown' and course->>'released' is null
         offset 0) other
     union all
     select mine.chain_id, mine.stack, mine.chain_id, 'locked', held.said
     from mine join locks held on held.stack = mine.stack and held.state <> 'free'
     union all
     select mine.chain_id, mine.stack, call.key, 'calls', null
     from mine cross join lateral (
         select key from effects where lane = 'stack/' || mine.stack and open offset 0) call
     union all
     select mine.chain_id, mine.stack, other.chain_id, case
             when (other.rank, other.since, other.chain_id)
                 < (mine.rank, coalesce(mine.queued_since, 'infinity'), mine.chain_id)
             then 'queues' else 'waits' end, '[]'
     from mine cross join lateral (
         select chain_id, since, rank from steps
         where stack = mine.stack and chain_id <> mine.chain_id and state = 'queued'
             and kind = 'deploy'
         offset 0) other
     union all
     select served.chain_id, served.stack, other.chain_id, 'waits', to_json(array(
         select parent.stack from steps parent
         where parent.chain_id = other.chain_id and parent.stack = any(other.parents)
             and parent.state <> 'finished'))
     from unnest($10::uuid[], $11::text[], $12::uuid[]) as served (chain_id, stack, other)
         join steps other on other.chain_id = served.other and other.stack = served.stack
             and other.kind = 'deploy' and other.state in ('waiting', 'gating_plan')
     union all
     select mine.chain_id, mine.stack, ran.chain_id, 'shared', json_build_object('run', ran.run,
         'through', ran.course->'serves'->mine.chain_id::text, 'labels', coalesce(ran.planned->'labels', '[]'))
     from mine cross join lateral (
         select * from steps
         where stack = mine.stack and since >= mine.shares_since - interval '1 minute'
             and chain_id <> mine.chain_id and run is not null and kind = 'deploy'
             and state = 'finished' and run_state = 'FINISHED'
             and course->'serves'->mine.chain_id::text is not null
         offset 0) ran
     union all
     select mine.chain_id, mine.stack, mine.chain_id, 'settled', null
     from mine cross join lateral (
         select state, since, chain_id from steps
         where stack = mine.stack and chain_id <> mine.chain_id and kind = 'deploy'
             and run is not null and run_state <> 'SKIPPED'
         order by since desc limit 1) last
         left join lateral (
             select true as is_there from steps
             where stack = mine.stack and chain_id <> mine.chain_id and kind = 'deploy'
                 and run is null and since >= last.since
                 and state in ('denied', 'skipped', 'canceled')
             limit 1) owed on true
         left join lateral (
             select true as is_there from chains
             where id = last.chain_id and course->>'action' in ('destroy', 'deregister')
             limit 1) gone on true
     where mine.follows and last.state = 'finished' and owed is null and gone is null
     union all
     select mine.chain_id, mine.stack, newer.chain_id, 'overtaken', null
     from mine cross join lateral (
         select chain_id, stack, state from steps
         where stack = mine.stack and since >= mine.began_at and chain_id <> mine.chain_id
             and run is not null and kind = 'deploy' and state in ('finished', 'unknown', 'failed')
         offset 0) newer
         cross join lateral (
             select from chains
             where id = newer.chain_id and began_at > mine.began_at
                 and change->>'repository' = mine.repository
                 and change->>'branch' = mine.branch
                 and change->>'commit' <> mine.commit
                 and coalesce(course->>'action', 'deliver') = 'deliver'
             offset 0) chain
     where newer.state <> 'failed' or exists (
         select from operations
         where operations.chain_id = newer.chain_id and operations.stack = newer.stack
             and to_state = 'applying' offset 0)
     union all
     select null, '', null, 'limited', null where exists (select from steps where limits <> '{}')";

/// Reads what keeps the steps that could start now from their stacks: another chain's run, a lock, a
/// call that is not concluded, an earlier place in the queue. And which have been run with a newer
/// change of the branch, which stacks were left well, and what is one run's work with other chains.
/// Gives whether a limit may keep them back that the configuration does not know.
pub(super) async fn read(
    connection: &mut PgConnection,
    chains: &mut HashMap<Uuid, Chain>,
) -> Result<bool, sqlx::Error> {
    let mine = Mine::of(chains);
    if mine.chains.is_empty() && !mine.could_start {
        return Ok(false);
    }
    let rows = sqlx::query(IN_THE_WAY)
        .bind(mine.chains)
        .bind(mine.stacks)
        .bind(mine.queued)
        .bind(mine.follows)
        .bind(mine.orders)
        .bind(mine.repositories)
        .bind(mine.branches)
        .bind(mine.commits)
        .bind(mine.shares)
        .bind(mine.served.chains)
        .bind(mine.served.stacks)
        .bind(mine.served.others)
        .bind(mine.ranks)
        .fetch_all(connection)
        .await?;
    let mut is_limited = mine.is_limited;
    for row in &rows {
        match row.try_get::<Option<Uuid>, _>("chain")? {
            Some(id) => {
                if let Some(chain) = chains.get_mut(&id) {
                    note(chain, row)?;
                }
            }
            None => is_limited = true,
        }
    }
    Ok(is_limited && mine.could_start)
}

/// Notes what a row says about the stack of a step.
fn note(chain: &mut Chain, row: &PgRow) -> Result<(), sqlx::Error> {
    let stack = StackId::from(row.try_get::<String, _>("stack")?);
    let owner = |row: &PgRow| row.try_get("owner").map(ChainId);
    let hold = match row.try_get("hold")? {
        "unknown" => Hold::Unknown,
        "locked" => Hold::Locked(json(row, "said")?),
        "runs" => Hold::Runs,
        "calls" => Hold::Calls,
        "queues" => Hold::Queues,
        "overtaken" => {
            chain.overtaken.insert(stack, owner(row)?);
            return Ok(());
        }
        "waits" => {
            let waiting = Waiting { chain: owner(row)?, open: json(row, "said")? };
            chain.shares.waiting.entry(stack).or_default().push(waiting);
            return Ok(());
        }
        "shared" => {
            let shared = Shared { chain: owner(row)?, ..json(row, "said")? };
            chain.shares.done.insert(stack, shared);
            return Ok(());
        }
        _ => {
            chain.settled.push(stack);
            return Ok(());
        }
    };
    let holder = Holder { chain: owner(row)?, hold };
    // What holds longest says most.
    if let Some(kept) = chain.busy.get_mut(&stack)
        && kept.as_ref().is_none_or(|kept| holder.hold < kept.hold)
    {
        *kept = Some(holder);
    }
    Ok(())
}
