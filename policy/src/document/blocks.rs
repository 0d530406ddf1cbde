//! Reads the blocks beside `policy`: freezes, stops, programs, hooks, people, and who may break
//! the glass.

use std::{path::Path, sync::Arc, time::Duration};

use contracts::{gate::Moment, subject};
use located::{Fault, Section, Source};

use super::{File, approval, calendar, rules, scope, times};
use crate::{
    model::{BreakGlass, Hook, OnViolation, Policy, Rule, Scope, Silence, person},
    people::Delegation,
    rego::{self, OnWarn, Program},
};

const SILENCE: [(&str, Silence); 3] =
    [("deny", Silence::Deny), ("pass", Silence::Pass), ("warn", Silence::Warn)];
const ON_WARN: [(&str, OnWarn); 2] = [("hold", OnWarn::Hold), ("tell", OnWarn::Tell)];
/// How long a hook has if its block does not say.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long a broken glass stays broken if its block does not say.
const GLASS: Duration = Duration::from_secs(3_600);

/// What a block demands, with its scope and what is left out.
pub(super) type Demand = (Scope, Vec<Scope>, Rule);

pub(super) fn freeze(section: &Section<'_>) -> Option<Demand> {
    section.only(
        &["start", "end", "dates", "timezone", "reason", "on_violation", "midway", "environment"],
        &["match", "except"],
    );
    let mut scope = scope::read(section);
    if let Some(moments) = scope::midway(section, &scope) {
        scope.moments = moments;
    }
    let on_violation = rules::on_violation(section).map_or(OnViolation::Queue, |(what, _)| what);
    let (freeze, reason) = (calendar::freeze(section), rules::needed_reason(section));
    let rule = Rule::Freeze { freeze: freeze?, reason: reason?, on_violation };
    Some((scope, scope::excepted(section), rule))
}

/// `None` also if it is switched off.
pub(super) fn stop(section: &Section<'_>) -> Option<Demand> {
    section.only(&["reason", "engaged", "environment", "midway"], &["match", "except"]);
    let mut scope = scope::read(section);
    if let Some(moments) = scope::midway(section, &scope) {
        scope.moments = moments;
    }
    let reason = rules::needed_reason(section);
    let except = scope::excepted(section);
    let engaged = section.flag("engaged").unwrap_or(true);
    engaged.then_some(())?;
    Some((scope, except, Rule::Stop { reason: reason? }))
}

pub(super) fn hook(section: &Section<'_>) -> Option<Demand> {
    if let Some(name) = section.label("hook").filter(|name| subject::token(name) != *name) {
        let what = format!("\"{name}\" cannot end the subject at which the hook is answered");
        section.fault(what, "name it with letters, digits, `-` and `_`");
    }
    section.only(
        &["timeout", "on_silence", "priority", "expires", "environment"],
        &["match", "except"],
    );
    let on_silence = section
        .text("on_silence")
        .and_then(|text| section.word("on_silence", &text, &SILENCE))
        .unwrap_or_default();
    if section.span_of("on_silence").is_none() {
        section.fault(
            "a hook must say what silence means",
            "write `on_silence = \"deny\"`, \"pass\" or \"warn\"",
        );
    }
    let rule = Rule::Hook(Hook {
        timeout: times::duration(section, "timeout").map_or(TIMEOUT, |(duration, _)| duration),
        on_silence,
        priority: section.number("priority").unwrap_or(100),
        expires: times::duration(section, "expires").map(|(duration, _)| duration),
    });
    Some((scope::read(section), scope::excepted(section), rule))
}

/// A program, out of the files that lie beside the one it is named in.
pub(super) fn rego(
    section: &Section<'_>,
    named_in: &str,
    files: &[File],
    warnings: &mut Vec<Fault>,
) -> Option<Demand> {
    section
        .only(&["file", "entrypoint", "version", "on_warn", "environment"], &["match", "except"]);
    let demand = (scope::read(section), scope::excepted(section));
    let entrypoint = section.text("entrypoint").map(|(text, _)| text);
    let version = section.number("version");
    if version.is_some_and(|version| version > 1) {
        let span = section.span_of("version").unwrap_or_default();
        section.fault_at(span, "there is no such version of Rego", "write 0 or 1, or delete it");
    }
    let on_warn = section.text("on_warn");
    let on_warn = on_warn.and_then(|text| section.word("on_warn", &text, &ON_WARN));
    let Some((name, span)) = section.text("file") else {
        if section.span_of("file").is_none() {
            section.fault("a program is missing", "write `file = \"name.rego\"`");
        }
        return None;
    };
    let path = Path::new(named_in).parent().unwrap_or_else(|| Path::new("")).join(&name);
    let Some(file) = files.iter().find(|file| Path::new(&file.name) == path) else {
        let what = format!("there is no file {}", path.display());
        section.fault_at(span, what, "name a *.rego file, seen from the folder of this one");
        return None;
    };
    let calls = rego::banned(&file.text);
    let is_clean = calls.is_empty();
    for (place, what) in calls {
        section.note(source(file).fault(place, what, "say it with what is in the input"));
    }
    match Program::read(&file.name, &file.text, entrypoint.as_deref(), version) {
        Ok(program) => {
            if let Some(place) = ended_run(&program, &file.text) {
                section.note(source(file).fault(place, ENDED_RUN, ENDED_RUN_ADVICE));
                return None;
            }
            warnings.extend(doubts(&program, file));
            warnings.extend(too_early(&program, &demand.0, section));
            let program = program.on(on_warn.unwrap_or_default());
            is_clean.then(|| (demand.0, demand.1, Rule::Rego(Arc::new(program))))
        }
        Err(error) if is_clean => {
            let place = offset(&file.text, error.at.unwrap_or((1, 1)));
            let advice = "see docs/POLICIES.md for what a program may be";
            section.note(source(file).fault(place..place + 1, error.what, advice));
            None
        }
        Err(_) => None,
    }
}

