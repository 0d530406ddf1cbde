//! What a sender says that follows Standard Webhooks: `{"type": …, "data": …}`, under an id and a
//! time that are signed.

use contracts::hook::HookReceived;
use serde::Deserialize;

use crate::{
    custom,
    delivery::{Reading, Signed},
    payload::{self, Malformed, Text},
};

/// Under which names the id may come: configuration chose which of them is signed.
const IDS: [&str; 2] = ["webhook-id", "svix-id"];

#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Text<'a>>,
}

pub(crate) fn read(signed: &Signed<'_>) -> Result<Reading, Malformed> {
    let told: Told<'_> = payload::object(signed.body)?;
    let mut id = None;
    for name in signed.source.id_header.iter().map(|name| name.as_str()).chain(IDS) {
        if id.is_none() {
            id = crate::github::optional_header(signed.headers, name)?.map(str::to_owned);
        }
    }
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
