//! What a stack takes from `defaults`, and what `defaults` take from those above them.

use contracts::label;
use std::collections::{BTreeMap, BTreeSet};

use super::{Drift, Hooks, Inferred, Input, Limits, Provider, Settings, Spacelift};

impl Settings {
    /// These settings, completed by what stands above them.
    #[must_use]
    pub fn below(self, above: &Self) -> Self {
        if self.inherit == Some(false) {
            return self;
        }
        Self {
            inherit: self.inherit,
            version: self.version.or_else(|| above.version.clone()),
            description: self.description.or_else(|| above.description.clone()),
            labels: added(&above.labels, self.labels),
            owners: if self.owners.is_empty() { above.owners.clone() } else { self.owners },
            policies: added(&above.policies, self.policies),
            depends_on: added(&above.depends_on, self.depends_on),
            watch: added(&above.watch, self.watch),
            wave: self.wave.or(above.wave),
            canary: self.canary.or(above.canary),
            soak: self.soak.or_else(|| above.soak.clone()),
            checks: added(&above.checks, self.checks),
            join: self.join.or_else(|| above.join.clone()),
            on_failure_of: added(&above.on_failure_of, self.on_failure_of),
            on_end_of: added(&above.on_end_of, self.on_end_of),
            on_tag: added(&above.on_tag, self.on_tag),
            only: merged(&above.only, self.only),
            always: self.always.or(above.always),
            fail_fast: self.fail_fast.or(above.fail_fast),
            supersede: self.supersede.or(above.supersede),
            plan_all: self.plan_all.or(above.plan_all),
            variables: merged(&above.variables, self.variables),
            input: merged::<Input>(&above.input, self.input),
            hooks: self.hooks.below(&above.hooks),
            provider: providers(&above.provider, self.provider),
            limits: self.limits.below(&above.limits),
            drift: drift(above.drift.as_ref(), self.drift),
            inferred: Inferred {
                enabled: self.inferred.enabled.or(above.inferred.enabled),
                ignore: added(&above.inferred.ignore, self.inferred.ignore),
            },
            spacelift: self.spacelift.below(&above.spacelift),
        }
    }
}

impl Settings {
    /// Names of all stacks that must be done before it, other than those of its inputs.
    pub fn waits_for(&self) -> impl Iterator<Item = &String> {
        self.depends_on.iter().chain(&self.on_failure_of).chain(&self.on_end_of)
    }

    /// The accounts, projects and subscriptions it says it touches, of all providers.
    pub fn cloud_accounts(&self) -> Vec<String> {
        let all: BTreeSet<&String> = self.provider.values().flat_map(|it| &it.accounts).collect();
        all.into_iter().cloned().collect()
    }

    /// Its labels, with those that say what `join`, `always`, `wave` and the like say.
    pub fn told_as_labels(&self) -> Vec<String> {
        let join = self.join.as_ref().map(|join| format!("{}{join}", label::JOIN));
        let reads_always = self.input.values().any(|input| input.always == Some(true));
        let always = self.always.unwrap_or(reads_always).then(|| label::ALWAYS.to_owned());
        let flag = |said: Option<bool>, it: &str| (said == Some(true)).then(|| it.to_owned());
        let fail_fast = flag(self.fail_fast, label::FAIL_FAST);
        let supersede = flag(self.supersede, label::SUPERSEDE);
        let plan_all = flag(self.plan_all, label::PLAN_ALL);
        let canary = flag(self.canary, label::CANARY);
        let wave = self.wave.map(|wave| format!("{}={wave}", label::WAVE));
        let soak = self.soak.as_ref().map(|soak| format!("{}{soak}", label::SOAK));
        let timeout = self.limits.timeout.as_ref().map(|time| format!("{}{time}", label::TIMEOUT));
        let attempts = self.limits.retries.map(|retries| retries.saturating_add(1));
        let attempts = attempts.map(|attempts| format!("{}{attempts}", label::ATTEMPTS));
        let carried_out = [join, always, fail_fast, supersede, plan_all];
        let said = carried_out.into_iter().chain([wave, canary, soak, timeout, attempts]);
        let said = said.flatten();
        let inputs = self.input.iter().map(|(variable, input)| input.label(variable));
        let checks = self.checks.iter().map(|check| format!("{}{check}", label::CHECK));
        let failures = self.on_failure_of.iter().map(|on| format!("{}failure:{on}", label::ON));
        let ends = self.on_end_of.iter().map(|on| format!("{}always:{on}", label::ON));
        let tags = self.on_tag.iter().map(|tag| format!("{}{tag}", label::ON_TAG));
        let only = self.only.iter().flat_map(|(stack, only)| only.labels(stack));
        let regions: BTreeSet<&String> =
            self.provider.values().flat_map(|it| &it.regions).collect();
        let regions = regions.into_iter().map(|region| format!("{}{region}", label::REGION));
        let policies = self.policies.iter().map(|policy| format!("{}{policy}", label::POLICY));
        let told =
            said.chain(inputs).chain(checks).chain(failures).chain(ends).chain(tags).chain(only);
        let told = told.chain(self.hooks.labels()).chain(regions).chain(policies);
        added(&self.labels, told.collect())
    }
}

