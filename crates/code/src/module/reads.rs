//! The files that a module reads by `file(…)` and its like.

use std::collections::BTreeSet;

use crate::{
    evaluate::{Scope, unknown},
    globs,
    module::{Module, Part},
    path,
    syntax::Expr,
};

/// Stands for the folder of the module.
const MODULE: char = '\u{1}';

/// A file that a module reads, or a glob of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Read {
    /// Seen from the folder of the module; otherwise from where its root module runs.
    from_module: bool,
    path: String,
}

impl Read {
    /// Where that is for a module in `folder`, called over any depth from the one in `root`.
    pub(crate) fn place(&self, folder: &str, root: &str) -> Option<String> {
        path::join(if self.from_module { folder } else { root }, &self.path).ok()
    }

    /// What a text names; nothing if it may be anything.
    fn new(text: &str, is_folder: bool) -> Option<Self> {
        let (from_module, text) = match text.rsplit_once(MODULE) {
            Some((_, rest)) => (true, format!(".{rest}")),
            None => (false, text.to_owned()),
        };
        let path = globs::with_gaps(&text)?;
        let path = if is_folder { format!("{path}/**") } else { path };
        Some(Self { from_module, path })
    }
}

/// Whether a function reads the file that its first argument names, or those in that folder.
pub(crate) fn reads_files(function: &str) -> bool {
    function == "templatefile" || function.starts_with("file")
}

impl Module {
    /// What the files of this module read. What its callers give it is not known here.
    pub(super) fn reads(&self, parts: &[Part<'_>]) -> BTreeSet<Read> {
        let mut calls: Vec<(&str, &Expr)> = Vec::new();
        for part in parts {
            part.body.calls(&mut |name, arguments| {
                calls.extend(arguments.first().filter(|_| reads_files(name)).map(|it| (name, it)));
            });
        }
        if calls.is_empty() {
            return BTreeSet::new();
        }
        let given = self.variables.keys().map(|name| (name.clone(), unknown())).collect();
        let scope = Scope { place: MODULE.to_string(), ..Scope::new(self, given) };
        let read = |(name, path): (&str, &Expr)| Read::new(&scope.text(path), name == "fileset");
        calls.into_iter().filter_map(read).collect()
    }
}
