use std::time::Duration;

use contracts::{
    Code, Envelope, Trace,
    chain::{ChainKind, ChainPlanned},
    gate::Outcome,
    step::StepState,
};
use store::{Decider, Effect};

use super::Notifier;
use crate::{
    call::{Reply, SlackCall, StatusCall},
    input::{HostTold, Input, SlackResult, SlackTold, WebhookTold},
    routes::{Routes, SlackRoute, WebhookRoute},
    sample::{self, alerted, at, chain, decided, envelope, ignored, planned},
    slack,
    story::Story,
    webhook::Hook,
};

fn routes() -> Routes {
    Routes {
        slack: Some(SlackRoute {
            channel: "deploys".into(),
            routes: vec![],
            update_pause: Duration::from_secs(1),
        }),
        github: Some(sample::github_route()),
        forges: vec![],
        overviews: None,
        webhooks: vec![WebhookRoute { name: "hook".into(), events: vec!["chain.*".into()] }],
    }
}

/// A notifier whose calls are answered by the test.
struct Desk {
    notifier: Notifier,
    story: Story,
    open: Vec<Effect>,
}

impl Desk {
    fn new(routes: Routes) -> Self {
        Self { notifier: Notifier::new(routes), story: Story::default(), open: vec![] }
    }

    fn decide(&mut self, input: &Envelope<Input>) {
        let decision = self.notifier.decide(&mut self.story, input, input.time).unwrap();
        assert!(decision.answers.is_empty());
        for effect in decision.effects {
            let taken = self.open.iter().any(|open| open.lane == effect.lane);
            assert!(!taken, "two open calls in lane {}", effect.lane);
            self.open.push(effect);
        }
    }

    fn body(&mut self, body: Input, second: i64) {
        self.decide(&envelope(body, second));
    }

    fn kinds(&self) -> Vec<&'static str> {
        self.open.iter().map(|effect| effect.kind).collect()
    }

    /// Answers the oldest open call of a kind well.
    fn conclude(&mut self, kind: &str, second: i64) -> Effect {
        let place = self.open.iter().position(|effect| effect.kind == kind).unwrap();
        let effect = self.open.remove(place);
        let (key, id) = (effect.key, effect.id);
        let body = match kind {
            "github.status" => Input::Host(HostTold { key, effect: id, accepted: true }),
            "webhook.send" => {
                let hook: Hook = serde_json::from_value(effect.body.clone()).unwrap();
                Input::Webhook(WebhookTold { key, endpoint: hook.endpoint, event: hook.id })
            }
            _ => {
                let result = SlackResult::Said { channel: "C1".into(), ts: "1.2".into() };
                Input::Slack(SlackTold { key, effect: id, result })
            }
        };
        self.body(body, second);
        effect
    }
}

#[test]
fn the_first_event_posts_sets_a_status_and_calls_the_webhook() {
    let mut desk = Desk::new(routes());
    desk.body(Input::Planned(planned(&["net-prod"])), 0);
    assert_eq!(desk.kinds(), ["slack.post", "github.status", "webhook.send"]);
    let call: SlackCall = serde_json::from_value(desk.open[0].body.clone()).unwrap();
    assert_eq!((call.channel.as_str(), call.ts), ("deploys", None));
    let status: StatusCall = serde_json::from_value(desk.open[1].body.clone()).unwrap();
    assert_eq!(
        (status.context.as_str(), status.status.repository.as_str()),
        ("stackly", "acme/infra")
    );
    assert_eq!(desk.open[0].lane, format!("slack/{}", chain().0));
}

#[test]
fn a_whole_chain_in_a_burst_makes_two_slack_calls_and_two_statuses() {
    let mut desk = Desk::new(routes());
    for event in sample::history() {
        let mut event = event;
        event.time = at(0);
        desk.decide(&event);
    }
    assert_eq!(desk.kinds(), ["slack.post", "github.status", "webhook.send"]);
    desk.conclude("slack.post", 200);
    assert!(!desk.kinds().contains(&"slack.update"), "the pause is kept");
    let due = desk.notifier.wake_at(&desk.story).unwrap();
    assert_eq!(due, at(201));
    desk.body(desk.notifier.wake(chain().0).unwrap(), 201);
    let update: SlackCall =
        serde_json::from_value(desk.conclude("slack.update", 202).body).unwrap();
    assert_eq!((update.channel.as_str(), update.ts.as_deref()), ("C1", Some("1.2")));
    assert!(update.text.contains("failed"), "{}", update.text);
    desk.conclude("github.status", 203);
    let status: StatusCall =
        serde_json::from_value(desk.conclude("github.status", 204).body).unwrap();
    assert_eq!(status.status.description, "1 of 2 failed: app prod: the apply failed");
    let mut kinds = Vec::new();
    while desk.kinds().contains(&"webhook.send") {
        let hook: Hook = serde_json::from_value(desk.conclude("webhook.send", 205).body).unwrap();
        kinds.push(hook.kind);
    }
    assert_eq!(kinds, ["chain.planned", "chain.started", "chain.finished"]);
    assert_eq!(desk.kinds(), [] as [&str; 0]);
    assert_eq!(desk.notifier.wake_at(&desk.story), None);
}

