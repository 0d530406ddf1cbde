//! Who is told about what: the one place where an event is matched with its channels.

use std::time::Duration;

use contracts::{
    chain::{ChainPlanned, PlannedStep},
    change::Change,
};

use crate::{
    config::{self, Config},
    forge::Forge,
    input::Input,
};

#[cfg(test)]
mod tests;

/// The channels there are, and what each wants.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    /// The Slack channel for chains, refused changes and faults of the account.
    pub slack: Option<SlackRoute>,
    /// Whether commits get a status, and under which name.
    pub github: Option<HostRoute>,
    /// The other hosts, and for which repositories each is the host.
    pub forges: Vec<ForgeRoute>,
    /// The least time between two changes of the comment that follows a pull request; none if there
    /// is to be no such comment.
    pub overviews: Option<Duration>,
    /// The endpoints of outgoing webhooks.
    pub webhooks: Vec<WebhookRoute>,
}

/// One of them, as far as deciding is concerned.
#[derive(Debug, Clone)]
pub struct ForgeRoute {
    /// Which it is.
    pub forge: Forge,
    /// How statuses are shown.
    pub host: HostRoute,
    /// Patterns of repositories.
    pub repositories: Vec<String>,
}

/// Slack, as far as deciding is concerned.
#[derive(Debug, Clone)]
pub struct SlackRoute {
    /// The channel, by id or name.
    pub channel: String,
    /// Other channels for some stories: the first that fits.
    pub routes: Vec<config::Channel>,
    /// The least time between two updates of one message.
    pub update_pause: Duration,
}

/// A host of repositories, as far as deciding is concerned.
#[derive(Debug, Clone)]
pub struct HostRoute {
    /// The name under which the status is shown.
    pub context: String,
    /// The branches whose name is not shown with it.
    pub default_branches: Vec<String>,
    /// Whether check runs can be written, which only apps may.
    pub checks: bool,
}

/// One endpoint, as far as deciding is concerned.
#[derive(Debug, Clone)]
pub struct WebhookRoute {
    /// What it is called in delivery records.
    pub name: String,
    /// Patterns of event types.
    pub events: Vec<String>,
}

impl Routes {
    /// The routes a configuration asks for.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            slack: config.slack().map(SlackRoute::new),
            github: config.github().map(|github| HostRoute {
                context: github.context.clone(),
                default_branches: github.default_branches.clone(),
                checks: !github.app.id.is_empty(),
            }),
            forges: Forge::ALL.iter().filter_map(|forge| ForgeRoute::new(*forge, config)).collect(),
            overviews: config.pull_requests.overview.then_some(config.pull_requests.update_pause),
            webhooks: config
                .webhooks
                .iter()
                .map(|webhook| WebhookRoute {
                    name: webhook.name.clone(),
                    events: webhook.events.clone(),
                })
                .collect(),
        }
    }

    /// Whether nobody at all is to be told: then there is nothing to keep either.
    pub(crate) fn is_empty(&self) -> bool {
        let hosts = self.github.is_some() || !self.forges.is_empty();
        self.slack.is_none() && !hosts && self.webhooks.is_empty()
    }

    /// Where the code of this repository is reviewed, if that host is told: at GitHub, or at another.
    pub(crate) fn host_of(&self, repository: Option<&str>) -> Option<(Option<Forge>, &HostRoute)> {
        match repository.and_then(|it| self.forge_of(it)) {
            Some(ForgeRoute { forge, host, .. }) => Some((Some(*forge), host)),
            None => self.github.as_ref().map(|route| (None, route)),
        }
    }

    /// The host of this repository, if it is none of GitHub's.
    pub(crate) fn forge_of(&self, repository: &str) -> Option<&ForgeRoute> {
        let fits = |pattern: &String| matches(pattern, repository);
        self.forges.iter().find(|route| route.repositories.iter().any(fits))
    }

    /// The branch by which the status of a change is told from others: default branches are not named,
    /// so the first of them stands for all.
    pub(crate) fn branch_of<'a>(&'a self, change: &'a Change) -> &'a str {
        match self.host_of(Some(&change.repository)) {
            Some((_, HostRoute { default_branches, .. }))
                if default_branches.contains(&change.branch) =>
            {
                &default_branches[0]
            }
            _ => &change.branch,
        }
    }

    /// The pull request by which the status of a change is told from others, where it is one of that.
    pub(crate) fn pull_request_of(&self, change: &Change) -> Option<u64> {
        let (forge, _) = self.host_of(Some(&change.repository))?;
        change.pull_request.filter(|_| forge.is_some_and(Forge::marks_pull_requests))
    }

    /// The endpoints that want events of this type; of a hook that is called, also those that want
    /// just this one: `hook.called.notify_slack`.
    pub(crate) fn webhooks_for<'a>(
        &'a self,
        kind: &'a str,
        called: Option<&str>,
    ) -> impl Iterator<Item = &'a WebhookRoute> + 'a {
        let hook = called.map(|hook| format!("{kind}.{hook}"));
        let wants = move |pattern: &String| {
            matches(pattern, kind) || hook.as_ref().is_some_and(|hook| matches(pattern, hook))
        };
        self.webhooks.iter().filter(move |webhook| webhook.events.iter().any(&wants))
    }
}

