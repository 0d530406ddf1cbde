//! Labels that say what a stack depends on.
//!
//! `depends-on:<stack>`, several as `depends-on:a,b`; `dependsOn:` and `stackly:depends-on:` are read
//! alike, in any case.
//! `<stack>` is the id (slug), or the name if only one stack has it. `<stack>|state:FINISHED` is
//! how Spacelift's sample trigger policies write the same; any other condition asks for something
//! that is no order ("when it failed"), and is reported instead of obeyed.
//!
//! `deps:` is *not* read: where it is used, it names files for push policies, not stacks.
//!
//! Other labels say something about a stack that is depended on, and name it likewise.

use contracts::label::OURS;

/// One stack named by a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mention<'a> {
    /// Its id or its name, as written.
    pub stack: &'a str,
    /// What is behind the `|`, unless it is `state:FINISHED`.
    pub condition: Option<&'a str>,
}

/// The stacks a label names; nothing if it is about something else.
pub(crate) fn dependencies(label: &str) -> Option<Vec<Mention<'_>>> {
    let is_ours = label.get(..OURS.len()).is_some_and(|it| it.eq_ignore_ascii_case(OURS));
    let rest = if is_ours { &label[OURS.len()..] } else { label };
    let (key, stacks) = rest.split_once(':')?;
    let key = key.trim();
    if !key.eq_ignore_ascii_case("depends-on") && !key.eq_ignore_ascii_case("dependson") {
        return None;
    }
    Some(stacks.split(',').map(mention).collect())
}

fn mention(text: &str) -> Mention<'_> {
    let Some((stack, condition)) = text.split_once('|') else {
        return Mention { stack: text.trim(), condition: None };
    };
    let condition = condition.trim();
    let plain = condition.eq_ignore_ascii_case("state:finished");
    Mention { stack: stack.trim(), condition: (!plain).then_some(condition) }
}

/// A label that says more about a stack that is depended on (what is carried from it, how it must end,
/// where that counts): what is before its name, the name, and what is behind.
pub(crate) fn about(label: &str) -> Option<(&str, &str, &str)> {
    let (key, said) = label.strip_prefix("stackly:")?.split_once('=')?;
    let (_, behind) = said.split_once(':')?;
    let (name, output) = match key {
        "on" => (behind, ""),
        "only" => (behind.split_once(':')?.1, ""),
        "input" | "sensitive-input" => behind.split_at(behind.rfind('/')?),
        _ => return None,
    };
    let before = &label[..label.len() - name.len() - output.len()];
    Some((before, name.trim(), output))
}

/// The stack of whose end a label says how it must be, if it names one.
pub(crate) fn on_end_of(label: &str) -> Option<&str> {
    label.starts_with("stackly:on=").then(|| about(label))?.map(|(_, stack, _)| stack)
}

#[cfg(test)]
mod tests;