#[test]
fn a_message_is_rendered_only_when_it_can_be_posted() {
    let mut desk = Desk::new(Routes { github: None, webhooks: vec![], ..routes() });
    let burst = |desk: &mut Desk, second| {
        let before = slack::RENDERED.get();
        for mut event in sample::history().into_iter().skip(1) {
            event.time = at(second);
            desk.decide(&event);
        }
        slack::RENDERED.get() - before
    };
    desk.body(Input::Planned(planned(&["net-prod", "app-prod"])), 0);
    assert_eq!(burst(&mut desk, 0), 0, "a call is under way");
    desk.conclude("slack.post", 0);
    assert_eq!(desk.notifier.wake_at(&desk.story), Some(at(1)), "there is something to say");
    assert_eq!(burst(&mut desk, 0), 0, "it is said at the end of the pause");
    desk.body(desk.notifier.wake(chain().0).unwrap(), 1);
    assert_eq!(desk.kinds(), ["slack.update"]);
}

#[test]
fn what_needs_not_be_said_after_all_is_not_waited_for() {
    let mut desk = Desk::new(Routes { github: None, webhooks: vec![], ..routes() });
    let action = contracts::Action::Deregister;
    desk.body(Input::Planned(ChainPlanned { action, ..planned(&["net-lab"]) }), 0);
    let held = |given| Outcome::HoldForApprovals { given, needed: 2 };
    desk.body(Input::Gate(decided(1, None, 1, held(0))), 0);
    desk.conclude("slack.post", 0);
    desk.body(Input::Gate(decided(1, None, 2, held(1))), 0);
    assert_eq!(desk.notifier.wake_at(&desk.story), Some(at(1)));
    desk.body(Input::Gate(decided(1, None, 3, Outcome::Pass)), 0);
    desk.body(desk.notifier.wake(chain().0).unwrap(), 1);
    assert_eq!(desk.kinds(), [] as [&str; 0]);
    assert_eq!(desk.notifier.wake_at(&desk.story), None);
}

#[test]
fn a_channel_that_is_taken_out_is_not_waited_for() {
    let mut desk = Desk::new(Routes { github: None, webhooks: vec![], ..routes() });
    desk.body(Input::Planned(planned(&["net-prod"])), 0);
    desk.conclude("slack.post", 0);
    desk.body(Input::Started(sample::started(1)), 0);
    assert_eq!(desk.notifier.wake_at(&desk.story), Some(at(1)), "there is something to say");
    desk.notifier = Notifier::new(Routes { slack: None, ..routes() });
    desk.body(desk.notifier.wake(chain().0).unwrap(), 1);
    assert_eq!(desk.notifier.wake_at(&desk.story), None);
}

#[test]
fn no_pending_status_follows_a_final_one() {
    let mut desk = Desk::new(Routes { slack: None, webhooks: vec![], ..routes() });
    let mut history = sample::history();
    let end = history.pop().unwrap();
    desk.decide(&end);
    desk.conclude("github.status", 300);
    for event in history {
        desk.decide(&event);
        assert_eq!(desk.kinds(), [] as [&str; 0], "{}", event.kind);
    }
}

#[test]
fn an_ignored_change_gets_a_status_and_no_message() {
    let mut desk = Desk::new(routes());
    desk.body(Input::Ignored(ignored(Code::NothingTouched, "nothing")), 0);
    assert_eq!(desk.kinds(), ["github.status", "webhook.send"]);
}

#[test]
fn each_of_two_pull_requests_with_one_head_and_one_target_is_told() {
    let mut desk = Desk::new(Routes { slack: None, webhooks: vec![], ..routes() });
    for (number, second) in [(7, 0), (8, 1), (8, 2)] {
        let mut event = ignored(Code::NothingTouched, "nothing");
        event.change.pull_request = Some(number);
        desk.body(Input::Ignored(event), second);
    }
    let mut told = Vec::new();
    while !desk.open.is_empty() {
        let call = desk.conclude("github.status", 3).body;
        told.push(serde_json::from_value::<StatusCall>(call).unwrap().status.pull_request);
    }
    assert_eq!(told, [Some(7), Some(8)]);
}

#[test]
fn an_ignored_change_whose_commit_has_a_chain_gets_no_status() {
    let mut desk = Desk::new(routes());
    desk.story.chain_exists = true;
    desk.body(Input::Ignored(ignored(Code::BranchNotTracked, "no stack tracks x")), 0);
    assert_eq!(desk.kinds(), ["webhook.send"]);
}

#[test]
fn a_fault_of_the_account_gets_a_message_and_no_status() {
    let mut desk = Desk::new(routes());
    desk.body(Input::Alerted(alerted("down")), 0);
    assert_eq!(desk.kinds(), ["slack.post"]);
}

