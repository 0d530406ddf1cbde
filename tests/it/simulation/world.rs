//! The driver: one seed, one thread, one thing at a time, in any order the dice say.

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use contracts::Envelope;
use notifier::routes::{HostRoute, Routes, SlackRoute, WebhookRoute};
use planner::known::Known;

use super::{
    broker::Broker,
    checker::Checker,
    dice::Dice,
    natives,
    node::Node,
    outside::Outside,
    rigs::{ExecutorRig, NotifierRig, PlannerRig, PolicyRig},
    scenario::{Arrival, Scenario},
    service::Service,
    spacelift::Spacelift,
    violation::Violation,
};

/// For how long nothing may be heard of a run before Spacelift is asked.
pub const SILENCE: TimeDelta = TimeDelta::seconds(2);
/// More steps than any seed needs.
const STEPS_MAX: usize = 20_000;
/// For how many steps things go wrong; then they only go on.
pub const CHAOS: usize = 250;
pub const CONSUMERS: usize = 4;

/// What is switched off, to see that it is missed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Switches {
    /// Calls are repeated without looking.
    pub blind: bool,
    /// Runs that Spacelift made by itself are not looked for.
    pub heedless: bool,
    /// No service remembers its answers.
    pub amnesia: bool,
    /// A broker that lost its data is not refilled.
    pub no_refill: bool,
    /// Every step is told.
    pub told: bool,
}

/// What ingest keeps: what it accepted, and whether the stream has it.
#[derive(Default)]
pub(super) struct Ingest {
    pub(super) rows: Vec<(Envelope, bool)>,
}

/// One seed.
pub struct World {
    pub(super) dice: Dice,
    pub(super) now: DateTime<Utc>,
    pub(super) switches: Switches,
    pub(super) known: Arc<Known>,
    pub(super) account_is_late: bool,
    pub(super) arrivals: Vec<Arrival>,
    /// Those that did not come in yet, by their place.
    pub(super) to_come: Vec<usize>,
    pub(super) ingest: Ingest,
    pub(super) planner: Node<PlannerRig>,
    pub(super) policy: Node<PolicyRig>,
    pub(super) executor: Node<ExecutorRig>,
    pub(super) notifier: Node<NotifierRig>,
    pub(super) broker: Broker,
    pub(super) spacelift: Spacelift,
    pub(super) outside: Outside,
    pub(super) checker: Checker,
    pub(super) steps: usize,
    pub(super) story: Vec<String>,
}

/// How a seed ended.
pub struct Ended {
    /// What must not have been.
    pub violations: Vec<Violation>,
    /// How many steps it took.
    pub steps: usize,
    /// Events that were sent and states that were entered.
    pub reached: BTreeSet<String>,
    /// Every step, if that was wanted.
    pub story: Vec<String>,
}

/// What can happen next.
#[derive(Debug, Clone, Copy)]
enum Next {
    Arrive,
    Deliver,
    Call(usize),
    Conclude(usize),
    Sweep(usize),
    Wake(usize),
    Relay(usize),
    RelayIngest,
    Advance,
    Webhook,
    Poll,
    ReadAccount,
    Review,
    /// Somebody acts in Spacelift itself; on a run of ours or on their own.
    Person(bool),
    ForeignRun,
    /// A person pauses or cancels.
    Disturb,
    /// A person resumes.
    Resume,
    Crash(usize),
    LoseBroker,
    Poison,
}

impl World {
    pub fn new(seed: u64, switches: Switches) -> Self {
        let mut dice = Dice::new(seed);
        let scenario = Scenario::new(&mut dice);
        let autodeploy = scenario.stacks.iter().map(|it| (it.id.clone(), it.autodeploy)).collect();
        let edges = natives::edges(&scenario.stacks);
        let routes = Routes {
            forges: Vec::new(),
            overviews: None,
            slack: Some(SlackRoute {
                channel: "deploys".to_owned(),
                routes: vec![],
                update_pause: std::time::Duration::from_secs(1),
            }),
            github: Some(HostRoute {
                context: "stackly".to_owned(),
                default_branches: vec!["main".to_owned()],
                checks: false,
            }),
            webhooks: vec![WebhookRoute {
                name: "hook".to_owned(),
                events: vec!["chain.*".to_owned()],
            }],
        };
        let amnesia = switches.amnesia;
        Self {
            now: DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + random_hours(&mut dice),
            switches,
            known: scenario.known(),
            account_is_late: scenario.account_is_late,
            to_come: (0..scenario.arrivals.len()).collect(),
            arrivals: scenario.arrivals,
            ingest: Ingest::default(),
            planner: Node::new(PlannerRig::new(), amnesia),
            policy: Node::new(PolicyRig::new(scenario.library), amnesia),
            executor: Node::new(ExecutorRig::default(), amnesia),
            notifier: Node::new(NotifierRig::new(routes), amnesia),
            broker: Broker::default(),
            spacelift: Spacelift::new(autodeploy, edges),
            outside: Outside::default(),
            checker: Checker::default(),
            dice,
            steps: 0,
            story: Vec::new(),
        }
    }

