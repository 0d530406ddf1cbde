//! Reads policies as they are written in HCL, and says everything that is wrong with them at once.
//!
//! ```hcl
//! policy "office_hours" {
//!   match    { environment = "prod" }
//!   schedule {
//!     allowed_hours = ["9-17"]
//!     allowed_days  = ["MON-FRI"]
//!     timezone      = "Europe/Berlin"
//!   }
//! }
//! group "platform-admins" { members = ["alice", "bob"] }
//! ```

mod approval;
mod blocks;
mod calendar;
mod rules;
pub(crate) mod scope;
pub(crate) mod times;

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{self, AssertUnwindSafe},
};

use located::{Fault, Page, Section, Source};

use crate::{
    fault::Faults,
    model::{BreakGlass, Kind, Policy, PolicySet, Rule, person},
    people::People,
};

/// A file of policies, or a program that one of them names.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct File {
    /// Its name, for people.
    pub name: String,
    /// What is in it.
    pub text: String,
}

impl File {
    /// Whether it is a program in Rego.
    pub fn is_program(&self) -> bool {
        self.name.ends_with(".rego")
    }
}

/// Reads all files as one set.
pub fn read(files: &[File]) -> Result<PolicySet, Faults> {
    gathered(files).finish()
}

/// Reads a set that was in force. What was no fault when it came into force is a warning, so that no
/// newer version of this service puts it out of force.
pub fn read_kept(files: &[File]) -> Result<PolicySet, Faults> {
    Gathered { is_kept: true, ..gathered(files) }.finish()
}

fn gathered(files: &[File]) -> Gathered {
    let mut gathered = Gathered::default();
    for file in files.iter().filter(|file| !file.is_program()) {
        let source = Source { file: &file.name, text: &file.text };
        // What breaks the reader is refused as everything else is that it cannot read.
        if panic::catch_unwind(AssertUnwindSafe(|| gathered.file(source, files))).is_err() {
            gathered.faults.push(Fault::of_file(file.name.clone(), BROKE, BROKE_ADVICE));
        }
    }
    gathered
}

const BROKE: &str = "something in this file breaks the reader";
const BROKE_ADVICE: &str = "take out what was written last; and please report it, with the file";

const ONE_PERSON: &str = "a name means one person; delete one of them";

/// What the files read so far hold.
#[derive(Default)]
struct Gathered {
    policies: Vec<Policy>,
    people: People,
    break_glass: Vec<BreakGlass>,
    /// Where each block with a name is defined.
    defined: BTreeMap<(&'static str, String), String>,
    /// Checked when all groups are known: where an approval asks for how many of whom.
    asked: Vec<Asked>,
    /// Checked when all persons are known: other names of persons, and what is wrong if they are the
    /// names of persons themselves.
    aliased: Vec<(String, Fault)>,
    /// Whether it was in force before.
    is_kept: bool,
    /// What is probably not meant.
    warnings: Vec<Fault>,
    faults: Vec<Fault>,
}

/// An approval that was read, with what must be said if it cannot be given.
struct Asked {
    policy: String,
    /// A group that may not exist, and the warning if it does not.
    unknown: Vec<(String, Fault)>,
    /// The fault if too few people may approve.
    too_few: Fault,
}

impl Gathered {
    fn file(&mut self, source: Source<'_>, files: &[File]) {
        let body = match located::parse(source) {
            Ok(body) => body,
            Err(fault) => return self.faults.push(fault),
        };
        let page = Page::new(source);
        let section = Section::whole(&page, &body);
        section.only(&[], BLOCKS);
        for policy in section.blocks("policy") {
            self.policy(&page, &policy);
        }
        self.demands(&page, &section, files);
        self.people(&section);
        self.faults.extend(page.into_faults());
    }

    fn policy(&mut self, page: &Page<'_>, section: &Section<'_>) {
        let name = self.name("policy", section);
        section.only(&["environment"], &[&["match", "except"], RULES].concat());
        section.each_once("policy", &[&["match"], RULES].concat());
        let mut scope = scope::read(section);
        if let Some(action) = section.block("action")
            && let Some(moments) = scope::midway(&action, &scope)
        {
            if section.block("schedule").is_none() {
                let span = action.span_of("midway").unwrap_or_default();
                let what = "`midway` says which gates a `schedule` holds, and there is none";
                action.fault_at(span, what, "delete it, or add a `schedule`");
            }
            scope.midway = moments;
        }
        let (except, rules) = (scope::excepted(section), rules::read(section));
        // Whoever wrote `deny = …` meant something, and is told what is wrong with it.
        if RULES.iter().all(|rule| section.block(rule).is_none() && section.span_of(rule).is_none())
        {
            section.fault(
                "this policy demands nothing",
                "give it a `schedule`, `limits`, `budget`, `deregistration`, `approval`, `deny` or \
                 `warn` block, or delete it",
            );
        }
        // What it says was checked; without a name of its own it cannot be kept.
        let Some(name) = name else { return };
        if let (Some(Rule::Approval(approval)), Some(block)) =
            (rules.iter().find(|rule| matches!(rule, Rule::Approval(_))), section.block("approval"))
        {
            self.asked.push(approval::asked(&name, approval, &block));
        }
        let file = page.source.file.to_owned();
        self.policies.push(Policy { kind: Kind::Policy, name, file, scope, except, rules });
    }