/// What is announced next.
fn announced(desk: &mut Desk, second: i64) -> (Effect, SlackCall) {
    let effect = desk.conclude("slack.announce", second);
    let call = serde_json::from_value(effect.body.clone()).unwrap();
    (effect, call)
}

#[test]
fn each_broken_glass_is_a_message_of_its_own_in_the_thread_and_in_the_channel() {
    let mut desk = Desk::new(Routes { github: None, webhooks: vec![], ..routes() });
    desk.body(Input::Planned(planned(&["app-prod"])), 0);
    desk.body(Input::Overridden(sample::overridden("ada")), 1);
    let (first, call) = announced(&mut desk, 2);
    assert_eq!((call.channel.as_str(), call.reply), ("deploys", None), "no thread is known yet");
    desk.conclude("slack.post", 3);
    let event = envelope(Input::Overridden(sample::overridden("bob")), 4);
    desk.decide(&event);
    let (second, call) = announced(&mut desk, 5);
    assert_eq!(call.reply, Some(Reply { ts: "1.2".to_owned(), aloud: true }));
    assert_eq!(call.story, event.id, "it is not taken for the chain's own");
    assert_ne!(first.id, second.id);
    desk.decide(&event);
    assert_eq!(announced(&mut desk, 6).0.id, second.id, "the same event is the same call");
    let posted = desk.story.slack.posted.as_ref().unwrap();
    assert_eq!(posted.ts, "1.2", "the chain has the message that it had");

    let text = ":rotating_light: bob broke the glass before the apply of app-prod: the shop is \
                &lt;down&gt;";
    assert_eq!(call.text, text);
    let shown = call.blocks.to_string();
    let gate = sample::gate(2).to_string();
    for said in ["2026-09-21 15:13 UTC", "a second person", "the freeze *winter*", &gate, "Widen"] {
        assert!(shown.contains(said), "{said} in {shown}");
    }
}

#[test]
fn a_stuck_step_wakes_the_channel_once_for_each_cause_and_no_preview_does() {
    let mut desk = Desk::new(Routes { github: None, webhooks: vec![], ..routes() });
    desk.body(Input::Planned(planned(&["net-prod", "app-prod"])), 0);
    desk.conclude("slack.post", 1);
    let mut aloud = Vec::new();
    for (stack, code, second) in [
        ("net-prod", Code::NoWorker, 10),
        ("app-prod", Code::NoWorker, 11),
        ("net-prod", Code::RunOverdue, 12),
    ] {
        let mut event = sample::stuck(stack);
        event.step.reason.code = code;
        desk.body(Input::StepStuck(event), second);
        let call = announced(&mut desk, second).1;
        let reply = call.reply.expect("the thread is there");
        aloud.push((call.text, reply.aloud));
        let shown = call.blocks.to_string();
        assert!(shown.contains(&format!("stackly cancel {}/{stack}", chain())), "{shown}");
    }
    let said = |name: &str, aloud| (format!(":warning: {name} is stuck: nobody takes it"), aloud);
    assert_eq!(aloud, [said("net prod", true), said("app prod", false), said("net prod", true)]);

    let gone_on = contracts::step::StepApplying {
        chain: chain(),
        step: sample::summary("net-prod", StepState::Applying, Code::RunInFlight, "applies"),
    };
    desk.body(Input::StepApplying(gone_on), 20);
    desk.body(Input::StepStuck(sample::stuck("net-prod")), 21);
    assert!(!desk.kinds().contains(&"slack.announce"), "it went on since");

    let mut desk = Desk::new(Routes { github: None, webhooks: vec![], ..routes() });
    let preview = ChainPlanned { kind: ChainKind::Preview, ..planned(&["net-prod"]) };
    desk.body(Input::Planned(preview), 0);
    desk.body(Input::StepStuck(sample::stuck("net-prod")), 1);
    assert_eq!(desk.kinds(), ["slack.post"]);
}

#[test]
fn what_is_said_after_a_pause_belongs_to_the_trace_of_the_last_event() {
    let mut desk = Desk::new(Routes { github: None, webhooks: vec![], ..routes() });
    let trace = Trace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
    let mut first = envelope(Input::Planned(planned(&["net-prod"])), 0);
    first.trace = Some(trace.clone());
    desk.decide(&first);
    assert_eq!(desk.open[0].trace, None, "the deciding span's own");
    desk.conclude("slack.post", 1);
    desk.body(Input::Started(sample::started(1)), 1);
    desk.body(desk.notifier.wake(chain().0).unwrap(), 3);
    assert_eq!(desk.open[0].kind, "slack.update");
    assert_eq!(desk.open[0].trace, Some(trace));
}

#[test]
fn with_nobody_to_tell_nothing_is_done() {
    let mut desk = Desk::new(Routes::default());
    for event in sample::history() {
        desk.decide(&event);
    }
    assert_eq!(desk.kinds(), [] as [&str; 0]);
}
