//! `release`: published.

use contracts::change::ChangeReleased;
use serde::Deserialize;

use super::{Account, Read, Repository};
use crate::{
    delivery::Verdict,
    forge::event,
    payload::{self, Malformed, Text, name, plain},
};

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    action: Text<'a>,
    #[serde(borrow)]
    release: Release<'a>,
    #[serde(borrow)]
    repository: Repository<'a>,
    #[serde(borrow, default)]
    sender: Option<Account<'a>>,
}

#[derive(Deserialize)]
struct Release<'a> {
    #[serde(borrow)]
    tag_name: Text<'a>,
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
    #[serde(default)]
    prerelease: bool,
    #[serde(borrow, default)]
    html_url: Option<Text<'a>>,
    #[serde(borrow, default)]
    published_at: Option<Text<'a>>,
}

pub(super) fn read(body: &[u8]) -> Result<Read, Malformed> {
    let told: Event<'_> = payload::object(body)?;
    let action = name(told.action.as_str(), "action")?;
    let kind = format!("release.{action}");
    if action != "published" {
        let text = format!("nothing follows from a release being `{action}`");
        return Ok((kind, None, Verdict::kept("action_ignored", text)));
    }
    let repository = name(told.repository.full_name.as_str(), "repository.full_name")?;
    let tag = name(told.release.tag_name.as_str(), "release.tag_name")?;
    let at = told.release.published_at.as_ref().map_or("", Text::as_str);
    let key = format!("release/{repository}/{tag}/{action}/{at}");
    let title = told.release.name.as_ref().map_or("", Text::as_str);
    let released = ChangeReleased {
        name: plain(if title.is_empty() { &tag } else { title }),
        repository,
        tag,
        author: plain(told.sender.as_ref().map_or("unknown", |sender| sender.login.as_str())),
        prerelease: told.release.prerelease,
        url: told.release.html_url.as_ref().map(|url| plain(url.as_str())),
    };
    Ok((kind, Some(key), event(&released)))
}
