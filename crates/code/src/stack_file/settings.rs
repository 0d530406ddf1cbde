//! Reads what a block says of a stack, key by key.

use std::{collections::BTreeMap, str::FromStr};

use globset::Glob;
use located::{Placed, Section, nearest};

use super::{Mark, Marks};
use crate::{
    path,
    settings::{Drift, Hooks, Inferred, Input, Limits, Only, Provider, Settings, Spacelift, Tool},
};

/// Which block is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Where {
    Defaults,
    Stack,
}

pub(crate) const ATTRIBUTES: &[&str] = &[
    "inherit",
    "version",
    "description",
    "labels",
    "owners",
    "policies",
    "depends_on",
    "watch",
    "wave",
    "canary",
    "soak",
    "checks",
    "join",
    "on_failure_of",
    "on_end_of",
    "on_tag",
    "always",
    "fail_fast",
    "supersede",
    "plan_all",
];
pub(crate) const BLOCKS: &[&str] = &[
    "variables",
    "input",
    "only",
    "hooks",
    "provider",
    "limits",
    "drift",
    "inferred",
    "spacelift",
];
const UNLABELLED: &[&str] = &["variables", "hooks", "limits", "drift", "inferred", "spacelift"];
const TOOLS: [(&str, Tool); 3] = [
    ("terraform", Tool::Terraform),
    ("opentofu", Tool::OpenTofu),
    ("terragrunt", Tool::Terragrunt),
];

/// Everything it says, as far as it can be read.
pub(super) fn read(section: &Section<'_>, place: Where, marks: &mut Marks) -> Settings {
    section.only(ATTRIBUTES, BLOCKS);
    section.each_once(if place == Where::Stack { "stack" } else { "block" }, UNLABELLED);
    let mut mark = |mark: Mark, (_, span): &Placed<String>| {
        marks.insert(mark, section.make_fault(span.clone(), "", ""));
    };
    let depends_on = section.texts("depends_on");
    let (on_failure_of, on_end_of) = (section.texts("on_failure_of"), section.texts("on_end_of"));
    for one in depends_on.iter().chain(&on_failure_of).chain(&on_end_of) {
        mark(Mark::DependsOn(one.0.clone()), one);
    }
    let has_none = section.is_empty_list("policies");
    let policies = if has_none { Vec::new() } else { section.texts("policies") };
    policies.iter().for_each(|one| mark(Mark::Policy(one.0.clone()), one));
    let watch: Vec<Placed<String>> =
        section.texts("watch").iter().filter_map(|one| glob(section, one)).collect();
    watch.iter().for_each(|one| mark(Mark::Watch(one.0.clone()), one));
    let variables = section.block("variables").map(|block| block.values()).unwrap_or_default();
    for (name, (_, span)) in &variables {
        mark(Mark::Variable(name.clone()), &(name.clone(), span.clone()));
    }
    let input = inputs(section, marks);
    let variables: BTreeMap<_, _> =
        variables.into_iter().map(|(name, (value, _))| (name, value)).collect();
    for name in input.keys().filter(|name| variables.contains_key(*name)) {
        section.fault(
            format!("`{name}` is given a value in `variables` and is an `input` too"),
            "delete one of them",
        );
    }
    Settings {
        inherit: section.flag("inherit"),
        version: text(section, "version"),
        description: text(section, "description"),
        labels: list(section, "labels"),
        owners: list(section, "owners"),
        policies: names(policies),
        depends_on: names(depends_on),
        watch: names(watch),
        wave: small(section, "wave"),
        canary: section.flag("canary"),
        soak: duration(section, "soak"),
        checks: list(section, "checks"),
        join: join(section),
        on_failure_of: names(on_failure_of),
        on_end_of: names(on_end_of),
        on_tag: list(section, "on_tag"),
        only: section.blocks("only").filter_map(|block| only(&block)).collect(),
        always: section.flag("always"),
        fail_fast: section.flag("fail_fast"),
        supersede: section.flag("supersede"),
        plan_all: section.flag("plan_all"),
        variables,
        input,
        hooks: section.block("hooks").map(|block| hooks(&block)).unwrap_or_default(),
        provider: section.blocks("provider").filter_map(|block| provider(&block)).collect(),
        limits: section.block("limits").map(|block| limits(&block)).unwrap_or_default(),
        drift: section.block("drift").map(|block| drift(&block)),
        inferred: section.block("inferred").map(|block| inferred(&block)).unwrap_or_default(),
        spacelift: section
            .block("spacelift")
            .map(|block| spacelift(&block, place))
            .unwrap_or_default(),
    }
}