const ENDED_RUN: &str = "this `trigger` looks at a run that has ended and says what follows it, which \
                         nobody asks here: a step is asked about before its own run begins";
const ENDED_RUN_ADVICE: &str = "say what follows what by dependencies (`depends_on` in stackly.hcl); to \
                                keep a step back, write `deny`, and `moment = \"before_plan\"` in the \
                                `match` of its block";

/// Where a trigger policy looks at the run that it would follow.
fn ended_run(program: &Program, text: &str) -> Option<std::ops::Range<usize>> {
    program.triggers().then(|| rego::wants_ended_run(text)).flatten()
}

/// What is probably not meant as it is understood here.
fn doubts(program: &Program, file: &File) -> Vec<Fault> {
    let unfilled = rego::unfilled(&file.text).into_iter().map(|(place, what)| {
        source(file).fault(place, what, "decide by what docs/POLICIES.md says is there, or drop it")
    });
    let idle = program.idle().map(|(rule, why)| {
        let what = format!("`{rule}` means nothing here: {why}");
        let mut paths = ::rego::paths(&file.text).into_iter();
        let place = paths.find(|path| !path.goes_on && path.parts[0] == rule);
        let place = place.map_or(0..0, |path| path.span);
        source(file).fault(place, what, "drop it, or leave it: it does no harm")
    });
    unfilled.chain(idle).collect()
}

/// A program that looks at plans, at gates alone that never see one.
fn too_early(program: &Program, scope: &Scope, section: &Section<'_>) -> Option<Fault> {
    let moments = &scope.moments;
    let is_early = !moments.is_empty() && !moments.contains(&Moment::BeforeApply);
    let place = section.block("match").and_then(|found| found.span_of("moment"));
    let what =
        "this program looks at what a plan changes, and that is known before the apply alone";
    let advice = "add \"before_apply\", or leave `moment` out";
    (is_early && program.reads_plan())
        .then(|| section.make_fault(place.unwrap_or_default(), what, advice))
}

fn source(file: &File) -> Source<'_> {
    Source { file: &file.name, text: &file.text }
}

/// Where a line and a column are in a text.
fn offset(text: &str, (line, column): (usize, usize)) -> usize {
    let begin: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = &text[begin.min(text.len())..];
    begin + rest.char_indices().nth(column.saturating_sub(1)).map_or(0, |(at, _)| at)
}

pub(super) fn break_glass(section: &Section<'_>, name: String) -> Option<BreakGlass> {
    section.only(
        &["allowed_users", "allowed_groups", "second_person", "expires", "environment"],
        &["match"],
    );
    let users = approval::users(section, "allowed_users");
    let groups = approval::names(section, "allowed_groups");
    if users.is_empty() && groups.is_empty() {
        section.fault(
            "nobody may break this glass",
            "give it `allowed_groups = [\"…\"]` or `allowed_users = [\"…\"]`",
        );
        return None;
    }
    Some(BreakGlass {
        name,
        scope: scope::read(section),
        users,
        groups,
        second_person: section.flag("second_person").unwrap_or(false),
        expires: times::duration(section, "expires").map_or(GLASS, |(duration, _)| duration),
    })
}

pub(super) fn delegate(section: &Section<'_>, of: &str) -> Option<Delegation> {
    section.only(&["to", "from", "until", "timezone"], &[]);
    let zone = times::zone(section)?;
    let to = approval::users(section, "to");
    if section.span_of("to").is_none() {
        section.fault("nobody stands in here", "write `to = [\"…\"]`");
    }
    let (from, until) =
        (times::instant(section, "from", zone), times::instant(section, "until", zone));
    Some(Delegation { of: person(of), to, from, until })
}

/// A policy of its own kind out of a block.
pub(super) fn policy(
    kind: crate::model::Kind,
    (name, file): (String, &str),
    (scope, except, rule): Demand,
) -> Policy {
    Policy { kind, name, file: file.to_owned(), scope, except, rules: vec![rule] }
}
