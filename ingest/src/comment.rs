//! Commands in comments: `stackly approve gate_01j…`.

use chrono::{DateTime, Utc};
use contracts::{
    CommitSha, Outgoing,
    change::{ChangeCommanded, Command},
};

use crate::{
    delivery::Verdict,
    order::{Act, ChainOrder, Order, Target, Word},
    payload::plain,
    source::Source,
};

/// More words than this belong to a story, not to a command.
pub(crate) const WORDS_MAX: usize = 12;

/// A command, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) command: Command,
    pub(crate) arguments: Vec<String>,
}

/// What a comment is to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Comment {
    /// It speaks of other things.
    Talk,
    /// It speaks to us, in words we do not know.
    Unknown(String),
    /// It commands.
    Command(Written),
}

/// Reads the first line that begins with `stackly` or `/stackly`, outside of code and quotations.
pub(crate) fn read(text: &str) -> Comment {
    let mut fenced = false;
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with("```") || line.starts_with("~~~") {
            fenced = !fenced;
            continue;
        }
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or_default();
        if !fenced && (name == "stackly" || name == "/stackly") {
            return command(words);
        }
    }
    Comment::Talk
}

/// Reads the words behind `stackly`.
pub(crate) fn command<'w>(mut words: impl Iterator<Item = &'w str>) -> Comment {
    let verb = words.next().unwrap_or_default().to_ascii_lowercase();
    let arguments: Vec<_> = words.take(WORDS_MAX).map(plain).collect();
    match Command::ALL.into_iter().find(|command| command.as_str() == verb) {
        Some(command) => Comment::Command(Written { command, arguments }),
        None => Comment::Unknown(plain(&verb)),
    }
}

/// Where a comment stands, and who wrote it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) repository: String,
    pub(crate) pull_request: Option<u64>,
    pub(crate) commit: Option<CommitSha>,
    pub(crate) by: String,
    pub(crate) url: Option<String>,
    /// When it was written, where the host tells.
    pub(crate) at: Option<DateTime<Utc>>,
    /// The host vouches for the person: a member, an owner, a collaborator.
    pub(crate) vouched: bool,
}

impl Place {
    /// Why whoever wrote it may not do so here; nothing if they may.
    pub(crate) fn refuses(&self, source: &Source, act: &str) -> Option<Verdict> {
        if self.vouched || source.may_command(&self.by) {
            return None;
        }
        let text = format!(
            "`{}` may not {act} here: neither a member of the repository nor among the \
             `commanders` of this source; the delivery is kept",
            plain(&self.by)
        );
        Some(Verdict::kept("commander_unknown", text))
    }

    /// What was said there, as an event.
    pub(crate) fn told(self, Written { command, arguments }: Written) -> Verdict {
        let Self { repository, pull_request, commit, by, url, at: _, vouched: _ } = self;
        Verdict::Event(Outgoing::new(&ChangeCommanded {
            repository,
            pull_request,
            commit,
            command,
            arguments,
            by,
            url,
        }))
    }
}

/// What follows from a comment.
pub(crate) fn follow(source: &Source, text: &str, place: Place) -> (Verdict, Option<Order>) {
    let written = match read(text) {
        Comment::Command(written) => written,
        Comment::Talk => {
            let text = "a comment that does not speak to Stackly; the delivery is kept";
            return (Verdict::kept("comment_ignored", text), None);
        }
        Comment::Unknown(verb) => return (unknown(&verb), None),
    };
    if let Some(refused) = place.refuses(source, "command") {
        return (refused, None);
    }
    let order = order(&written, &place);
    (place.told(written), order)
}

/// What is answered to a word that is no command.
pub(crate) fn unknown(verb: &str) -> Verdict {
    let known = Command::ALL.map(Command::as_str).join("`, `");
    let text = format!("`stackly {verb}` is not a command; there are `{known}`");
    Verdict::kept("command_unknown", text)
}

/// What is done about it here; a plan or an apply is for those who hear the event.
pub(crate) fn act(command: Command) -> Option<Act> {
    match command {
        Command::Approve => Some(Act::Review(Word::Approve)),
        Command::Reject => Some(Act::Review(Word::Reject)),
        Command::Retry => Some(Act::Chain(ChainOrder::Retry)),
        Command::Withdraw => Some(Act::Review(Word::Withdraw)),
        Command::Plan | Command::Apply => None,
    }
}

fn order(written: &Written, place: &Place) -> Option<Order> {
    let act = act(written.command)?;
    let first = written.arguments.first();
    let named = first.and_then(|word| Target::read(word));
    let commit = first.filter(|word| named.is_none() && is_commit(word));
    let noted = usize::from(named.is_some() || commit.is_some());
    let target = match (named, place.pull_request) {
        (Some(target), _) => target,
        (None, Some(number)) => Target::PullRequest {
            repository: place.repository.clone(),
            number,
            stack: None,
            commit: commit
                .map(|word| CommitSha::from(word.as_str()))
                .or_else(|| place.commit.clone()),
        },
        (None, None) => return None,
    };
    let note = written.arguments[noted..].join(" ");
    let note = (!note.is_empty()).then_some(note);
    let pull_request = place.pull_request.map(|number| (place.repository.clone(), number));
    Some(Order {
        act,
        target,
        by: place.by.clone(),
        groups: Vec::new(),
        note,
        answer_to: None,
        pull_request,
        said_in: Some(place.repository.clone()),
        spoken_at: place.at,
        is_review: false,
    })
}

/// A commit, or its beginning.
fn is_commit(word: &str) -> bool {
    let digits = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    // Without a figure in it, it is rather a word.
    (7..=64).contains(&word.len())
        && word.bytes().all(digits)
        && word.bytes().any(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests;