    /// The blocks that can hold a gate besides policies.
    fn demands(&mut self, page: &Page<'_>, section: &Section<'_>, files: &[File]) {
        let file = page.source.file;
        for kind in [Kind::Freeze, Kind::Stop, Kind::Hook, Kind::Rego] {
            let block = kind.as_str();
            for found in section.blocks(block) {
                let name = self.name(block, &found);
                let demand = match kind {
                    Kind::Freeze => blocks::freeze(&found),
                    Kind::Stop => blocks::stop(&found),
                    Kind::Hook => blocks::hook(&found),
                    _ => blocks::rego(&found, file, files, &mut self.warnings),
                };
                if let (Some(name), Some(demand)) = (name, demand) {
                    self.policies.push(blocks::policy(kind, (name, file), demand));
                }
            }
        }
        for found in section.blocks("break_glass") {
            if let Some(name) = self.name("break_glass", &found) {
                self.break_glass.extend(blocks::break_glass(&found, name));
            }
        }
    }

    fn people(&mut self, section: &Section<'_>) {
        for group in section.blocks("group") {
            self.group(&group);
        }
        for found in section.blocks("person") {
            found.only(&["also"], &[]);
            let Some(name) = self.name("person", &found) else { continue };
            for (alias, span) in found.texts("also") {
                let (alias, name) = (person(&alias), person(&name));
                if alias != name {
                    let what = format!("\"{alias}\" is a person already");
                    let fault = found.make_fault(span.clone(), what, ONE_PERSON);
                    self.aliased.push((alias.clone(), fault));
                }
                let known = self.people.aliases.insert(alias.clone(), name.clone());
                if let Some(other) = known.filter(|other| *other != name) {
                    let what = format!("\"{alias}\" is {other} already");
                    found.fault_at(span, what, ONE_PERSON);
                }
            }
        }
        for found in section.blocks("delegate") {
            if let Some(name) = found.label("delegate") {
                self.people.delegations.extend(blocks::delegate(&found, &name));
            }
        }
    }

    fn group(&mut self, section: &Section<'_>) {
        let name = self.name("group", section);
        section.only(&["members", "claims"], &[]);
        let members = section.texts("members");
        let claims: Vec<String> = section.texts("claims").into_iter().map(|(it, _)| it).collect();
        if section.span_of("members").is_none() && claims.is_empty() {
            section.fault("this group has no members", "give it `members = [\"alice\", \"bob\"]`");
        }
        if let Some(name) = name {
            let members = members.iter().map(|(member, _)| person(member)).collect();
            if !claims.is_empty() {
                self.people.claims.insert(name.clone(), claims);
            }
            self.people.groups.insert(name, members);
        }
    }

    /// The label of a block, if it is there and new.
    fn name(&mut self, kind: &'static str, section: &Section<'_>) -> Option<String> {
        let name = section.label(kind)?;
        let here = section.place();
        match self.defined.get(&(kind, name.clone())) {
            Some(first) => {
                let what = format!("there is a {kind} \"{name}\" already, at {first}");
                section.fault(what, format!("rename one of them, or delete one {kind}"));
                None
            }
            None => {
                self.defined.insert((kind, name.clone()), here);
                Some(name)
            }
        }
    }

    fn finish(mut self) -> Result<PolicySet, Faults> {
        let persons = self.defined.keys().filter(|(kind, _)| *kind == "person");
        let persons: BTreeSet<String> = persons.map(|(_, name)| person(name)).collect();
        let chained = self.aliased.into_iter().filter(|(alias, _)| persons.contains(alias));
        let chained = chained.map(|(_, fault)| fault);
        if self.is_kept {
            self.people.follow_aliases();
            self.warnings.extend(chained);
        } else {
            self.faults.extend(chained);
        }
        let set = PolicySet::new(self.policies, self.people, self.break_glass);
        let mut warnings = self.warnings;
        for asked in self.asked {
            let unknown = asked
                .unknown
                .into_iter()
                .filter(|(group, _)| !set.people.groups.contains_key(group));
            let before = warnings.len();
            warnings.extend(unknown.map(|(_, warning)| warning));
            // An unknown group may get its members later, so the count is not final.
            if warnings.len() == before && approval::too_few(&set, &asked.policy) {
                self.faults.push(asked.too_few);
            }
        }
        if self.faults.is_empty() {
            return Ok(PolicySet { warnings, ..set });
        }
        located::sort(&mut self.faults);
        Err(Faults(self.faults))
    }
}

/// What may stand at the top of a file.
const BLOCKS: &[&str] =
    &["policy", "freeze", "stop", "rego", "hook", "break_glass", "group", "person", "delegate"];
/// The blocks that make a rule; `action` is part of `schedule`, `limits` and `budget`.
const RULES: &[&str] =
    &["schedule", "action", "limits", "budget", "deregistration", "approval", "deny", "warn"];

#[cfg(test)]
mod tests;
