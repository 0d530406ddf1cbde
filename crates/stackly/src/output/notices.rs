//! What people were told.

use chrono::{DateTime, Utc};
use contracts::phrase::count;
use notifier::page::{Deliveries, Delivery, Retried, Told};

use crate::print::{Cell, Look, Table, Tone, age, clean, moment};

/// The calls about one chain as a table.
pub(crate) fn render(found: &Deliveries, now: DateTime<Utc>, look: &Look) -> String {
    if found.deliveries.is_empty() {
        return "nobody was told anything yet; channels are set in the notifier's configuration"
            .to_owned();
    }
    table(found, now, look, false)
}

/// Calls about anything as a table, with what each is called; whoever asked may have narrowed them
/// down.
pub(crate) fn list(
    found: &Deliveries,
    is_narrowed: bool,
    now: DateTime<Utc>,
    look: &Look,
) -> String {
    if found.deliveries.is_empty() && is_narrowed {
        return "no notice matches; `stackly notices` lists the newest of all".to_owned();
    }
    if found.deliveries.is_empty() {
        return render(found, now, look);
    }
    table(found, now, look, true)
}

fn table(found: &Deliveries, now: DateTime<Utc>, look: &Look, is_named: bool) -> String {
    let mut table =
        Table::new(&["AGE", "CHANNEL", "KIND", "STANDING", "TO", "ABOUT"]).right(&[0]).cut(4);
    for notice in &found.deliveries {
        let (tone, standing) = standing(notice);
        table.row([
            age(notice.last_attempt_at, now).into(),
            Cell::from(&notice.channel),
            Cell::from(&notice.kind),
            Cell::new(tone, standing),
            Cell::from(&notice.target),
            Cell::from(&notice.about),
        ]);
        if is_named {
            table.note(Cell::new(Tone::Faint, format!("notice {}", notice.effect)));
        }
        if let Some(note) = trouble(notice, now) {
            table.note(Cell::new(Tone::Waits, note));
        }
    }
    table.render(look)
}

/// One call, with what it says.
pub(crate) fn show(told: &Told, now: DateTime<Utc>, look: &Look) -> String {
    let notice = &told.delivery;
    let (tone, standing) = standing(notice);
    let about = told.chain.map_or_else(|| "no chain".to_owned(), |chain| chain.to_string());
    let ago = |at: DateTime<Utc>| format!("{}, {} ago", moment(at), age(at, now));
    let mut lines = vec![
        format!("notice     {}", notice.effect),
        format!("about      {about}"),
        format!("to         {} by {}", clean(&notice.target), clean(&notice.kind)),
        format!("stands     {}", look.paint(tone, &standing)),
        format!("tried      {}×, first {}", notice.attempts, ago(notice.first_attempt_at)),
        format!("last       {}", ago(notice.last_attempt_at)),
    ];
    lines.extend(notice.last_status.map(|status| format!("answered   HTTP {status}")));
    lines.extend(notice.error.as_ref().map(|error| format!("error      {}", clean(error))));
    let reason = told.reason.as_ref();
    lines.extend(reason.map(|reason| format!("waits      {}", clean(&reason.to_string()))));
    lines.extend(notice.next_attempt_at.map(|at| format!("again      {}", moment(at))));
    lines.push(match &told.said {
        Some(said) => format!("\n{said:#}"),
        None => "\nwhat it said was kept for some days and is gone".to_owned(),
    });
    lines.join("\n")
}

/// What came of telling things again.
pub(crate) fn retried(told: &Retried, look: &Look) -> String {
    let is_done = |code: &str| matches!(code, "told_again" | "tried_now");
    let mut lines: Vec<String> = told
        .notices
        .iter()
        .map(|one| {
            let tone = if is_done(&one.code) { Tone::Good } else { Tone::Waits };
            let code = look.paint(tone, &clean(&one.code));
            format!("{} {code}: {}", one.effect, clean(&one.message))
        })
        .collect();
    let done = told.notices.iter().filter(|one| is_done(&one.code)).count();
    lines.push(format!("{} of {} told again", done, count(told.notices.len(), "notice")));
    lines.join("\n")
}

fn standing(notice: &Delivery) -> (Tone, String) {
    let (symbol, tone) = match notice.standing.as_str() {
        "delivered" => ("✓", Tone::Good),
        "waiting" => ("…", Tone::Waits),
        _ => ("✗", Tone::Bad),
    };
    (tone, format!("{symbol} {}", notice.standing))
}

fn trouble(notice: &Delivery, now: DateTime<Utc>) -> Option<String> {
    let attempts = usize::try_from(notice.attempts).unwrap_or_default();
    let error = notice.error.as_ref()?;
    let next = notice.next_attempt_at.map(|at| format!("; again in {}", age(now, at)));
    Some(format!("{}: {error}{}", count(attempts, "attempt"), next.unwrap_or_default()))
}
