//! What Spacelift is to have, and how it differs from what it has. Pure.

use contracts::SpaceId;
use serde::Serialize;
use spacelift::{
    NamedWebhook, Policy, PolicyShape, WebhookShape,
    policy::{GIT_PUSH, NOTIFICATION},
};

/// States that a run only passes through. No chain moves on by them, and each webhook less is a
/// request, a row and a message less; polling finds a run that stays in one of them.
pub const PASSING: [&str; 8] = [
    "APPLYING",
    "CONFIRMED",
    "INITIALIZING",
    "PLANNING",
    "PREPARING",
    "PREPARING_APPLY",
    "PREPARING_REPLAN",
    "READY",
];
/// Those of them that people like to see at once.
const PROGRESS: [&str; 2] = ["APPLYING", "PLANNING"];

/// How what is wanted stands to what is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub(crate) enum Step {
    /// It is as it should be.
    Keep,
    /// It is missing.
    Make,
    /// It is there and differs.
    Change {
        /// In what.
        differs: Vec<String>,
    },
}

/// One thing that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    /// What kind of thing.
    pub(crate) what: &'static str,
    /// Its name.
    pub(crate) name: String,
    /// Its id, if it is there.
    pub(crate) id: Option<String>,
    /// What has to be done.
    #[serde(flatten)]
    pub(crate) step: Step,
    /// What it is for.
    pub(crate) why: String,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub(super) struct Wish<'a> {
    pub(super) name: &'a str,
    pub(super) space: &'a SpaceId,
    pub(super) endpoint: &'a str,
    pub(super) label: &'a str,
    /// A fresh secret although the webhook is there.
    pub(super) new_secret: bool,
    /// Told at once that a run plans or applies.
    pub(super) progress: bool,
}

impl Wish<'_> {
    /// The named webhook.
    pub(super) fn webhook(&self) -> WebhookShape {
        WebhookShape {
            name: self.name.to_owned(),
            space: self.space.clone(),
            endpoint: self.endpoint.to_owned(),
            enabled: true,
            retry_on_failure: true,
            labels: vec!["stackly".to_owned()],
        }
    }

    /// What feeds the webhook. Rego that both of its versions read.
    pub(super) fn notification(&self, webhook: &str) -> PolicyShape {
        let passing = PASSING.iter().filter(|state| !(self.progress && PROGRESS.contains(state)));
        let passing: Vec<_> = passing.collect();
        let body = format!(
            "package spacelift\n\n\
             import future.keywords.contains\nimport future.keywords.if\n\n\
             # Made by `stackly connect spacelift`: run updates and internal errors go to Stackly, \
             but for states\n# that a run only passes through, and for runs that Stackly itself has \
             just asked for.\n\
             webhook contains {{\"endpoint_id\": endpoint.id}} if {{\n\
             \tendpoint := input.webhook_endpoints[_]\n\
             \tendpoint.id == {webhook:?}\n\
             \twanted\n}}\n\n\
             wanted if {{\n\tinput.run_updated\n\tnot says_nothing\n}}\n\n\
             wanted if {{ input.internal_error }}\n\n\
             passing := {passing:?}\n\n\
             says_nothing if {{ input.run_updated.state == passing[_] }}\n\n\
             says_nothing if {{\n\tinput.run_updated.state == \"QUEUED\"\n\
             \tstartswith(input.run_updated.run.user_provided_metadata[_], \"stackly \")\n}}\n"
        );
        PolicyShape {
            name: format!("{} notifications", self.name),
            kind: NOTIFICATION.to_owned(),
            body,
            labels: vec!["stackly".to_owned()],
            space: self.space.clone(),
            description: "Tells Stackly how runs go, and of internal errors.".to_owned(),
        }
    }

    /// What hands control to Stackly: the head moves with a push to the tracked branch, and no run
    /// follows. Pull requests are ignored: Stackly plans them.
    pub(super) fn push(&self) -> PolicyShape {
        let body = "package spacelift\n\n\
                    import future.keywords.if\n\n\
                    # Made by `stackly connect spacelift`: a push moves the head of the stack, and \
                    Stackly starts\n# the run when it is the stack's turn.\n\
                    track if { input.push.branch == input.stack.branch }\n\n\
                    notrigger := true\n";
        PolicyShape {
            name: format!("{} pushes", self.name),
            kind: GIT_PUSH.to_owned(),
            body: body.to_owned(),
            labels: vec![format!("autoattach:{}", self.label)],
            space: self.space.clone(),
            description: "Leaves it to Stackly to start runs.".to_owned(),
        }
    }

    /// The webhook of this name, if there is one.
    pub(super) fn find<'w>(&self, webhooks: &'w [NamedWebhook]) -> Option<&'w NamedWebhook> {
        webhooks.iter().find(|webhook| webhook.is.name == self.name)
    }

    /// What becomes of the webhook.
    pub(super) fn webhook_line(&self, found: Option<&NamedWebhook>) -> Line {
        let shape = self.webhook();
        let step = match found {
            None => Step::Make,
            Some(found) => {
                let mut differs = Vec::new();
                let is = &found.is;
                if !is.enabled {
                    differs.push("it is switched off".to_owned());
                }
                if is.endpoint != shape.endpoint {
                    differs.push(format!("it sends to {}", is.endpoint));
                }
                if is.retry_on_failure != shape.retry_on_failure {
                    differs.push("it does not try again on 5xx".to_owned());
                }
                if !shape.labels.iter().all(|label| is.labels.contains(label)) {
                    differs.push("it lacks the label `stackly`".to_owned());
                }
                if self.new_secret {
                    differs.push("it gets a fresh secret".to_owned());
                }
                changed(differs)
            }
        };
        let secret = if found.is_none() { ", signed with a fresh secret" } else { "" };
        Line {
            what: "named webhook",
            name: shape.name,
            id: found.map(|found| found.id.clone()),
            step,
            why: format!("sends run events to {}{secret}", self.endpoint),
        }
    }

    /// What the webhook becomes: labels that others gave it stay.
    pub(super) fn changed_webhook(&self, found: &NamedWebhook) -> WebhookShape {
        let mut shape = self.webhook();
        for label in &found.is.labels {
            if !shape.labels.contains(label) {
                shape.labels.push(label.clone());
            }
        }
        shape
    }
}