fn names(texts: Vec<Placed<String>>) -> Vec<String> {
    texts.into_iter().map(|(text, _)| text).collect()
}

fn text(section: &Section<'_>, key: &str) -> Option<String> {
    section.text(key).map(|(text, _)| text)
}

/// A list that may be empty: `policies = []` says that there are none yet.
fn list(section: &Section<'_>, key: &str) -> Vec<String> {
    if section.is_empty_list(key) { Vec::new() } else { names(section.texts(key)) }
}

fn small(section: &Section<'_>, key: &str) -> Option<u32> {
    let number = section.number(key)?;
    let small = u32::try_from(number).ok();
    if small.is_none() {
        section.fault(format!("`{key}` is too large"), "write a smaller number");
    }
    small
}

/// How many of the stacks before it are waited for.
fn join(section: &Section<'_>) -> Option<String> {
    let (text, span) = section.text("join")?;
    let is_number = text.parse::<u32>().is_ok_and(|number| number > 0);
    if !is_number && text != "all" && text != "any" {
        let what = format!("\"{}\" is not a rule for waiting", text.escape_debug());
        section.fault_at(span, what, "write \"all\", \"any\", or a number such as \"2\"");
        return None;
    }
    Some(text)
}

/// A glob as it reads from the root of the repository.
fn glob(section: &Section<'_>, (text, span): &Placed<String>) -> Option<Placed<String>> {
    let from_here = text.starts_with("./") || text.starts_with("../");
    let file = section.file();
    let folder = if from_here { path::parent(file) } else { "" };
    let joined = match path::join(folder, text) {
        Ok(joined) => joined,
        Err(astray) => {
            let what = format!("the path \"{}\" {}", text.escape_debug(), astray.what());
            section.fault_at(span.clone(), what, astray.advice());
            return None;
        }
    };
    let slash = if text.ends_with('/') && !joined.is_empty() { "/" } else { "" };
    match Glob::new(&joined) {
        Ok(_) => Some((format!("{joined}{slash}"), span.clone())),
        Err(error) => {
            let what = format!("this glob cannot be read: {}", error.kind());
            section.fault_at(span.clone(), what, "close every `[` and `{`, or write `[[]`");
            None
        }
    }
}

fn inputs(section: &Section<'_>, marks: &mut Marks) -> BTreeMap<String, Input> {
    let mut inputs = BTreeMap::new();
    for block in section.blocks("input") {
        let Some(name) = block.label("input") else { continue };
        block.only(&["stack", "output", "always", "sensitive"], &[]);
        let Some((stack, span)) = block.text("stack") else {
            if block.span_of("stack").is_none() {
                let advice = "write `stack = \"name\"`: the stack that has the output";
                block.fault("the stack of this input is missing", advice);
            }
            continue;
        };
        marks.insert(Mark::Input(name.clone()), block.make_fault(span, "", ""));
        let (output, always) = (text(&block, "output"), block.flag("always"));
        let input = Input { stack, output, always, sensitive: block.flag("sensitive") };
        inputs.insert(name, input);
    }
    inputs
}

fn hooks(section: &Section<'_>) -> Hooks {
    section.only(
        &["pre_plan", "post_plan", "pre_apply", "post_apply", "pre_destroy", "post_destroy"],
        &[],
    );
    Hooks {
        pre_plan: list(section, "pre_plan"),
        post_plan: list(section, "post_plan"),
        pre_apply: list(section, "pre_apply"),
        post_apply: list(section, "post_apply"),
        pre_destroy: list(section, "pre_destroy"),
        post_destroy: list(section, "post_destroy"),
    }
}

fn only(section: &Section<'_>) -> Option<(String, Only)> {
    section.only(&["branches", "environments"], &[]);
    let stack = section.label("only")?;
    let texts = |key| {
        let texts = section.texts(key).into_iter();
        let is_sound = |(text, span): &Placed<String>| {
            let is_sound = !text.trim().is_empty() && !text.contains(':');
            if !is_sound {
                let what = format!("\"{}\" is no such name", text.escape_debug());
                section.fault_at(span.clone(), what, "write a name without `:`, perhaps with `*`");
            }
            is_sound
        };
        names(texts.filter(is_sound).collect())
    };
    let only = Only { branches: texts("branches"), environments: texts("environments") };
    if section.span_of("branches").is_none() && section.span_of("environments").is_none() {
        let advice = "write `branches = [\"main\"]` or `environments = [\"prod\"]`";
        section.fault("this block names neither branches nor environments", advice);
    }
    Some((stack, only))
}