/// What is above comes first; nothing comes twice.
fn added(above: &[String], own: Vec<String>) -> Vec<String> {
    let mut all = above.to_vec();
    for one in own {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all
}

fn merged<V: Clone>(above: &BTreeMap<String, V>, own: BTreeMap<String, V>) -> BTreeMap<String, V> {
    let mut all = above.clone();
    all.extend(own);
    all
}

fn providers(
    above: &BTreeMap<String, Provider>,
    own: BTreeMap<String, Provider>,
) -> BTreeMap<String, Provider> {
    let mut all = above.clone();
    for (name, provider) in own {
        let upper = all.entry(name).or_default();
        let or_upper = |own: Vec<String>, upper: &[String]| {
            if own.is_empty() { upper.to_vec() } else { own }
        };
        *upper = Provider {
            accounts: or_upper(provider.accounts, &upper.accounts),
            regions: or_upper(provider.regions, &upper.regions),
            parallel: provider.parallel.or(upper.parallel),
        };
    }
    all
}

fn drift(above: Option<&Drift>, own: Option<Drift>) -> Option<Drift> {
    let Some(own) = own else { return above.cloned() };
    let above = above.cloned().unwrap_or_default();
    Some(Drift {
        enabled: own.enabled.or(above.enabled),
        schedule: if own.schedule.is_empty() { above.schedule } else { own.schedule },
        timezone: own.timezone.or(above.timezone),
        reconcile: own.reconcile.or(above.reconcile),
    })
}

impl Hooks {
    fn below(self, above: &Self) -> Self {
        Self {
            pre_plan: added(&above.pre_plan, self.pre_plan),
            post_plan: added(&above.post_plan, self.post_plan),
            pre_apply: added(&above.pre_apply, self.pre_apply),
            post_apply: added(&above.post_apply, self.post_apply),
            pre_destroy: added(&above.pre_destroy, self.pre_destroy),
            post_destroy: added(&above.post_destroy, self.post_destroy),
        }
    }

    /// Labels by which policies and subscribers find the stacks that name a hook.
    fn labels(&self) -> impl Iterator<Item = String> {
        let Self { pre_plan, post_plan, pre_apply, post_apply, pre_destroy, post_destroy } = self;
        let all = [
            ("pre_plan", pre_plan),
            ("post_plan", post_plan),
            ("pre_apply", pre_apply),
            ("post_apply", post_apply),
            ("pre_destroy", pre_destroy),
            ("post_destroy", post_destroy),
        ];
        all.into_iter().flat_map(|(when, names)| {
            names.iter().map(move |name| format!("{}{when}:{name}", label::HOOK))
        })
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Drift {
    /// Whether there is a time at which it is compared.
    pub fn is_due_ever(&self) -> bool {
        self.enabled != Some(false) && !self.schedule.is_empty()
    }
}

impl Limits {
    fn below(self, above: &Self) -> Self {
        Self {
            parallel: self.parallel.or(above.parallel),
            timeout: self.timeout.or_else(|| above.timeout.clone()),
            retries: self.retries.or(above.retries),
        }
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Inferred {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Spacelift {
    fn below(self, above: &Self) -> Self {
        Self {
            stack: self.stack.or_else(|| above.stack.clone()),
            space: self.space.or_else(|| above.space.clone()),
            branch: self.branch.or_else(|| above.branch.clone()),
            project_root: self.project_root.or_else(|| above.project_root.clone()),
            tool: self.tool.or(above.tool),
            tool_version: self.tool_version.or_else(|| above.tool_version.clone()),
            worker_pool: self.worker_pool.or_else(|| above.worker_pool.clone()),
            autodeploy: self.autodeploy.or(above.autodeploy),
            administrative: self.administrative.or(above.administrative),
            protect_from_deletion: self.protect_from_deletion.or(above.protect_from_deletion),
            runner_image: self.runner_image.or_else(|| above.runner_image.clone()),
        }
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
