//! Writing gates and what people said about them.

use chrono::{DateTime, Utc};
use contracts::gate::Moment;
use sqlx::{PgConnection, Postgres, postgres::PgArguments, query::Query, types::Json};
use uuid::Uuid;

use crate::{
    call::Call,
    decider::StoredGate,
    evaluate::Place,
    gate::{Gate, Told},
    review::{Review, Word},
};

/// Writes gates and the reviews they did not have before. What was asked changes only where it is asked
/// again, so of any other gate that is there only the answer is written.
pub(crate) async fn save(
    connection: &mut PgConnection,
    all: &[&StoredGate],
) -> Result<(), sqlx::Error> {
    let (stored, new): (Vec<&StoredGate>, Vec<&StoredGate>) =
        all.iter().partition(|kept| kept.is_stored);
    if !new.is_empty() {
        insert(connection, &new).await?;
    }
    if !stored.is_empty() {
        update(connection, &stored).await?;
    }
    save_reviews(connection, all).await
}

async fn insert(connection: &mut PgConnection, all: &[&StoredGate]) -> Result<(), sqlx::Error> {
    let gates = || all.iter().map(|kept| &kept.gate);
    let requests = || gates().map(|gate| &gate.request);
    let question = sqlx::query(
        "insert into gates (id, outcome, reasons, revision, final, hold_until, policy_digest,
             considered_digest, decided_at, calls, recheck_at, shadow, clearance, cleared_until,
             policy_commit, place, crowds, told,
             chain, moment, stack, request, requested_at, correlation, trace, sent_at)
         select * from unnest($1::uuid[], $2::json[], $3::json[], $4::bigint[], $5::boolean[],
             $6::timestamptz[], $7::text[], $8::text[], $9::timestamptz[], $10::json[],
             $11::timestamptz[], $12::json[], $13::json[], $14::timestamptz[], $15::text[],
             $16::text[], $17::json[], $18::json[],
             $19::uuid[], $20::text[], $21::text[], $22::json[], $23::timestamptz[],
             $24::uuid[], $25::text[], $26::timestamptz[])",
    );
    answered(question, all)
        .bind(requests().map(|request| request.chain.0).collect::<Vec<_>>())
        .bind(requests().map(|request| request.moment).map(Moment::as_str).collect::<Vec<_>>())
        .bind(
            gates()
                .map(|gate| gate.announcement().stack.map(|stack| stack.to_string()))
                .collect::<Vec<_>>(),
        )
        .bind(requests().map(Json).collect::<Vec<_>>())
        .bind(gates().map(|gate| gate.requested_at).collect::<Vec<_>>())
        .bind(all.iter().map(|kept| kept.correlation).collect::<Vec<_>>())
        .bind(all.iter().map(|kept| kept.trace.as_ref().map(|t| t.0.as_str())).collect::<Vec<_>>())
        .bind(all.iter().map(|kept| kept.sent_at).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

async fn update(connection: &mut PgConnection, all: &[&StoredGate]) -> Result<(), sqlx::Error> {
    let answer = sqlx::query(
        "update gates set outcome = row.outcome, reasons = row.reasons, revision = row.revision,
             final = row.final, hold_until = row.hold_until, policy_digest = row.policy_digest,
             considered_digest = row.considered_digest, decided_at = row.decided_at,
             calls = row.calls, recheck_at = row.recheck_at, shadow = row.shadow,
             clearance = row.clearance, cleared_until = row.cleared_until,
             policy_commit = row.policy_commit, place = row.place, crowds = row.crowds,
             told = row.told, request = coalesce(row.request, gates.request),
             asked_again_at = row.asked_again_at
         from unnest($1::uuid[], $2::json[], $3::json[], $4::bigint[], $5::boolean[],
             $6::timestamptz[], $7::text[], $8::text[], $9::timestamptz[], $10::json[],
             $11::timestamptz[], $12::json[], $13::json[], $14::timestamptz[], $15::text[],
             $16::text[], $17::json[], $18::json[], $19::json[], $20::timestamptz[])
             as row (id, outcome, reasons, revision, final, hold_until, policy_digest,
                 considered_digest, decided_at, calls, recheck_at, shadow, clearance,
                 cleared_until, policy_commit, place, crowds, told, request, asked_again_at)
         where gates.id = row.id",
    );
    let requests = all.iter().map(|kept| &kept.gate.request);
    let again: Vec<_> = requests.map(|asked| (asked.again > 0).then_some(Json(asked))).collect();
    let again_at: Vec<_> = all.iter().map(|kept| kept.gate.asked_again_at).collect();
    answered(answer, all).bind(again).bind(again_at).execute(connection).await?;
    Ok(())
}

/// Binds the ids of gates and how each was answered last.
fn answered<'q>(
    query: Query<'q, Postgres, PgArguments>,
    all: &[&'q StoredGate],
) -> Query<'q, Postgres, PgArguments> {
    let gates = || all.iter().map(|kept| &kept.gate);
    let commit = |gate: &'q Gate| gate.policy_commit.as_ref().map(|it| it.as_str());
    query
        .bind(gates().map(|gate| gate.request.gate.0).collect::<Vec<_>>())
        .bind(gates().map(|gate| Json(&gate.outcome)).collect::<Vec<_>>())
        .bind(gates().map(|gate| Json(&gate.reasons)).collect::<Vec<_>>())
        .bind(gates().map(|gate| gate.revision).collect::<Vec<_>>())
        .bind(gates().map(Gate::is_over).collect::<Vec<_>>())
        .bind(gates().map(Gate::hold_until).collect::<Vec<_>>())
        .bind(gates().map(|gate| gate.policy_digest.as_str()).collect::<Vec<_>>())
        .bind(gates().map(|gate| gate.considered_digest.as_str()).collect::<Vec<_>>())
        .bind(gates().map(|gate| gate.decided_at).collect::<Vec<_>>())
        .bind(gates().map(|gate| calls(&gate.calls)).collect::<Vec<_>>())
        .bind(gates().map(|gate| gate.recheck).collect::<Vec<_>>())
        .bind(gates().map(|gate| gate.shadow.as_ref().map(Json)).collect::<Vec<_>>())
        .bind(gates().map(|gate| gate.clearance.as_ref().map(Json)).collect::<Vec<_>>())
        .bind(gates().map(|gate| gate.clearance.as_ref().map(|it| it.until)).collect::<Vec<_>>())
        .bind(gates().map(commit).collect::<Vec<_>>())
        .bind(gates().map(|gate| gate.place.map(Place::as_str)).collect::<Vec<_>>())
        .bind(gates().map(|gate| gate.crowds.as_ref().map(Json)).collect::<Vec<_>>())
        .bind(gates().map(|gate| told(&gate.told)).collect::<Vec<_>>())
}