impl SlackRoute {
    pub(crate) fn new(config: &config::Slack) -> Self {
        Self {
            channel: config.channel.clone(),
            routes: config.routes.clone(),
            update_pause: config.update_pause,
        }
    }

    /// The channel for what this event begins, unless it is the one for all.
    pub(crate) fn choose(&self, input: &Input) -> Option<&str> {
        let (change, steps) = match input {
            Input::Planned(ChainPlanned { change, steps, .. }) => (change, &steps[..]),
            Input::Ignored(event) => (&event.change, &[][..]),
            Input::Refused(event) => (&event.change, &[][..]),
            _ => return None,
        };
        let route = self.routes.iter().find(|route| route.fits(&change.repository, steps));
        route.map(|route| &*route.channel)
    }

    /// Whether this channel is told of anything still.
    pub(crate) fn knows(&self, channel: &str) -> bool {
        self.channel == channel || self.routes.iter().any(|route| route.channel == channel)
    }
}

impl config::Channel {
    fn fits(&self, repository: &str, steps: &[PlannedStep]) -> bool {
        let names_stack =
            [&self.labels, &self.spaces, &self.owners].iter().any(|it| !it.is_empty());
        fits(&self.repositories, [repository])
            && (!names_stack || steps.iter().any(|step| self.fits_stack(step)))
    }

    fn fits_stack(&self, step: &PlannedStep) -> bool {
        fits(&self.labels, step.labels.iter().map(|label| &**label))
            && fits(&self.spaces, [step.space.as_str()])
            && fits(&self.owners, step.owners.iter().map(|owner| &**owner))
    }
}

/// Whether one of these is named by a pattern; without patterns, all are.
fn fits<'a>(patterns: &[String], values: impl IntoIterator<Item = &'a str>) -> bool {
    let named = |value| patterns.iter().any(|pattern| matches(pattern, value));
    patterns.is_empty() || values.into_iter().any(named)
}

impl ForgeRoute {
    fn new(forge: Forge, config: &Config) -> Option<Self> {
        let options = config.host(forge)?;
        let host = HostRoute {
            context: options.context.clone(),
            default_branches: options.default_branches.clone(),
            checks: false,
        };
        Some(Self { forge, host, repositories: options.repositories.clone() })
    }
}

/// Whether a pattern with `*` for any characters fits an event type, or a repository.
pub(crate) fn matches(pattern: &str, kind: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = kind.strip_prefix(first) else { return false };
    let mut last = None;
    for part in parts {
        last = Some(part);
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    match last {
        None => rest.is_empty(),
        // The last part must reach to the end, wherever it was found first.
        Some(part) => kind.len() >= first.len() + part.len() && kind.ends_with(part),
    }
}
