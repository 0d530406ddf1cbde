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

mod rules;
mod scope;

use std::collections::BTreeMap;

use located::{Fault, Page, Section, Source};

use crate::{
    fault::Faults,
    model::{Policy, PolicySet, Rule, person},
};

/// A file of policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name, for people.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// Reads all files as one set.
pub fn read(files: &[File]) -> Result<PolicySet, Faults> {
    let mut gathered = Gathered::default();
    for file in files {
        gathered.file(Source { file: &file.name, text: &file.text });
    }
    gathered.finish()
}

/// What the files read so far hold.
#[derive(Default)]
struct Gathered {
    policies: Vec<Policy>,
    groups: BTreeMap<String, Vec<String>>,
    /// Where each policy and each group is defined.
    defined: BTreeMap<(&'static str, String), String>,
    /// Checked when all groups are known: where an approval asks for how many of whom.
    asked: Vec<Asked>,
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
    fn file(&mut self, source: Source<'_>) {
        let body = match located::parse(source) {
            Ok(body) => body,
            Err(fault) => return self.faults.push(fault),
        };
        let page = Page::new(source);
        let section = Section::whole(&page, &body);
        section.only(&[], &["policy", "group"]);
        for policy in section.blocks("policy") {
            self.policy(&page, &policy);
        }
        for group in section.blocks("group") {
            self.group(&group);
        }
        self.faults.extend(page.into_faults());
    }

    fn policy(&mut self, page: &Page<'_>, section: &Section<'_>) {
        let name = self.name("policy", section);
        section.only(&["environment"], &[&["match"], RULES].concat());
        section.each_once("policy", &[&["match"], RULES].concat());
        let scope = scope::read(section);
        let rules = rules::read(section);
        // Whoever wrote `deny = …` meant something, and is told what is wrong with it.
        if RULES.iter().all(|rule| section.block(rule).is_none() && section.span_of(rule).is_none())
        {
            section.fault(
                "this policy demands nothing",
                "give it a `schedule`, `approval`, `deny` or `warn` block, or delete it",
            );
        }
        // What it says was checked; without a name of its own it cannot be kept.
        let Some(name) = name else { return };
        if let (Some(Rule::Approval(approval)), Some(block)) =
            (rules.iter().find(|rule| matches!(rule, Rule::Approval(_))), section.block("approval"))
        {
            self.asked.push(rules::asked(&name, approval, &block));
        }
        self.policies.push(Policy { name, file: page.source.file.to_owned(), scope, rules });
    }

    fn group(&mut self, section: &Section<'_>) {
        let name = self.name("group", section);
        section.only(&["members"], &[]);
        let members = section.texts("members");
        if section.span_of("members").is_none() {
            section.fault("this group has no members", "give it `members = [\"alice\", \"bob\"]`");
        }
        if let Some(name) = name {
            self.groups.insert(name, members.iter().map(|(member, _)| person(member)).collect());
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
        let set = PolicySet::new(self.policies, self.groups, Vec::new());
        let mut warnings = Vec::new();
        for asked in self.asked {
            let unknown =
                asked.unknown.into_iter().filter(|(group, _)| !set.groups.contains_key(group));
            let before = warnings.len();
            warnings.extend(unknown.map(|(_, warning)| warning));
            // An unknown group may get its members later, so the count is not final.
            if warnings.len() == before && rules::too_few(&set, &asked.policy) {
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

/// The blocks that make a rule; `action` is part of `schedule`.
const RULES: &[&str] = &["schedule", "action", "approval", "deny", "warn"];

#[cfg(test)]
mod tests;