fn provider(section: &Section<'_>) -> Option<(String, Provider)> {
    section.only(&["accounts", "regions", "parallel"], &[]);
    let provider = Provider {
        accounts: list(section, "accounts"),
        regions: list(section, "regions"),
        parallel: counted(section, "parallel"),
    };
    Some((section.label("provider")?, provider))
}

fn counted(section: &Section<'_>, key: &str) -> Option<u32> {
    section.count(key).and_then(|_| small(section, key))
}

fn limits(section: &Section<'_>) -> Limits {
    section.only(&["parallel", "timeout", "retries"], &[]);
    Limits {
        parallel: counted(section, "parallel"),
        timeout: duration(section, "timeout"),
        retries: small(section, "retries"),
    }
}

fn duration(section: &Section<'_>, key: &str) -> Option<String> {
    let (text, span) = section.text(key)?;
    if !is_duration(&text) {
        let what = format!("\"{}\" is not a length of time", text.escape_debug());
        section.fault_at(span, what, "write a number and `s`, `m`, `h` or `d`: \"45m\"");
    }
    Some(text)
}

fn is_duration(text: &str) -> bool {
    text.strip_suffix(['s', 'm', 'h', 'd'])
        .is_some_and(|number| number.len() <= 6 && number.parse::<u32>().is_ok_and(|n| n > 0))
}

fn drift(section: &Section<'_>) -> Drift {
    section.only(&["enabled", "schedule", "timezone", "reconcile"], &[]);
    let schedule = section.texts("schedule");
    for (text, span) in &schedule {
        let is_sound = text.split_whitespace().count() == 5 && croner::Cron::from_str(text).is_ok();
        if !is_sound {
            let what =
                format!("\"{}\" is not a cron expression of five fields", text.escape_debug());
            let advice = "write minute, hour, day, month and day of the week: \"0 4 * * *\"";
            section.fault_at(span.clone(), what, advice);
        }
    }
    Drift {
        enabled: section.flag("enabled"),
        schedule: names(schedule),
        timezone: zone(section),
        reconcile: section.flag("reconcile"),
    }
}

fn zone(section: &Section<'_>) -> Option<String> {
    let (text, span) = section.text("timezone")?;
    if text.parse::<chrono_tz::Tz>().is_err() {
        let zones = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        let advice = match nearest(&text, zones) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => "use a name of the IANA database, such as \"Europe/Berlin\"".to_owned(),
        };
        section.fault_at(span, format!("there is no time zone \"{text}\""), advice);
    }
    Some(text)
}

fn inferred(section: &Section<'_>) -> Inferred {
    section.only(&["enabled", "ignore"], &[]);
    Inferred { enabled: section.flag("enabled"), ignore: list(section, "ignore") }
}

fn spacelift(section: &Section<'_>, place: Where) -> Spacelift {
    section.only(
        &[
            "stack",
            "space",
            "branch",
            "project_root",
            "tool",
            "tool_version",
            "worker_pool",
            "autodeploy",
            "administrative",
            "protect_from_deletion",
            "runner_image",
        ],
        &[],
    );
    for key in ["stack", "project_root"] {
        if let (Some(span), Where::Defaults) = (section.span_of(key), place) {
            let what = format!("`{key}` cannot be the same for many stacks");
            section.fault_at(span, what, "write it into each `stack`");
        }
    }
    let tool = section.text("tool").and_then(|text| section.word("tool", &text, &TOOLS));
    Spacelift {
        stack: text(section, "stack"),
        space: text(section, "space"),
        branch: text(section, "branch"),
        project_root: root(section),
        tool,
        tool_version: text(section, "tool_version"),
        worker_pool: text(section, "worker_pool"),
        autodeploy: section.flag("autodeploy"),
        administrative: section.flag("administrative"),
        protect_from_deletion: section.flag("protect_from_deletion"),
        runner_image: text(section, "runner_image"),
    }
}

/// A folder from the root of the repository.
fn root(section: &Section<'_>) -> Option<String> {
    let (text, span) = section.text("project_root")?;
    match path::join("", &text) {
        Ok(folder) => Some(folder),
        Err(astray) => {
            let what = format!("the folder \"{}\" {}", text.escape_debug(), astray.what());
            section.fault_at(span, what, astray.advice());
            None
        }
    }
}
