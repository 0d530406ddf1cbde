//! Who people are: names that mean one person, groups, and who stands in for whom.

use std::{borrow::Cow, collections::BTreeMap};

use chrono::{DateTime, Utc};
use contracts::{change::Change, person::plain};
use serde::Serialize;

/// Everybody the policies know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct People {
    /// Who belongs to which group; persons as [`People::who`] gives them.
    pub groups: BTreeMap<String, Vec<String>>,
    /// Whose word is taken that somebody belongs to a group: names an issuer of identities uses.
    pub claims: BTreeMap<String, Vec<String>>,
    /// Other names of a person, such as a Slack id or a mail address.
    pub aliases: BTreeMap<String, String>,
    /// Who stands in for whom.
    pub delegations: Vec<Delegation>,
}

/// Somebody stands in for somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delegation {
    /// Who is away.
    pub of: String,
    /// Who stands in.
    pub to: Vec<String>,
    /// From when on.
    pub from: Option<DateTime<Utc>>,
    /// Until when.
    pub until: Option<DateTime<Utc>>,
}

/// How names are compared: `@Alice` and `alice` are one.
pub(crate) fn person(name: &str) -> String {
    plain(name).into_owned()
}

/// Who made a change: who pushed or merged it, and who wrote its commits.
pub(crate) fn authors(change: &Change) -> Vec<&str> {
    let authors = std::iter::once(&change.author).chain(&change.authors);
    authors.map(String::as_str).collect()
}

/// Where a name is from that is no name of a person by itself: `slack:U024BE7LH`, `ann@acme.example`.
fn source(name: &str) -> Option<&str> {
    let id = name.split_once(':').map(|(source, _)| source);
    id.or_else(|| name.rfind('@').map(|at| &name[at..]))
}

impl People {
    /// The person a name means, on whatever path it came.
    pub fn who(&self, name: &str) -> String {
        self.known_as(name).into_owned()
    }

    /// The same, without a copy where none is needed: this is asked for every approver of every
    /// gate.
    pub fn known_as<'a>(&'a self, name: &'a str) -> Cow<'a, str> {
        let name = plain(name);
        match self.aliases.get(&*name) {
            Some(person) => Cow::Borrowed(person),
            None => name,
        }
    }

    /// Whether two names mean one person.
    pub fn same(&self, one: &str, other: &str) -> bool {
        self.known_as(one) == self.known_as(other)
    }

    /// The source that alone knows who this is, `slack` of `slack:U024BE7LH` and `@acme.example` of an
    /// address, if no `person` has that name.
    pub fn known_only_to(&self, name: &str) -> Option<String> {
        let name = plain(name);
        let source = source(&name)?;
        let is_named =
            self.aliases.iter().any(|(alias, person)| *alias == *name || *person == *name);
        (!is_named).then(|| source.to_owned())
    }

    /// Whether a source knows this person by a name that is known here, too.
    pub fn is_known_to(&self, source_of: &str, name: &str) -> bool {
        let (name, person) = (plain(name), self.known_as(name));
        let others =
            self.aliases.iter().filter(|(_, of)| **of == *person).map(|(alias, _)| &**alias);
        others.chain([&*name, &*person]).any(|name| source(name) == Some(source_of))
    }

    /// Whether nobody can tell who this is, where `authors` made the change. Ids of a source that knows
    /// all who made it tell people apart, as addresses of one domain do; those of another do not.
    pub fn may_be_anybody(&self, name: &str, authors: &[&str]) -> bool {
        self.known_only_to(name)
            .is_some_and(|source| !authors.iter().all(|author| self.is_known_to(&source, author)))
    }

    /// Whether nothing in the policies says who this is: no person, no group, nobody who is away.
    fn never_names(&self, name: &str) -> bool {
        let who = self.known_as(name);
        let aliased = self.aliases.values().any(|person| *person == *who);
        let grouped = self.groups.values().flatten().any(|member| *member == *who);
        let away =
            self.delegations.iter().any(|it| it.of == *who || it.to.iter().any(|to| *to == *who));
        !aliased && !grouped && !away
    }

    /// Whether an author may be anybody: an id of a source or an address that the policies never name.
    /// A plain name is that of a person, unless nobody is to count whom they do not know.
    pub fn is_stranger(&self, author: &str, wants_known: bool) -> bool {
        (wants_known || author.contains([':', '@'])) && self.never_names(author)
    }

    /// The person, and those they stand in for at `at`.
    pub fn acting_as(&self, name: &str, at: DateTime<Utc>) -> Vec<String> {
        let own = self.who(name);
        let mut all = vec![own.clone()];
        let standing_in = self.delegations.iter().filter(|delegation| {
            delegation.to.contains(&own)
                && delegation.from.is_none_or(|from| from <= at)
                && delegation.until.is_none_or(|until| at < until)
        });
        all.extend(standing_in.map(|delegation| delegation.of.clone()));
        all
    }

    /// Those of these groups that take the word of an issuer.
    pub fn open<'a>(&'a self, groups: &'a [String]) -> impl Iterator<Item = &'a str> {
        groups.iter().map(String::as_str).filter(|group| self.claims.contains_key(*group))
    }

    /// Whether an issuer's word makes somebody a member of one of these groups.
    pub fn vouched(&self, groups: &[String], claimed: &[String]) -> bool {
        let names = groups.iter().filter_map(|group| self.claims.get(group)).flatten();
        !claimed.is_empty() && names.into_iter().any(|name| claimed.contains(name))
    }

    /// The members of these groups, those who are not known left out.
    pub fn members<'a>(&'a self, groups: &'a [String]) -> impl Iterator<Item = &'a str> {
        groups.iter().filter_map(|group| self.groups.get(group)).flatten().map(String::as_str)
    }

    /// Makes every name of these the name of a person, each once.
    pub fn settle_users(&self, users: &mut Vec<String>) {
        for name in users.iter_mut() {
            *name = self.who(name);
        }
        users.sort();
        users.dedup();
    }

    /// Makes other names of persons that are other names themselves those of whom they end at.
    pub fn follow_aliases(&mut self) {
        let aliases = self.aliases.clone();
        for person in self.aliases.values_mut() {
            // As many steps as there may be, so that a circle ends, too.
            for _ in 0..aliases.len() {
                let Some(next) = aliases.get(person) else { break };
                person.clone_from(next);
            }
        }
    }

    /// Makes every name in groups and delegations the name of a person.
    pub fn settle(&mut self) {
        let aliases = self.aliases.clone();
        let canonical = |name: &mut String| {
            if let Some(person) = aliases.get(name) {
                name.clone_from(person);
            }
        };
        self.groups.values_mut().flatten().for_each(canonical);
        for delegation in &mut self.delegations {
            canonical(&mut delegation.of);
            delegation.to.iter_mut().for_each(canonical);
        }
    }
}
