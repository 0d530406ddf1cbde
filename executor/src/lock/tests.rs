use std::collections::BTreeSet;

use super::*;
use crate::fixtures::{at, envelope};

/// The lock on a stack, and what is said about it, one thing a second.
#[derive(Default)]
struct Desk {
    lock: Option<Lock>,
    number: u64,
}

impl Desk {
    fn hear(&mut self, kind: LockKind, what: LockWord) -> Result<Decision, Refusal> {
        self.number += 1;
        let input = LockInput { stack: "a".into(), kind, what };
        let from = envelope(self.number, Uuid::nil(), crate::Input::Lock(input.clone()));
        let mut lock = self.lock.clone();
        let decision = decide(&mut lock, &input, &from, at(self.number.cast_signed()))?;
        self.lock = lock;
        Ok(decision)
    }

    fn order(&mut self, kind: LockKind, by: &str, force: bool) -> Result<Decision, Refusal> {
        let said = Said { by: by.to_owned(), note: Some("moving the state".to_owned()), at: at(0) };
        self.hear(kind, LockWord::Ordered { said, force })
    }

    fn conclude(&mut self, kind: LockKind, result: LockResult) -> Result<Decision, Refusal> {
        let said = Some(Said { by: "bob".to_owned(), note: None, at: at(0) });
        self.hear(kind, LockWord::Concluded { result, said })
    }

    /// Spacelift does not show the lock with this mark any more.
    fn taken_off(&mut self, mark: &str) -> Result<Decision, Refusal> {
        let (mark, reason) = (mark.to_owned(), taken());
        self.hear(LockKind::Unlock, LockWord::TakenOff { mark, reason })
    }

    fn mark(&self) -> String {
        self.lock.as_ref().unwrap().mark.clone()
    }

    fn state(&self) -> LockState {
        self.lock.as_ref().map_or(LockState::Free, |lock| lock.state)
    }

    /// Locked by jane.
    fn locked() -> Self {
        let mut desk = Self::default();
        desk.order(LockKind::Lock, "jane", false).unwrap();
        desk.conclude(LockKind::Lock, LockResult::Done).unwrap();
        desk
    }
}

fn refused(decided: Result<Decision, Refusal>) -> (Code, String) {
    match decided {
        Err(Refusal::Never { code, text }) => (code, text),
        other => panic!("it is not refused: {other:?}"),
    }
}

fn taken() -> Reason {
    Reason::new(Code::StackLocked, "alice has locked it")
}

#[test]
fn the_intent_says_by_whom_and_carries_the_mark_by_which_the_lock_is_ours() {
    let mut desk = Desk::default();
    let decision = desk.order(LockKind::Lock, "jane", false).unwrap();

    let [effect] = decision.effects.as_slice() else { panic!("{decision:?}") };
    assert_eq!((effect.kind, effect.lane.as_str()), ("stack.lock", "lock/a"));
    let call: LockCall = serde_json::from_value(effect.body.clone()).unwrap();
    let mark = &desk.lock.as_ref().unwrap().mark;
    assert_eq!(call.note, format!("Locked through Stackly by jane: moving the state [{mark}]"));
    assert_eq!((&call.mark, desk.state()), (mark, LockState::Locking));
    assert!(is_key(effect.key) && !is_key(Uuid::new_v4()));
}

#[test]
fn whoever_has_a_lock_keeps_it_and_others_are_told_who_that_is() {
    let mut desk = Desk::locked();
    let (code, text) = refused(desk.order(LockKind::Lock, "bob", false));
    assert_eq!(code, Code::StackLocked);
    assert!(text.contains("jane has locked it since") && text.contains("moving"), "{text}");

    let (code, text) = refused(desk.order(LockKind::Unlock, "bob", false));
    assert_eq!(code, Code::StackLocked);
    assert!(text.contains("jane has locked it since") && text.contains("--force"), "{text}");
    desk.order(LockKind::Unlock, "bob", true).unwrap();
    assert_eq!(desk.state(), LockState::Unlocking);
}

#[test]
fn a_second_lock_is_known_by_another_mark() {
    let mut desk = Desk::locked();
    let first = desk.lock.as_ref().unwrap().mark.clone();
    desk.order(LockKind::Unlock, "jane", false).unwrap();
    desk.conclude(LockKind::Unlock, LockResult::Done).unwrap();
    desk.order(LockKind::Lock, "bob", false).unwrap();
    let lock = desk.lock.as_ref().unwrap();
    assert_eq!(lock.said.by, "bob");
    assert_ne!(lock.mark, first);
}

#[test]
fn what_spacelift_refuses_leaves_the_lock_as_it_was() {
    let mut desk = Desk::default();
    desk.order(LockKind::Lock, "jane", false).unwrap();
    desk.conclude(LockKind::Lock, LockResult::Refused(taken())).unwrap();
    assert_eq!((desk.state(), desk.lock.unwrap().reason), (LockState::Free, taken()));

    let mut desk = Desk::locked();
    desk.order(LockKind::Unlock, "jane", false).unwrap();
    desk.conclude(LockKind::Unlock, LockResult::Refused(taken())).unwrap();
    assert_eq!(desk.state(), LockState::Locked);
}

