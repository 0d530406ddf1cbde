//! Everything the simulated account is and has done, behind one lock.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use ulid::Ulid;

use crate::{
    account::{
        Account, BlueprintSeed, CommitSeed, ContextSeed, SpaceSeed, StackSeed, WorkerPoolSeed,
    },
    agenda::Agenda,
    clock::Clock,
    dependencies::Graph,
    engine::published,
    faults::Faults,
    ids::Ids,
    journal::Journal,
    pace::Pace,
    policy::Policy,
    record::{Commit, Run},
    run::Refusal,
    settings::Settings,
    stack::{Entity, Lane, Stack},
    states::RunState,
    webhook::Webhooks,
};

/// One ordered walk down the dependency graph: at most one run per stack.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    pub(crate) runs: HashMap<Arc<str>, Ulid>,
    pub(crate) open: usize,
}

pub(crate) struct World {
    pub(crate) now: i64,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) account: Arc<str>,
    pub(crate) base: Arc<str>,
    pub(crate) pace: Pace,
    pub(crate) settings: Settings,
    pub(crate) spaces: BTreeMap<String, SpaceSeed>,
    pub(crate) stacks: BTreeMap<Arc<str>, Arc<Stack>>,
    pub(crate) lanes: HashMap<Arc<str>, Lane>,
    pub(crate) runs: BTreeMap<Ulid, Arc<Run>>,
    pub(crate) by_state: BTreeMap<RunState, BTreeSet<Ulid>>,
    pub(crate) commits: HashMap<String, Arc<Commit>>,
    pub(crate) heads: HashMap<(String, String), Arc<Commit>>,
    pub(crate) graph: Graph,
    pub(crate) passes: HashMap<u64, Pass>,
    pub(crate) passes_made: u64,
    pub(crate) external: BTreeMap<String, BTreeSet<Ulid>>,
    pub(crate) agenda: Agenda,
    pub(crate) journal: Journal,
    pub(crate) faults: Faults,
    /// How many requests came, by the first field each asked for.
    pub(crate) calls: BTreeMap<String, u64>,
    pub(crate) webhooks: Webhooks,
    pub(crate) policies: BTreeMap<String, Policy>,
    pub(crate) pools: BTreeMap<String, WorkerPoolSeed>,
    pub(crate) contexts: BTreeMap<String, ContextSeed>,
    pub(crate) blueprints: BTreeMap<String, BlueprintSeed>,
    pub(crate) stars: BTreeSet<(Arc<str>, Arc<str>)>,
    /// Uploaded workspaces and state files, by id.
    pub(crate) blobs: HashMap<String, axum::body::Bytes>,
    /// Who may be told of each upload: the stack of each workspace.
    pub(crate) workspaces: HashMap<String, Arc<str>>,
}

/// What a world is made from besides the account.
pub(crate) struct Origin {
    pub(crate) base: String,
    pub(crate) pace: Pace,
    pub(crate) seed: u64,
    pub(crate) webhooks: Webhooks,
}

impl World {
    pub(crate) fn new(account: Account, origin: Origin) -> Result<Self, Refusal> {
        let clock = Clock::new();
        let mut world = Self {
            now: clock.now(),
            clock,
            ids: Ids::new(origin.seed),
            account: account.name.as_str().into(),
            base: origin.base.into(),
            pace: origin.pace,
            settings: Settings::default(),
            spaces: BTreeMap::new(),
            stacks: BTreeMap::new(),
            lanes: HashMap::new(),
            runs: BTreeMap::new(),
            by_state: BTreeMap::new(),
            commits: HashMap::new(),
            heads: HashMap::new(),
            graph: Graph::default(),
            passes: HashMap::new(),
            passes_made: 0,
            external: BTreeMap::new(),
            agenda: Agenda::default(),
            journal: Journal::default(),
            faults: Faults::default(),
            calls: BTreeMap::new(),
            webhooks: origin.webhooks,
            policies: BTreeMap::new(),
            pools: account.worker_pools.into_iter().map(|p| (p.id.clone(), p)).collect(),
            contexts: account.contexts.into_iter().map(|c| (c.id.clone(), c)).collect(),
            blueprints: account.blueprints.into_iter().map(|b| (b.id.clone(), b)).collect(),
            stars: BTreeSet::new(),
            blobs: HashMap::new(),
            workspaces: HashMap::new(),
        };
        world.add_spaces(account.spaces)?;
        for stack in account.stacks {
            world.add_stack(stack)?;
        }
        for dependency in account.dependencies {
            world.add_dependency(dependency)?;
        }
        Ok(world)
    }