    /// Runs the seed to its end.
    pub fn run(mut self) -> Ended {
        while self.steps < STEPS_MAX {
            match self.next() {
                Some(next) => {
                    if self.switches.told {
                        let at = self.now.format("%m-%d %H:%M:%S%.3f");
                        self.story.push(format!("{at} {next:?}"));
                    }
                    self.happen(next);
                    self.steps += 1;
                    self.now += TimeDelta::milliseconds(1 + self.dice.below(200) as i64);
                }
                None => match self.next_due() {
                    Some(at) => self.now = self.now.max(at),
                    None => break,
                },
            }
            for consumer in 0..CONSUMERS {
                let violations = self.service(consumer).take_violations();
                self.checker.violations.extend(violations);
            }
            if !self.checker.violations.is_empty() {
                return self.outcome();
            }
        }
        self.check_end();
        self.outcome()
    }

    fn outcome(self) -> Ended {
        let mut reached = self.checker.reached;
        reached.extend(self.executor.rig.reached.iter().map(|state| (*state).to_owned()));
        let (violations, story) = (self.checker.violations, self.story);
        Ended { violations, steps: self.steps, reached, story }
    }

    fn check_end(&mut self) {
        if self.steps >= STEPS_MAX {
            self.checker.violations.push(Violation::NeverEnds);
        }
        for consumer in 0..CONSUMERS {
            let undone = self.service(consumer).undone();
            let forgotten = undone.into_iter().map(|what| Violation::Forgotten { what });
            self.checker.violations.extend(forgotten);
        }
        let open = self.spacelift.runs.iter().filter(|run| run.is_open());
        let open = open.map(|run| Violation::LeftOpen { what: format!("{:?}", run.facts) });
        self.checker.violations.extend(open);
        self.checker.check_changes(&self.arrivals);
        self.checker.check_order(&self.arrivals);
        let Self { executor, notifier, spacelift, outside, .. } = self;
        self.checker.check_chains(executor, notifier, spacelift, outside);
        self.checker.check_deliveries(outside);
    }

    pub(super) fn service(&mut self, consumer: usize) -> &mut dyn Service {
        match consumer {
            0 => &mut self.planner,
            1 => &mut self.policy,
            2 => &mut self.executor,
            _ => &mut self.notifier,
        }
    }

    pub(super) fn services(&self) -> [&dyn Service; CONSUMERS] {
        [&self.planner, &self.policy, &self.executor, &self.notifier]
    }

    /// Throws the dice over everything that can happen now.
    fn next(&mut self) -> Option<Next> {
        let mut bag: Vec<(usize, Next)> = Vec::new();
        self.put_work(&mut bag);
        if bag.is_empty() {
            return None;
        }
        if self.steps < CHAOS {
            self.put_chaos(&mut bag);
        }
        let total = bag.iter().map(|(weight, _)| weight).sum();
        let mut roll = self.dice.below(total);
        bag.into_iter().find_map(|(weight, next)| {
            let hit = roll < weight;
            roll = roll.saturating_sub(weight);
            hit.then_some(next)
        })
    }

