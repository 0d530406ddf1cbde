//! `merge_request`: opened, with a new head or another target, labelled, approved, closed or merged.

use contracts::{
    CommitSha,
    change::{ChangeLabelled, Command},
};
use serde::{Deserialize, de::IgnoredAny};

use super::{Project, Read};
use crate::{
    comment::Place,
    delivery::{Signed, Verdict},
    forge::{Proposal, authors::Authors, commit_id, event},
    payload::{self, Malformed, Text, moment, name, plain},
    review,
    source::Source,
};

#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow, default)]
    user: Option<Person<'a>>,
    #[serde(borrow, default)]
    assignees: Option<Vec<Person<'a>>>,
    #[serde(borrow, default)]
    reviewers: Option<Vec<Person<'a>>>,
    #[serde(borrow)]
    project: Project<'a>,
    #[serde(borrow)]
    object_attributes: Attributes<'a>,
    #[serde(borrow, default)]
    labels: Option<Vec<Label<'a>>>,
    #[serde(borrow, default)]
    changes: Option<Changes<'a>>,
}

#[derive(Deserialize)]
struct Person<'a> {
    #[serde(default)]
    id: Option<u64>,
    #[serde(borrow)]
    username: Text<'a>,
}

#[derive(Deserialize)]
struct Attributes<'a> {
    iid: u64,
    /// GitLab gives the number of whose it is, and a name only where it names them otherwise.
    #[serde(default)]
    author_id: Option<u64>,
    #[serde(borrow, default)]
    action: Option<Text<'a>>,
    #[serde(borrow, default)]
    title: Option<Text<'a>>,
    #[serde(borrow)]
    target_branch: Text<'a>,
    #[serde(default)]
    source_project_id: Option<u64>,
    #[serde(default)]
    target_project_id: Option<u64>,
    #[serde(borrow)]
    last_commit: Commit<'a>,
    /// The head that was replaced; there if there is a new one.
    #[serde(borrow, default)]
    oldrev: Option<Text<'a>>,
    #[serde(borrow, default)]
    url: Option<Text<'a>>,
    #[serde(borrow, default)]
    updated_at: Option<Text<'a>>,
    /// There once it is merged, unless the target was only moved on to its head.
    #[serde(borrow, default)]
    merge_commit_sha: Option<Text<'a>>,
    #[serde(borrow, default)]
    squash_commit_sha: Option<Text<'a>>,
    /// GitLab did it itself: it takes approvals back when there is a new head.
    #[serde(default)]
    system: bool,
}

#[derive(Deserialize)]
struct Commit<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow, default)]
    author: Option<Writer<'a>>,
    #[serde(borrow, default)]
    message: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Writer<'a> {
    #[serde(borrow, default)]
    email: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Label<'a> {
    #[serde(borrow)]
    title: Text<'a>,
}

#[derive(Deserialize)]
struct Changes<'a> {
    #[serde(borrow, default)]
    labels: Option<Labels<'a>>,
    #[serde(default)]
    draft: Option<Draft>,
    /// It goes to another branch.
    #[serde(default)]
    target_branch: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Labels<'a> {
    #[serde(borrow, default)]
    previous: Vec<Label<'a>>,
    #[serde(borrow, default)]
    current: Vec<Label<'a>>,
}

#[derive(Deserialize)]
struct Draft {
    #[serde(default)]
    current: Option<bool>,
}

pub(super) fn read(signed: &Signed<'_>) -> Result<Read, Malformed> {
    let told: Told<'_> = payload::object(signed.body)?;
    let attributes = &told.object_attributes;
    let action = plain(attributes.action.as_ref().map_or("", Text::as_str));
    let kind = format!("merge_request.{action}");
    let proposal = proposal(signed.source, &told)?;
    let at = attributes.updated_at.as_ref().map_or("", Text::as_str);
    let key = proposal.key(&action, at);
    let changes = told.changes.as_ref();
    let labels = changes.and_then(|changes| changes.labels.as_ref());
    let ready = changes.and_then(|changes| changes.draft.as_ref());
    let is_ready = ready.is_some_and(|draft| draft.current == Some(false));
    let is_moved = changes.is_some_and(|changes| changes.target_branch.is_some());
    let key = format!("{key}{}", changed(&told, &proposal, is_ready, is_moved));
    let verdict = match action.as_str() {
        "open" | "reopen" => proposal.proposed(),
        // One update may be both.
        "update" if attributes.oldrev.is_some() || is_ready || is_moved => match labels {
            None => proposal.proposed(),
            Some(_) => {
                let labelled = labelled(&told, proposal.clone(), labels);
                Verdict::Several([proposal.proposed().events(), labelled.events()].concat())
            }
        },
        "update" if labels.is_some() => labelled(&told, proposal, labels),
        "approved" | "approval" | "unapproved" | "unapproval" if !attributes.system => {
            return approved(signed, &told, proposal, kind);
        }
        "close" => proposal.closed(false, None),
        "merge" => {
            let merged_as = attributes.merge_commit_sha.as_ref();
            let merged_as = merged_as.or(attributes.squash_commit_sha.as_ref());
            let merged_as =
                merged_as.map(|sha| commit_id(sha, "object_attributes.merge_commit_sha"));
            proposal.closed(true, merged_as.transpose()?.map(CommitSha))
        }
        _ => {
            let number = proposal.number;
            let text = format!("nothing follows from `{action}` of merge request {number}");
            return Ok((kind, None, Verdict::kept("action_ignored", text), None));
        }
    };
    Ok((kind, Some(key), verdict, None))
}

