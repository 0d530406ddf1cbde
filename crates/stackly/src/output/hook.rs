//! The webhook of a repository: what is there, what is made, or how it is made by hand.

use serde::Serialize;

use super::connect::{Given, lines, secret};
use crate::{
    command::connect::{Line, Step},
    print::{Look, clean},
};

/// A repository, and the webhook that connects it.
#[derive(Debug, Serialize)]
pub(crate) struct Hooked {
    pub(crate) repository: String,
    pub(crate) url: String,
    pub(crate) events: Vec<String>,
    /// What is there and what has to be done; absent without anybody who asks.
    #[serde(flatten)]
    pub(crate) line: Option<Line>,
    pub(crate) applied: bool,
    pub(crate) secret: Option<Given>,
    /// Whether ingest takes signatures of this repository already.
    pub(crate) has_secret: bool,
    /// How ingest is told to look for its missed deliveries.
    pub(crate) hook: Option<String>,
    /// Whether it is told so already.
    pub(crate) is_looked_at: bool,
}

impl Hooked {
    /// Names the webhook as the reconciler of ingest does.
    pub(crate) fn name(&mut self, id: u64, known: &[String]) {
        let hook = format!("repos/{}/hooks/{id}", self.repository);
        self.is_looked_at = known.iter().any(|one| one.trim_matches('/') == hook);
        self.hook = Some(hook);
    }
}

/// What is there, and what is left to do.
pub(crate) fn render(hooked: &Hooked, look: &Look) -> String {
    let Some(line) = &hooked.line else { return by_hand(hooked) };
    let mut text = lines(std::slice::from_ref(line), hooked.applied, look);
    if !hooked.applied && line.step != Step::Keep {
        text.push_str("Nothing was changed; --apply makes it so.\n");
    }
    if let Some(given) = &hooked.secret {
        text.push_str(&secret("github", given));
    }
    if let Some(hook) = hooked.hook.as_ref().filter(|_| !hooked.is_looked_at) {
        text.push_str(&format!(
            "\nSo that what GitHub could not deliver is fetched, ingest is told:\n  \
             INGEST__RECONCILE__GITHUB_HOOKS='[\"{hook}\"]'\n"
        ));
    }
    text
}

fn by_hand(hooked: &Hooked) -> String {
    let Hooked { repository, url, events, .. } = hooked;
    let secret = match hooked.has_secret {
        true => "one of github.secrets, which ingest has already",
        false => "a long one of your choice, and the same in github.secrets of ingest",
    };
    format!(
        "Ingest has neither a token for GitHub nor an app, so it is not known what is there. With \
         reconcile.github_app or reconcile.github_token this command makes it; by hand, under \
         Settings › Webhooks of {}:\n  \
         Payload URL   {}\n  Content type  application/json\n  Secret        {secret}\n  \
         Events        {}\n",
        clean(repository),
        clean(url),
        events.join(", ")
    )
}
