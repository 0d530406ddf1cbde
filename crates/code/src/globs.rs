//! Globs that watch the paths of a repository, and who watches by them.
//!
//! `*` and `?` stay within a segment, `**` crosses them, `{a,b}` and `[ab]` are alternatives. A glob
//! without any of these names a file, or a folder with everything in it.

use std::collections::BTreeMap;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::evaluate::UNKNOWN;

/// Globs, compiled together.
#[derive(Debug, Default)]
pub struct Globs {
    set: GlobSet,
    /// For each pattern of `set`: how it reads, and who watches by it.
    owners: Vec<(String, Vec<usize>)>,
}

impl Globs {
    /// The globs of everybody, each with who watches by it: their position in a list, ascending.
    ///
    /// A glob that cannot be read matches nothing; it is told with who watches by it.
    pub fn new<'a>(
        watching: impl IntoIterator<Item = (usize, &'a str)>,
    ) -> (Self, Vec<(usize, String)>) {
        let mut patterns: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (who, glob) in watching {
            let owners = patterns.entry(glob).or_default();
            if owners.last() != Some(&who) {
                owners.push(who);
            }
        }
        let (mut builder, mut owners, mut faults) = (GlobSetBuilder::new(), Vec::new(), Vec::new());
        for (pattern, watched_by) in patterns {
            match compiled(pattern) {
                Ok(globs) => {
                    for glob in globs {
                        builder.add(glob);
                        owners.push((pattern.to_owned(), watched_by.clone()));
                    }
                }
                Err(error) => {
                    let text = format!("its glob `{pattern}` is left out: {}", error.kind());
                    faults.extend(watched_by.into_iter().map(|who| (who, text.clone())));
                }
            }
        }
        match builder.build() {
            Ok(set) => (Self { set, owners }, faults),
            Err(error) => {
                // Each glob is fine by itself; together they may be too large to compile.
                let text = format!("all globs beside its own are left out, too: {error}");
                let mut all: Vec<usize> = owners.into_iter().flat_map(|(_, all)| all).collect();
                all.sort_unstable();
                all.dedup();
                faults.extend(all.into_iter().map(|who| (who, text.clone())));
                (Self::default(), faults)
            }
        }
    }

    /// The globs that match a path, with who watches by them.
    pub fn matches(&self, path: &str) -> impl Iterator<Item = (&str, &[usize])> {
        self.set.matches(path).into_iter().map(|pattern| {
            let (glob, owners) = &self.owners[pattern];
            (glob.as_str(), owners.as_slice())
        })
    }
}

/// A text that may have gaps as a glob; as it is if it has none, and nothing if it begins with one,
/// because it may then lie anywhere.
pub(crate) fn with_gaps(text: &str) -> Option<String> {
    if !text.contains(UNKNOWN) {
        return Some(text.to_owned());
    }
    let mut glob = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            UNKNOWN if glob.is_empty() => return None,
            UNKNOWN if glob.ends_with('*') => {}
            UNKNOWN => glob.push('*'),
            '*' | '?' | '[' | ']' | '{' | '}' => glob.extend(['[', character, ']']),
            plain => glob.push(plain),
        }
    }
    Some(glob)
}

fn compiled(pattern: &str) -> Result<Vec<globset::Glob>, globset::Error> {
    let bare = pattern.trim().trim_start_matches("./").trim_start_matches('/');
    let build =
        |text: &str| GlobBuilder::new(text).literal_separator(true).backslash_escape(true).build();
    if bare.contains(['*', '?', '[', '{']) {
        let below = if bare.ends_with('/') { format!("{bare}**") } else { bare.to_owned() };
        return Ok(vec![build(&below)?]);
    }
    let name = bare.trim_end_matches('/');
    Ok(vec![build(name)?, build(&format!("{name}/**"))?])
}