/// What tells apart two updates of one second, which is as precise as GitLab tells when.
fn changed(told: &Told<'_>, proposal: &Proposal, is_ready: bool, is_moved: bool) -> String {
    let mut changed = String::new();
    if is_moved {
        changed += &format!("/{}", proposal.branch);
    }
    if let Some(previous) = &proposal.previous {
        changed += &format!("/from {previous}");
    }
    if is_ready {
        changed += "/ready";
    }
    if let Some(labels) = told.changes.as_ref().and_then(|changes| changes.labels.as_ref()) {
        changed += &format!("/{:?}/{:?}", titles(&labels.previous), titles(&labels.current));
    }
    changed
}

/// GitLab says `approved` of who was the last that had to, and `approval` of all others. It lets
/// nobody approve who is not a member of the project, so it vouches for them.
fn approved(
    signed: &Signed<'_>,
    told: &Told<'_>,
    proposal: Proposal,
    kind: String,
) -> Result<Read, Malformed> {
    let Some(user) = &told.user else {
        let text = "whoever approved is not there any more";
        return Ok((kind, None, Verdict::kept("action_ignored", text), None));
    };
    let by = name(user.username.as_str(), "user.username")?;
    let taken_back = kind.ends_with(".unapproved") || kind.ends_with(".unapproval");
    let (word, command) = match taken_back {
        true => ("unapproved", Command::Withdraw),
        false => ("approved", Command::Approve),
    };
    let updated_at = told.object_attributes.updated_at.as_ref();
    let at = updated_at.map_or("", Text::as_str);
    let key = proposal.key(word, &format!("{by}/{at}"));
    // GitLab does not say when somebody approved, but not before that. Of one that has just come it
    // is enough that it has. What is taken back late would seem older than what it takes back, which
    // counts from when it came.
    let at = moment(updated_at.filter(|_| signed.found && command == Command::Approve));
    let place = Place {
        repository: proposal.repository,
        pull_request: Some(proposal.number),
        commit: Some(CommitSha(proposal.commit)),
        by,
        url: proposal.url,
        at,
        vouched: true,
    };
    let (verdict, order) = review::follow(signed.source, command, place);
    Ok((kind, Some(key), verdict, order))
}

fn proposal(source: &Source, told: &Told<'_>) -> Result<Proposal, Malformed> {
    let attributes = &told.object_attributes;
    let previous = attributes.oldrev.as_ref();
    let previous = previous.map(|old| commit_id(old, "object_attributes.oldrev")).transpose()?;
    let project = told.project.path_with_namespace.as_str();
    let author = author(source, told);
    Ok(Proposal {
        repository: name(project, "project.path_with_namespace")?,
        number: attributes.iid,
        branch: name(attributes.target_branch.as_str(), "object_attributes.target_branch")?,
        commit: commit_id(&attributes.last_commit.id, "object_attributes.last_commit.id")?,
        previous,
        authors: authors(told).but(&author),
        author,
        title: attributes.title.as_ref().map_or("", Text::as_str).to_owned(),
        url: attributes.url.as_ref().map(|url| plain(url.as_str())),
        // A fork that is gone has no id any more: our own cannot be gone.
        fork: attributes.source_project_id.is_none()
            || attributes.source_project_id != attributes.target_project_id,
        updated_at: moment(attributes.updated_at.as_ref()),
    })
}

/// Whose it is: by name where GitLab tells it, else by the number that `[people]` can name.
fn author(source: &Source, told: &Told<'_>) -> String {
    let people = [&told.assignees, &told.reviewers].into_iter().flatten().flatten();
    let mut people = told.user.iter().chain(people);
    let named = |person: &Person<'_>| plain(person.username.as_str());
    match told.object_attributes.author_id {
        Some(id) => people
            .find(|person| person.id == Some(id))
            .map_or_else(|| source.person(&id.to_string()), named),
        None => told.user.as_ref().map_or_else(|| "unknown".to_owned(), named),
    }
}

/// Who wrote its head, and who brought it.
fn authors(told: &Told<'_>) -> Authors {
    let mut authors = Authors::default();
    let head = &told.object_attributes.last_commit;
    let mail = head.author.as_ref().and_then(|author| author.email.as_ref());
    authors.wrote(None, mail.map(Text::as_str));
    authors.together(head.message.as_ref().map_or("", Text::as_str));
    if let Some(user) = told.user.as_ref().filter(|_| told.object_attributes.oldrev.is_some()) {
        authors.wrote(Some(user.username.as_str()), None);
    }
    authors
}

fn titles(labels: &[Label<'_>]) -> Vec<String> {
    labels.iter().map(|label| plain(label.title.as_str())).collect()
}

fn labelled(told: &Told<'_>, proposal: Proposal, changed: Option<&Labels<'_>>) -> Verdict {
    let (before, after) = changed
        .map(|labels| (titles(&labels.previous), titles(&labels.current)))
        .unwrap_or_default();
    let put_on: Vec<_> = after.iter().filter(|label| !before.contains(label)).collect();
    let taken_off: Vec<_> = before.iter().filter(|label| !after.contains(label)).collect();
    // GitLab tells of all labels that were put on or taken off at one time at once.
    let label = match (put_on.as_slice(), taken_off.as_slice()) {
        ([one], []) | ([], [one]) => Some((*one).clone()),
        _ => None,
    };
    let labels = titles(told.labels.as_deref().unwrap_or_default());
    let fork = proposal.fork;
    let added = !put_on.is_empty();
    event(&ChangeLabelled { change: proposal.change(), label, added, labels, fork })
}
