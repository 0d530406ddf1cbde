use contracts::run::RunState;
use spacelift::RunFacts;

use super::{choose, says_locked};
use crate::fixtures::run_facts as run;

fn chosen(runs: &[RunFacts]) -> Result<String, usize> {
    choose(runs.to_vec()).map(|run| run.run.to_string()).map_err(|left| left.len())
}

#[test]
fn while_two_runs_may_be_ours_a_person_must_say_which() {
    use RunState as S;
    assert_eq!(chosen(&[run("a", S::Unconfirmed), run("b", S::Queued)]), Err(2));
    assert_eq!(chosen(&[run("a", S::Finished), run("b", S::Queued)]), Err(2));
    assert_eq!(
        chosen(&[run("a", S::Planning), run("b", S::Queued), run("c", S::Discarded)]),
        Err(2)
    );
}

#[test]
fn the_one_that_people_left_is_followed() {
    use RunState as S;
    assert_eq!(chosen(&[run("a", S::Unconfirmed), run("b", S::Discarded)]), Ok("a".to_owned()));
    assert_eq!(chosen(&[run("a", S::Canceled), run("b", S::Applying)]), Ok("b".to_owned()));
    assert_eq!(chosen(&[run("a", S::Stopped), run("b", S::Failed)]), Ok("b".to_owned()));
}

#[test]
fn when_all_are_through_the_newest_made_the_stack_what_it_is() {
    use RunState as S;
    assert_eq!(chosen(&[run("b", S::Finished), run("a", S::Failed)]), Ok("b".to_owned()));
    assert_eq!(chosen(&[run("a", S::Discarded), run("b", S::Stopped)]), Ok("b".to_owned()));
}

#[test]
fn what_is_blocked_is_not_locked() {
    assert!(says_locked("stack a is already locked by jane"));
    assert!(says_locked("could not trigger run: stack is locked"));
    assert!(!says_locked("the stack is blocked by a policy"));
}
