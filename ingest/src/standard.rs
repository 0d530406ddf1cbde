//! What a sender says that follows Standard Webhooks: `{"type": …, "data": …}`, under an id and a
//! time that are signed.

use contracts::hook::HookReceived;
use serde::Deserialize;

use crate::{
    custom,
    delivery::{Reading, Signed},
    payload::{self, Malformed, Text},
};

#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Text<'a>>,
}

pub(crate) fn read(signed: &Signed<'_>) -> Result<Reading, Malformed> {
    let told: Told<'_> = payload::object(signed.body)?;
    // The one that is signed: whoever catches a delivery can add another.
    let id = signed.named(signed.source.id_header.as_ref())?;
    let kind = told.kind.as_ref().map(|kind| payload::plain(kind.as_str()));
    // The id is signed, so it alone tells the fact: a sender that tries again uses it again.
    let key = id.as_ref().map(|id| format!("id/{id}"));
    custom::received(
        signed,
        HookReceived {
            source: signed.source.name.to_string(),
            kind: kind.filter(|kind| !kind.is_empty()).unwrap_or_else(|| "unknown".to_owned()),
            delivery: id,
            data: payload::strict(signed.body)?,
        },
        key,
    )
}
