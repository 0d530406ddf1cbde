//! `release`: created.

use contracts::change::ChangeReleased;
use serde::Deserialize;

use super::{Project, Read};
use crate::{
    delivery::Verdict,
    forge::event,
    payload::{self, Malformed, Text, name, plain},
};

#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow)]
    action: Text<'a>,
    #[serde(borrow)]
    tag: Text<'a>,
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
    #[serde(borrow, default)]
    url: Option<Text<'a>>,
    #[serde(borrow, default)]
    created_at: Option<Text<'a>>,
    #[serde(borrow)]
    project: Project<'a>,
    #[serde(borrow, default)]
    commit: Option<Commit<'a>>,
}

#[derive(Deserialize)]
struct Commit<'a> {
    #[serde(borrow, default)]
    author: Option<Author<'a>>,
}

#[derive(Deserialize)]
struct Author<'a> {
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
}

pub(super) fn read(body: &[u8]) -> Result<Read, Malformed> {
    let told: Told<'_> = payload::object(body)?;
    let action = name(told.action.as_str(), "action")?;
    let kind = format!("release.{action}");
    if action != "create" {
        let text = format!("nothing follows from `{action}` of a release");
        return Ok((kind, None, Verdict::kept("action_ignored", text), None));
    }
    let project = told.project.path_with_namespace.as_str();
    let repository = name(project, "project.path_with_namespace")?;
    let tag = name(told.tag.as_str(), "tag")?;
    let at = told.created_at.as_ref().map_or("", Text::as_str);
    let key = format!("release/{repository}/{tag}/{action}/{at}");
    let author = told.commit.as_ref().and_then(|commit| commit.author.as_ref());
    let author = author.and_then(|author| author.name.as_ref());
    let released = ChangeReleased {
        name: plain(told.name.as_ref().map_or(&*tag, Text::as_str)),
        repository,
        tag,
        author: plain(author.map_or("unknown", Text::as_str)),
        prerelease: false,
        url: told.url.as_ref().map(|url| plain(url.as_str())),
    };
    Ok((kind, Some(key), event(&released), None))
}
