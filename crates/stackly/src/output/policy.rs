//! What is known about policies: tests, explanations, replays, trials, overrides.

use chrono::{DateTime, Utc};
use contracts::phrase::count;
use policy::{
    bench::Ran,
    evaluate::Line,
    library::Away,
    page::{Block, Explained, FollowUp, InForce, OnTrial, Overrides, Refused, Tried},
    replay::Difference,
};

use super::state;
use crate::print::{Cell, Look, Table, Tone, moment};

/// What is in force, and what is not.
pub(crate) fn in_force(found: &InForce, look: &Look) -> String {
    let mut table = Table::new(&["WHAT", "STATUS"]);
    table.row(["read from".into(), found.title.clone().into()]);
    if let Some(commit) = &found.source.commit {
        table.row(["commit".into(), commit.to_string().into()]);
    }
    let count = count(found.policies.len(), "policy block");
    table.row(["in force".into(), format!("{count}, since {}", moment(found.loaded_at)).into()]);
    table.row(["digest".into(), found.digest.clone().into()]);
    if let Some(fetched) = found.fetched_at {
        table.row(["fetched".into(), moment(fetched).into()]);
    }
    if let Some(Away { since, text }) = &found.away {
        let text = format!("since {} nothing can be fetched: {text}", moment(*since));
        table.row(["origin".into(), Cell::new(Tone::Bad, text)]);
    }
    let refused = found.refused.as_ref().map(|Refused { at, commit, text, .. }| {
        let commit = commit.as_ref().map(|it| format!(" {it}")).unwrap_or_default();
        let title = format!("refused{commit}, {}:", moment(*at));
        let lines = text.lines().map(|line| format!("{}\n", crate::print::clean(line)));
        format!("\n{}\n{}", look.paint(Tone::Bad, &title), lines.collect::<String>())
    });
    let mut blocks = Table::new(&["KIND", "NAME", "FILE"]);
    for Block { kind, name, file, .. } in &found.policies {
        blocks.row([kind.as_str().into(), Cell::new(Tone::Strong, name), file.into()]);
    }
    let blocks = match found.policies.is_empty() {
        true => String::new(),
        false => format!("\n{}", blocks.render(look)),
    };
    format!("{}{blocks}{}", table.render(look), refused.unwrap_or_default())
}

/// Tests, each with what did not come as expected.
pub(crate) fn tests(ran: &[Ran], look: &Look) -> String {
    let mut text = String::new();
    for Ran { name, place, wrong, said } in ran {
        let (mark, tone) = if wrong.is_empty() { ("✓", Tone::Good) } else { ("✗", Tone::Bad) };
        text.push_str(&format!("{} {name} ({place})\n", look.paint(tone, mark)));
        for what in wrong {
            text.push_str(&format!("    {}\n", look.paint(Tone::Bad, what)));
        }
        if !wrong.is_empty() {
            let said = said.iter().map(|said| format!("    the policies say: {said}\n"));
            text.push_str(&said.collect::<String>());
        }
    }
    let failed = ran.iter().filter(|ran| !ran.wrong.is_empty()).count();
    text.push_str(&format!("{}, {failed} failed\n", count(ran.len(), "test")));
    text
}

/// A decision line by line.
pub(crate) fn explained(explained: &Explained, look: &Look) -> String {
    let Explained { gate, lines, by_policies_of_now } = explained;
    let decided = &gate.decided;
    let at = decided.policy_commit.as_ref().map(|it| format!(" at {it}")).unwrap_or_default();
    let mut text = format!(
        "{} {} · {} · policies {}{at}\n",
        look.paint(Tone::Strong, &decided.gate.to_string()),
        gate.place(),
        state::change(&gate.change),
        decided.policy_digest,
    );
    if *by_policies_of_now {
        text.push_str(
            "the policies that decided it are not kept; these are the ones in force now\n",
        );
    }
    for Line { policy, file, speaks, text: said } in lines {
        let (mark, tone) = match (speaks, policy.is_empty()) {
            (true, true) => ("=", Tone::Strong),
            (true, false) => ("●", Tone::Busy),
            (false, _) => ("–", Tone::Faint),
        };
        let place = if file.is_empty() { String::new() } else { format!(" ({file})") };
        let title = if policy.is_empty() { String::new() } else { format!("{policy}{place}: ") };
        text.push_str(&format!(
            "{} {}{}\n",
            look.paint(tone, mark),
            crate::print::clean(&title),
            crate::print::clean(said)
        ));
    }
    text
}