/// What becomes of a policy.
pub(super) fn policy_line(shape: &PolicyShape, found: Option<&Policy>, why: String) -> Line {
    let what = if shape.kind == GIT_PUSH { "push policy" } else { "notification policy" };
    let step = match found {
        None => Step::Make,
        Some(found) => {
            let mut differs = Vec::new();
            if found.is.body.trim() != shape.body.trim() {
                differs.push("its Rego is another".to_owned());
            }
            let missing = shape.labels.iter().filter(|label| !found.is.labels.contains(label));
            differs.extend(missing.map(|label| format!("it lacks the label `{label}`")));
            changed(differs)
        }
    };
    let id = found.map(|found| found.id.clone());
    Line { what, name: shape.name.clone(), id, step, why }
}

/// The policy of this name and kind.
pub(super) fn policy<'p>(shape: &PolicyShape, policies: &'p [Policy]) -> Option<&'p Policy> {
    policies.iter().find(|policy| policy.is.name == shape.name && policy.is.kind == shape.kind)
}

fn changed(differs: Vec<String>) -> Step {
    match differs.is_empty() {
        true => Step::Keep,
        false => Step::Change { differs },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish<'a>(space: &'a SpaceId) -> Wish<'a> {
        Wish {
            name: "stackly",
            space,
            endpoint: "https://in.acme.example/webhooks/spacelift",
            label: "stackly",
            new_secret: false,
            progress: false,
        }
    }

    #[test]
    fn progress_is_told_to_those_who_want_to_see_it() {
        let space = SpaceId::from("root");
        let told = |progress| Wish { progress, ..wish(&space) }.notification("stackly").body;
        let passing =
            |body: String| body.lines().find(|it| it.starts_with("passing")).map(str::to_owned);
        let all = format!("passing := {PASSING:?}");
        assert_eq!(passing(told(false)), Some(all));
        let few = passing(told(true)).unwrap();
        assert!(few.contains("PREPARING") && !few.contains("\"PLANNING\""), "{few}");
    }

    #[test]
    fn what_is_as_it_should_be_is_kept_and_what_differs_says_in_what() {
        let space = SpaceId::from("root");
        let wish = wish(&space);
        let mut found = NamedWebhook { id: "stackly".to_owned(), is: wish.webhook() };
        found.is.labels.push("theirs".to_owned());
        assert_eq!(wish.webhook_line(Some(&found)).step, Step::Keep);

        found.is.enabled = false;
        found.is.endpoint = "https://elsewhere.example".to_owned();
        let Step::Change { differs } = wish.webhook_line(Some(&found)).step else { panic!() };
        assert_eq!(differs, ["it is switched off", "it sends to https://elsewhere.example"]);
        assert_eq!(wish.changed_webhook(&found).labels, ["stackly", "theirs"]);
        assert_eq!(wish.webhook_line(None).step, Step::Make);
    }

    #[test]
    fn a_policy_that_somebody_wrote_over_is_found_by_name_and_kind() {
        let space = SpaceId::from("root");
        let shape = wish(&space).push();
        let mut found = Policy { id: "stackly-pushes".to_owned(), is: shape.clone() };
        let line = |found: &Policy| policy_line(&shape, Some(found), String::new()).step;
        assert_eq!(line(&found), Step::Keep);
        found.is.body.push_str("ignore := true\n");
        assert_eq!(line(&found), Step::Change { differs: vec!["its Rego is another".to_owned()] });
        found.is.kind = "PLAN".to_owned();
        assert_eq!(policy(&shape, &[found]), None);
    }
}
