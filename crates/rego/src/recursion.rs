//! Functions that call themselves, and programs of too many rules.
//!
//! Rules that need each other in a circle are told when they are evaluated; functions are not, and
//! call each other until the stack is full, which ends the process.

use std::collections::{BTreeMap, BTreeSet};

use regorus::unstable::{Parser, Rule, RuleHead, Source};

use crate::{Unreadable, first_line, tokens::paths};

/// How many rules a program may have: each may need the next, and each takes some stack.
const RULES_MAX: usize = 1000;

/// A function: where it stands, and which names it mentions.
#[derive(Default)]
struct Function {
    at: (usize, usize),
    mentions: BTreeSet<String>,
}

/// Refuses functions that may call themselves, on whatever way.
pub(crate) fn check(text: &str, is_old: bool) -> Result<(), Unreadable> {
    let unread =
        |error: &dyn ToString| Unreadable { what: first_line(&error.to_string()), at: None };
    let source = Source::from_contents(String::new(), text.to_owned()).map_err(|it| unread(&it))?;
    let mut parser = Parser::new(&source).map_err(|error| unread(&error))?;
    if !is_old {
        parser.enable_rego_v1().map_err(|error| unread(&error))?;
    }
    let rules = parser.parse().map_err(|error| unread(&error))?.policy;
    if rules.len() > RULES_MAX {
        let what = format!("it has {} rules, and {RULES_MAX} are allowed", rules.len());
        return Err(Unreadable { what, at: None });
    }
    let mut functions: BTreeMap<String, Function> = BTreeMap::new();
    for (number, rule) in rules.iter().enumerate() {
        let Rule::Spec { head: RuleHead::Func { refr, .. }, .. } = rule.as_ref() else { continue };
        let span = rule.span();
        // It ends where the next begins.
        let end = rules.get(number + 1).map_or(text.len(), |next| next.span().start as usize);
        let begin = span.start as usize;
        let function = functions.entry(refr.span().text().to_owned()).or_default();
        function.at = (span.line as usize, span.col as usize);
        let body = text.get(begin..end).unwrap_or_default();
        function.mentions.extend(mentioned(body));
    }
    for (name, Function { at, .. }) in &functions {
        if calls_itself(name, &functions) {
            let what = format!("the function `{name}` may call itself, and would never end");
            return Err(Unreadable { what, at: Some(*at) });
        }
    }
    Ok(())
}

/// The names in a rule that may be those of functions, without its own at its beginning.
fn mentioned(rule: &str) -> impl Iterator<Item = String> {
    let read = paths(rule).into_iter().skip(1).filter(|path| !path.goes_on);
    read.flat_map(|path| {
        let is_whole = path.parts.first().is_some_and(|first| first == "data");
        let whole = path.parts.join(".");
        // Of `data.spacelift.f` any part may be it, of `f.x` the first alone.
        let parts = path.parts.into_iter().take(if is_whole { usize::MAX } else { 1 });
        parts.chain([whole]).collect::<Vec<_>>()
    })
}

fn calls_itself(name: &str, functions: &BTreeMap<String, Function>) -> bool {
    let mut seen = BTreeSet::new();
    let mut rest = vec![name];
    while let Some(next) = rest.pop() {
        let Some(function) = functions.get(next) else { continue };
        if function.mentions.contains(name) {
            return true;
        }
        rest.extend(function.mentions.iter().map(String::as_str).filter(|it| seen.insert(*it)));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(rules: &str) -> Result<(), Unreadable> {
        check(&format!("package p\nimport rego.v1\n{rules}\n"), false)
    }

    #[test]
    fn functions_that_call_themselves_are_refused_with_their_place() {
        let refused = checked("x := f(1)\nf(n) := f(n + 1)").unwrap_err();
        assert_eq!((refused.at, refused.what.contains("`f`")), (Some((4, 1)), true), "{refused:?}");
        for circle in [
            "f(n) := 1 if n == 0\nf(n) := f(n - 1) if n > 0",
            "f(n) := g(n)\ng(n) := data.p.f(n)",
            "f(n) := x if {\n  x := g(n)\n}\ng(n) := h(n) if {\n  n\n}\nh(n) := f(n)",
            "f(n) := n\ng(n) := x if { x := f(n) with f as g }",
        ] {
            assert!(checked(circle).is_err(), "{circle}");
        }
        for plain in [
            "f(n) := n.f + n[_].f\ng(n) := f(n)\nh(n) := [f(n), g(n)]\nx := h({\"f\": 1})",
            "f(n) := 1 if n\nf(n) := 2 if not n # f(1)\nx := f(\"f(n)\")",
        ] {
            assert_eq!(checked(plain), Ok(()), "{plain}");
        }
        assert!(check("package p\nf(n) = x { x := f(n) }", true).is_err());
    }
}