/// What other policies would have decided.
pub(crate) fn replayed(
    decided: usize,
    differences: &[Difference],
    kept_from: Option<DateTime<Utc>>,
    look: &Look,
) -> String {
    let mut table = Table::new(&["GATE", "BEFORE", "WAS", "WOULD BE", "WHY"]);
    for Difference { record, would, because } in differences {
        let request = &record.request;
        let stacks: Vec<&str> = request.stacks.iter().map(|s| s.stack.as_str()).take(3).collect();
        table.row([
            Cell::new(Tone::Strong, request.gate.to_string()),
            format!("{} of {}", request.moment, stacks.join(", ")).into(),
            state::outcome(&record.outcome),
            state::outcome(would),
            because.first().map(|reason| reason.text.clone()).unwrap_or_default().into(),
        ]);
    }
    let table = if differences.is_empty() { String::new() } else { table.render(look) };
    let from = kept_from
        .map_or_else(String::new, |from| format!("; decisions are kept from {} on", moment(from)));
    let decisions = count(decided, "decision");
    format!("{table}{decisions}, {} would differ{from}\n", differences.len())
}

/// How the policies on trial compare.
pub(crate) fn trial(trial: &OnTrial, look: &Look) -> String {
    let mut table = Table::new(&["GATE", "BEFORE", "IS", "WOULD BE", "WHY"]);
    for Tried { gate, shadow } in &trial.differences {
        table.row([
            Cell::new(Tone::Strong, gate.decided.gate.to_string()),
            gate.place().into(),
            state::outcome(&gate.decided.outcome),
            state::outcome(&shadow.outcome),
            shadow.reasons.first().map(|reason| reason.text.clone()).unwrap_or_default().into(),
        ]);
    }
    let table = if trial.differences.is_empty() { String::new() } else { table.render(look) };
    let refused = match &trial.refused {
        Some(refused) => format!("what is there now is refused: {refused}\n"),
        None => String::new(),
    };
    let away = match &trial.away {
        Some(Away { text, .. }) => format!("their repository cannot be fetched: {text}\n"),
        None => String::new(),
    };
    let at = trial.commit.as_ref().map(|commit| format!(" at {commit}")).unwrap_or_default();
    format!(
        "{table}{refused}{away}policies on trial in {}{at}, digest {}: {} of {} decisions would \
         differ\n",
        trial.folder, trial.digest, trial.trial.differ, trial.trial.decided
    )
}

/// Who broke the glass.
pub(crate) fn overrides(found: &Overrides, look: &Look) -> String {
    if found.overrides.is_empty() {
        return "nobody broke the glass\n".to_owned();
    }
    let mut table = Table::new(&["WHEN", "WHO", "OF", "GATE", "UNTIL", "WHY", "FOLLOWED UP"]);
    for one in &found.overrides {
        let of = match (&one.stack, one.whole_chain) {
            (_, true) => format!("all of {}", one.chain),
            (Some(stack), false) => stack.clone(),
            (None, false) => one.chain.to_string(),
        };
        let back = if one.taken_back { " (taken back)" } else { "" };
        let followed_up = match &one.follow_up {
            Some(FollowUp { by, note, .. }) => Cell::from(format!("{by}: {note}")),
            None => Cell::new(Tone::Waits, "not yet"),
        };
        table.row([
            moment(one.at).into(),
            one.by.clone().into(),
            of.into(),
            Cell::new(Tone::Strong, one.gate.to_string()),
            format!("{}{back}", one.until.map(moment).unwrap_or_default()).into(),
            one.reason.clone().unwrap_or_default().into(),
            followed_up,
        ]);
    }
    table.render(look)
}
