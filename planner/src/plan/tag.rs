//! Tags that deliver: a stack with a label `stackly:on-tag=v*` goes by tags that fit, at their
//! commits, and by nothing that is pushed to its branch. What depends on it follows, as ever.

use std::collections::BTreeMap;

use contracts::{Code, Reason, change::Change, label::ON_TAG};

use super::{Plan, Request, follow};
use crate::{catalogue::is_same_repository, known::Known, phrase, query::fits_exactly};

/// The tags that deliver a stack, by its labels; none if it goes by its branch.
pub(crate) fn patterns<'a>(labels: impl Iterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
    labels.filter_map(|label| label.strip_prefix(ON_TAG)).map(str::trim).filter(|it| !it.is_empty())
}

/// What follows from a tag.
pub fn propose(known: &Known, request: &Request<'_>) -> Plan {
    let Change { repository, branch: tag, .. } = request.change;
    let catalogue = &known.catalogue;
    let here = catalogue.by_tag().iter().filter(|&position| {
        is_same_repository(&catalogue.stacks()[position].repository, repository)
    });
    let (mut touched, mut others) = (BTreeMap::new(), Vec::new());
    for position in here {
        let mut wanted = patterns(catalogue.labels(position).iter().map(|label| label.as_str()));
        match wanted.find(|wanted| fits_exactly(wanted, tag)) {
            Some(wanted) => {
                let text = format!("tag {tag} was pushed, which fits its label {ON_TAG}{wanted}");
                touched.insert(position, Reason::new(Code::Touched, text));
            }
            None => others.push(catalogue.stacks()[position].id.as_str()),
        }
    }
    if !touched.is_empty() {
        return follow(known, request, touched);
    }
    let text = match others.is_empty() {
        true => format!("tag {tag} of {repository} was pushed; stacks track branches"),
        false => format!(
            "tag {tag} of {repository} was pushed; it fits no label {ON_TAG}… of {}, and all others \
             track branches",
            phrase::list(others)
        ),
    };
    let reason = Reason::new(Code::TagPushed, text);
    request.ignored(reason)
}