    fn add_spaces(&mut self, seeds: Vec<SpaceSeed>) -> Result<(), Refusal> {
        let root = SpaceSeed { id: "root".into(), name: "root".into(), ..SpaceSeed::default() };
        self.spaces.insert("root".into(), root);
        for mut seed in seeds {
            if seed.name.is_empty() {
                seed.name.clone_from(&seed.id);
            }
            if seed.id != "root" {
                seed.parent.get_or_insert_with(|| "root".into());
            }
            self.spaces.insert(seed.id.clone(), seed);
        }
        let orphan = self.spaces.values().find_map(|space| {
            let parent = space.parent.as_ref()?;
            (!self.spaces.contains_key(parent)).then(|| (space.id.clone(), parent.clone()))
        });
        match orphan {
            Some((space, parent)) => {
                Err(Refusal::new(format!("space {space} is below {parent}, which does not exist")))
            }
            None => Ok(()),
        }
    }

    /// Adds a stack; the account must know its space and its worker pool.
    pub(crate) fn add_stack(&mut self, mut seed: StackSeed) -> Result<Arc<Stack>, Refusal> {
        if seed.id.is_empty() || seed.id.contains(['/', ' ']) {
            return Err(Refusal::new(format!("{:?} is not a stack id", seed.id)));
        }
        if self.stacks.contains_key(seed.id.as_str()) {
            return Err(Refusal::new(format!("stack {} already exists", seed.id)));
        }
        if !self.spaces.contains_key(&seed.space) {
            return Err(Refusal::new(format!("space {} not found", seed.space)));
        }
        if let Some(pool) = seed.worker_pool.as_ref().filter(|p| !self.pools.contains_key(*p)) {
            return Err(Refusal::new(format!("worker pool {pool} not found")));
        }
        if seed.name.is_empty() {
            seed.name.clone_from(&seed.id);
        }
        let tracked = seed.tracked_commit.take().map(|commit| self.learn_commit(&seed, commit));
        let head = tracked.clone().unwrap_or_else(|| self.head_of(&seed));
        let entities = (0..seed.resources).map(|number| self.new_entity(number, None)).collect();
        let id: Arc<str> = seed.id.as_str().into();
        let outputs = if seed.outputs_published {
            published(&seed, "before", &head.hash)
        } else {
            BTreeMap::new()
        };
        let stack = Arc::new(Stack {
            id: id.clone(),
            branch: seed.branch.as_str().into(),
            created_ms: self.now,
            state: RunState::None,
            state_set_ms: self.now,
            state_set_by: None,
            tracked,
            tracked_set_by: None,
            head: Some(head),
            lock: None,
            disabled: false,
            deleting: false,
            last_apply_ms: None,
            outputs: Arc::new(outputs),
            entities: Arc::new(entities),
            config: Arc::default(),
            plan_once: std::collections::VecDeque::new(),
            seed: Arc::new(seed),
        });
        self.stacks.insert(id.clone(), stack.clone());
        self.lanes.insert(id, Lane::default());
        Ok(stack)
    }

    pub(crate) fn new_entity(&mut self, number: u32, run: Option<Ulid>) -> Entity {
        let name = format!("resource-{number}");
        Entity { id: self.ids.next(self.now), name, creator: run, updater: run }
    }