    fn put_work(&self, bag: &mut Vec<(usize, Next)>) {
        let now = self.now;
        let mut put = |here: bool, weight: usize, next: Next| {
            if here {
                bag.push((weight, next));
            }
        };
        put(!self.to_come.is_empty(), 4, Next::Arrive);
        put(self.broker.pending.iter().any(|it| it.not_before <= now), 40, Next::Deliver);
        put(!self.executor.claims.is_empty(), 15, Next::Call(2));
        put(!self.notifier.claims.is_empty(), 15, Next::Call(3));
        put(!self.executor.results.is_empty(), 15, Next::Conclude(2));
        put(!self.notifier.results.is_empty(), 15, Next::Conclude(3));
        for (consumer, service) in self.services().into_iter().enumerate() {
            let (wakeup, call) = service.due(now);
            put(wakeup, 6, Next::Wake(consumer));
            put(call, 6, Next::Sweep(consumer));
            put(service.has_unpublished(), 4, Next::Relay(consumer));
        }
        put(self.ingest.rows.iter().any(|(_, published)| !published), 4, Next::RelayIngest);
        put(!self.spacelift.movable().is_empty(), 15, Next::Advance);
        put(!self.spacelift.outbox.is_empty(), 12, Next::Webhook);
        let silent = self.silent_since().is_some_and(|since| since + SILENCE <= now);
        let free = ExecutorRig::queued_on_free_stacks(&self.executor);
        let free = free.iter().any(|chain| !self.executor.wakeups.contains_key(chain));
        put(silent || free, 3, Next::Poll);
        put(self.planner.rig.wants_to_read(), 4, Next::ReadAccount);
        put(!self.held_for_people().is_empty(), 4, Next::Review);
        put(!self.chains_that_go_on(true).is_empty(), 3, Next::Resume);
        put(!self.spacelift.unconfirmed(false).is_empty(), 3, Next::Person(false));
    }

    fn put_chaos(&self, bag: &mut Vec<(usize, Next)>) {
        for consumer in 0..CONSUMERS {
            bag.push((1, Next::Crash(consumer)));
        }
        bag.push((1, Next::ForeignRun));
        bag.push((1, Next::Poison));
        if !self.chains_that_go_on(false).is_empty() {
            bag.push((1, Next::Disturb));
        }
        if !self.spacelift.unconfirmed(true).is_empty() {
            bag.push((1, Next::Person(true)));
        }
        if self.steps % 50 == 49 {
            bag.push((20, Next::LoseBroker));
        }
    }

    /// When something will happen by itself, if nothing does now.
    fn next_due(&self) -> Option<DateTime<Utc>> {
        let services = self.services();
        let due = services.iter().filter_map(|service| service.next_due());
        let messages = self.broker.pending.iter().map(|it| it.not_before);
        due.chain(messages).chain(self.silent_since().map(|since| since + SILENCE)).min()
    }

    fn happen(&mut self, next: Next) {
        match next {
            Next::Arrive => self.arrive(),
            Next::Deliver => self.deliver(),
            Next::Call(2) => self.call_spacelift(),
            Next::Call(_) => self.call_people(),
            Next::Conclude(2) => self.conclude_executor(),
            Next::Conclude(_) => self.conclude_notifier(),
            Next::Sweep(consumer) => {
                let now = self.now;
                self.service(consumer).claim_due(now);
            }
            Next::Wake(consumer) => {
                let now = self.now;
                for (cause, answers) in self.service(consumer).wake_due(now) {
                    self.publish(consumer, cause, &answers);
                }
            }
            Next::Relay(consumer) => {
                for (cause, answers) in self.service(consumer).unpublished() {
                    self.publish(consumer, cause, &answers);
                }
            }
            Next::RelayIngest => self.relay_ingest(),
            Next::Advance => {
                let movable = self.spacelift.movable();
                let place = *self.dice.pick(&movable);
                self.spacelift.advance(place, self.now);
            }
            Next::Webhook => self.webhook(),
            Next::Poll => self.poll(),
            Next::ReadAccount => self.read_account(),
            Next::Review => self.review(),
            Next::Person(ours) => {
                let runs = self.spacelift.unconfirmed(ours);
                let run = self.dice.pick(&runs).clone();
                let confirm = self.dice.chance(50);
                self.spacelift.decide_plan(&run, confirm, self.now);
            }
            Next::ForeignRun => self.foreign_run(),
            Next::Disturb => self.disturb(),
            Next::Resume => self.resume(),
            Next::Crash(consumer) => self.service(consumer).crash(),
            Next::LoseBroker => self.lose_broker(),
            Next::Poison => self.poison(),
        }
    }

    pub(super) fn chaos(&mut self, percent: usize) -> bool {
        self.steps < CHAOS && self.dice.chance(percent)
    }
}

fn random_hours(dice: &mut Dice) -> TimeDelta {
    TimeDelta::minutes(dice.below(7 * 24 * 60) as i64)
}