#[test]
fn a_lock_that_went_without_us_is_gone_whoever_locked_after_it() {
    let mut desk = Desk::locked();
    desk.order(LockKind::Unlock, "jane", false).unwrap();
    desk.conclude(LockKind::Unlock, LockResult::Gone(taken())).unwrap();
    assert_eq!((desk.state(), desk.lock.unwrap().reason), (LockState::Free, taken()));
}

fn told(decision: &Decision) -> Vec<(&str, &str)> {
    let answers = decision.answers.iter();
    answers.map(|it| (it.kind, it.body["reason"]["text"].as_str().unwrap())).collect()
}

#[test]
fn that_a_stack_is_locked_and_that_it_is_unlocked_is_told_with_who_and_why() {
    let mut desk = Desk::default();
    let asked = desk.order(LockKind::Lock, "jane", false).unwrap();
    assert!(told(&asked).is_empty(), "it is not locked yet");
    let locked = desk.conclude(LockKind::Lock, LockResult::Done).unwrap();
    let text = "jane has locked it since 2023-11-14 22:13 UTC (moving the state)";
    assert_eq!(told(&locked), [("stack.locked", text)]);
    desk.order(LockKind::Unlock, "bob", true).unwrap();
    let unlocked = desk.conclude(LockKind::Unlock, LockResult::Done).unwrap();
    assert_eq!(told(&unlocked), [("stack.unlocked", "unlocked by bob; jane had locked it")]);
}

#[test]
fn a_lock_that_spacelift_shows_no_more_is_free_and_told_and_another_one_stays() {
    let mut desk = Desk::locked();
    assert!(told(&desk.taken_off("stackly 0").unwrap()).is_empty(), "it is not that lock");
    assert_eq!(desk.state(), LockState::Locked);
    let decision = desk.taken_off(&desk.mark()).unwrap();
    assert_eq!(told(&decision), [("stack.unlocked", "alice has locked it")]);
    assert!(decision.answers[0].body["by"].is_null() && decision.effects.is_empty());
    assert_eq!(desk.state(), LockState::Free);
    assert_eq!(desk.lock.as_ref().unwrap().operations.last().unwrap().event, "taken_off");

    // A person was quicker.
    let mut desk = Desk::locked();
    let mark = desk.mark();
    desk.order(LockKind::Unlock, "jane", false).unwrap();
    desk.taken_off(&mark).unwrap();
    assert_eq!(desk.state(), LockState::Unlocking);
}

/// Everything that may be said in every state, to the end: at most one call is under way, and what
/// is not in the table is refused and changes nothing.
#[test]
fn whatever_is_said_in_whatever_order_one_call_at_most_is_under_way() {
    use LockKind as K;
    let orders = [(K::Lock, false), (K::Unlock, false), (K::Unlock, true)];
    let results = [LockResult::Done, LockResult::Gone(taken()), LockResult::Refused(taken())];
    let mut seen = BTreeSet::new();
    let mut open = vec![(Desk::default(), None::<LockKind>)];
    while let Some((desk, under_way)) = open.pop() {
        let said = desk.lock.as_ref().map(|lock| lock.said.by.clone());
        if !seen.insert(format!("{:?} {said:?} {under_way:?}", desk.state())) {
            continue;
        }
        let is_moving = matches!(desk.state(), LockState::Locking | LockState::Unlocking);
        assert_eq!(is_moving, under_way.is_some());
        let copy = || Desk { lock: desk.lock.clone(), number: desk.number };
        if desk.lock.is_some() {
            let mut next = copy();
            assert!(next.taken_off(&desk.mark()).unwrap().effects.is_empty());
            match desk.state() {
                LockState::Locked => open.push((next, None)),
                _ => assert_eq!(next.lock, desk.lock),
            }
        }
        for by in ["jane", "bob"] {
            for (kind, force) in orders {
                let mut next = copy();
                match next.order(kind, by, force) {
                    Ok(decision) => {
                        assert_eq!((decision.effects.len(), under_way), (1, None));
                        open.push((next, Some(kind)));
                    }
                    Err(_) => assert_eq!(next.lock, desk.lock),
                }
            }
        }
        for (kind, result) in
            [K::Lock, K::Unlock].iter().flat_map(|k| results.iter().map(move |r| (*k, r)))
        {
            let mut next = copy();
            let concluded = next.conclude(kind, result.clone());
            match under_way {
                Some(known) if known == kind => {
                    assert!(concluded.unwrap().effects.is_empty());
                    open.push((next, None));
                }
                _ => assert_eq!(next.lock, desk.lock),
            }
        }
    }
    assert!(seen.len() >= 8, "{seen:?}");
}