    /// Keeps a commit so that later mentions of its hash find its author and message.
    pub(crate) fn learn_commit(&mut self, stack: &StackSeed, seed: CommitSeed) -> Arc<Commit> {
        let url = commit_url(stack, &seed.hash);
        let commit = Arc::new(Commit {
            author_login: seed.author_login,
            author_name: if seed.author_name.is_empty() {
                "Unknown".into()
            } else {
                seed.author_name
            },
            hash: seed.hash,
            message: seed.message,
            tag: seed.tag,
            timestamp: if seed.timestamp == 0 { self.now / 1_000 } else { seed.timestamp },
            url,
        });
        self.commits.insert(commit.hash.clone(), commit.clone());
        commit
    }

    /// The head of the branch a stack tracks; made up the first time somebody asks.
    fn head_of(&mut self, seed: &StackSeed) -> Arc<Commit> {
        let key = (format!("{}/{}", seed.namespace, seed.repository), seed.branch.clone());
        if let Some(head) = self.heads.get(&key) {
            return head.clone();
        }
        let commit = CommitSeed {
            hash: self.ids.secret()[..40].into(),
            message: "Initial commit".into(),
            author_name: "Simulator".into(),
            author_login: Some("simulator".into()),
            ..CommitSeed::default()
        };
        let head = self.learn_commit(seed, commit);
        self.heads.insert(key, head.clone());
        head
    }

    /// The commit with this hash; one nobody told of gets a bare description.
    pub(crate) fn commit(&mut self, stack: &Stack, hash: &str) -> Result<Arc<Commit>, Refusal> {
        if !(7..=64).contains(&hash.len()) || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Refusal::new(format!("{hash:?} is not a commit hash")));
        }
        if let Some(commit) = self.commits.get(hash) {
            return Ok(commit.clone());
        }
        let seed = CommitSeed {
            hash: hash.into(),
            message: format!("Commit {}", &hash[..7]),
            ..CommitSeed::default()
        };
        Ok(self.learn_commit(&stack.seed.clone(), seed))
    }

    pub(crate) fn stack(&self, id: &str) -> Result<Arc<Stack>, Refusal> {
        let missing = || Refusal::new(format!("stack {id} not found"));
        self.stacks.get(id).cloned().ok_or_else(missing)
    }

    pub(crate) fn stack_mut(&mut self, id: &str) -> Result<&mut Stack, Refusal> {
        let missing = || Refusal::new(format!("stack {id} not found"));
        self.stacks.get_mut(id).map(Arc::make_mut).ok_or_else(missing)
    }

    /// A run of this stack by the id as it is written.
    pub(crate) fn run_of(&self, stack: &str, run: &str) -> Result<Arc<Run>, Refusal> {
        let found = self.run(run).filter(|found| &*found.stack == stack);
        found.ok_or_else(|| Refusal::new(format!("run {run} not found")))
    }

    pub(crate) fn run(&self, id: &str) -> Option<Arc<Run>> {
        self.runs.get(&Ulid::from_string(id).ok()?).cloned()
    }

    pub(crate) fn lane(&self, stack: &str) -> Option<&Lane> {
        self.lanes.get(stack)
    }

    /// Whether `space` is `above` or lies somewhere below it.
    pub(crate) fn space_within(&self, space: &str, above: &str) -> bool {
        let mut at = Some(space);
        let mut steps = 0;
        while let Some(id) = at {
            if id == above {
                return true;
            }
            steps += 1;
            at = (steps <= self.spaces.len())
                .then(|| self.spaces.get(id).and_then(|space| space.parent.as_deref()))
                .flatten();
        }
        false
    }

    pub(crate) fn stack_url(&self, stack: &str) -> String {
        format!("{}/stack/{stack}", self.base)
    }
}

fn commit_url(stack: &StackSeed, hash: &str) -> String {
    format!("https://github.com/{}/{}/commit/{hash}", stack.namespace, stack.repository)
}
