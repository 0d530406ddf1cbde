//! What a sender says that is described by configuration alone.

use contracts::hook::HookReceived;

use crate::{
    delivery::{Reading, Signed, Verdict},
    forge,
    payload::{self, Malformed},
};

/// An event must fit into a message of the broker.
const DATA_BYTES_MAX: usize = 512 * 1024;

pub(crate) fn read(signed: &Signed<'_>) -> Result<Reading, Malformed> {
    let source = signed.source;
    let hook = HookReceived {
        source: source.name.to_string(),
        kind: signed.named(source.kind_header.as_ref())?.unwrap_or_else(|| "unknown".to_owned()),
        delivery: signed.named(source.id_header.as_ref())?,
        data: payload::strict(signed.body)?,
    };
    // The id is not signed, the body is, and where there is one the time: whoever caught one cannot
    // make another of it, and the same report at another time is another fact.
    let key = signed.named(source.stamp_header.as_ref())?;
    let key = key.map(|at| format!("{}/at/{at}", signed.body_key()));
    received(signed, hook, key)
}

/// The event, where a message can carry it.
pub(crate) fn received(
    signed: &Signed<'_>,
    hook: HookReceived,
    key: Option<String>,
) -> Result<Reading, Malformed> {
    let key = key.unwrap_or_else(|| signed.body_key());
    let (id, kind) = (hook.delivery.clone(), hook.kind.clone());
    let verdict = match signed.body.len() > DATA_BYTES_MAX {
        true => Verdict::kept(
            "data_too_large",
            format!("an event carries {DATA_BYTES_MAX} bytes at most; the delivery is kept"),
        ),
        false => forge::event(&hook),
    };
    Ok(Reading::new(id, kind, key, verdict))
}

#[cfg(test)]
mod tests;