async fn save_reviews(
    connection: &mut PgConnection,
    all: &[&StoredGate],
) -> Result<(), sqlx::Error> {
    let reviews: Vec<(Uuid, i32, &Review)> = all
        .iter()
        .flat_map(|kept| {
            let gate = kept.gate.request.gate.0;
            (0..).zip(&kept.gate.reviews).map(move |(number, review)| (gate, number, review))
        })
        .collect();
    if reviews.is_empty() {
        return Ok(());
    }
    let words = || reviews.iter().map(|(_, _, review)| written(review.word));
    sqlx::query(
        "insert into reviews (id, gate, number, by, approve, note, at, word, until, whole_chain,
             groups)
         select * from unnest($1::uuid[], $2::uuid[], $3::integer[], $4::text[], $5::boolean[],
             $6::text[], $7::timestamptz[], $8::text[], $9::timestamptz[], $10::boolean[],
             $11::json[])
         on conflict on constraint reviews_once do update set until = excluded.until
         where excluded.until < reviews.until",
    )
    .bind(reviews.iter().map(|(_, _, review)| review.id).collect::<Vec<_>>())
    .bind(reviews.iter().map(|(gate, _, _)| *gate).collect::<Vec<_>>())
    .bind(reviews.iter().map(|(_, number, _)| *number).collect::<Vec<_>>())
    .bind(reviews.iter().map(|(_, _, review)| review.by.as_str()).collect::<Vec<_>>())
    .bind(reviews.iter().map(|(_, _, review)| review.word == Word::Approve).collect::<Vec<_>>())
    .bind(reviews.iter().map(|(_, _, review)| review.note.as_deref()).collect::<Vec<_>>())
    .bind(reviews.iter().map(|(_, _, review)| review.at).collect::<Vec<_>>())
    .bind(words().map(|(word, _, _)| word).collect::<Vec<_>>())
    .bind(words().map(|(_, until, _)| until).collect::<Vec<_>>())
    .bind(words().map(|(_, _, whole_chain)| whole_chain).collect::<Vec<_>>())
    .bind(reviews.iter().map(|(_, _, review)| groups(&review.groups)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// A word as it is kept: its name, until when it holds, and whether for the whole chain.
fn written(word: Word) -> (Option<&'static str>, Option<DateTime<Utc>>, bool) {
    match word {
        Word::Approve | Word::Reject => (None, None, false),
        Word::Withdraw => (Some("withdraw"), None, false),
        Word::Override { until, whole_chain } => (Some("override"), Some(until), whole_chain),
    }
}

fn groups(groups: &[String]) -> Option<Json<&[String]>> {
    (!groups.is_empty()).then_some(Json(groups))
}

fn calls(calls: &[Call]) -> Option<Json<&[Call]>> {
    (!calls.is_empty()).then_some(Json(calls))
}

fn told(told: &[Told]) -> Option<Json<&[Told]>> {
    (!told.is_empty()).then_some(Json(told))
}
