use contracts::{
    Action, ChainId, Code, StackId, Text,
    chain::{LimitedBy, PlannedStep, SaidLimit, Uses, WorkerPool},
    order::OrderKind,
};
use uuid::Uuid;

use super::{Limits, Numbers, Taken, Turns, URGENT, Wanting, rank};
use crate::fixtures::{ChainFixture, at, step};

mod model;

fn limits(account: u32, spaces: &[(&str, u32)]) -> Limits {
    let spaces = spaces.iter().map(|(space, most)| ((*space).to_owned(), *most)).collect();
    Limits { account, spaces, ..Limits::default() }
}

/// A run or a wish of a chain on its stack, in a space.
fn of(limits: &Limits, chain: u128, space: &str) -> Taken {
    let stack = format!("s{chain}");
    let mut planned = step(&stack);
    planned.space = space.into();
    planned.labels = vec![format!("team:{space}").into()].into();
    Taken {
        chain: ChainId(Uuid::from_u128(chain)),
        stack: StackId::from(stack),
        share: limits.share(&planned),
        limits: limits.of(&planned),
    }
}

fn wanting(limits: &Limits, chain: u128, space: &str, rank: i16) -> Wanting {
    let since = at(i64::try_from(chain).unwrap());
    Wanting { it: of(limits, chain, space), rank, since, queues: true }
}

fn next(limits: &Limits, taken: &[Taken], queue: &[Wanting]) -> Vec<u128> {
    let turns = Turns::of(&Numbers::new(limits, []), taken.to_vec(), queue.to_vec());
    let mut chains: Vec<u128> = turns.chains().map(|chain| chain.0.as_u128()).collect();
    chains.sort_unstable();
    chains
}

/// Two big teams and a small one share a space; the small one came last.
#[test]
fn places_are_shared_by_the_first_owner_and_by_the_space_of_what_nobody_owns() {
    let limits = Limits { share_by: "owners".to_owned(), ..limits(3, &[]) };
    let owned = |chain, owners: &[&str]| {
        let mut planned = step(&format!("s{chain}"));
        planned.owners = owners.iter().map(|&owner| owner.into()).collect();
        Taken { share: limits.share(&planned), ..of(&limits, chain, "root") }
    };
    let wanting = |chain, owners: &[&str]| Wanting {
        it: owned(chain, owners),
        ..wanting(&limits, chain, "root", 1)
    };
    assert_eq!(owned(1, &["@acme/net", "jane"]).share, "owner @acme/net");
    assert_eq!(owned(1, &[]).share, "space root");

    let taken = [owned(1, &["@acme/net"]), owned(2, &["@acme/net"])];
    let queue = [wanting(3, &["@acme/net"]), wanting(4, &["@acme/shop", "@acme/net"])];
    assert_eq!(next(&limits, &taken, &queue), [4]);
}

#[test]
fn a_stack_is_under_the_limits_of_its_account_space_and_labels() {
    let labels = [("name:a".to_owned(), 1), ("other".to_owned(), 1)].into();
    let limits = Limits { labels, ..limits(5, &[("root", 2), ("else", 1)]) };
    assert_eq!(limits.of(&step("a")), ["the account", "space root", "label name:a"]);
    assert_eq!(limits.of(&step("b")), ["the account", "space root"]);
    assert!(Limits::default().of(&step("a")).is_empty());
    assert!(super::tests::limits(0, &[("root", 0)]).of(&step("a")).is_empty(), "0 is not a limit");
}

#[test]
fn a_stack_is_under_the_limits_of_its_worker_pool_its_providers_and_its_cloud_accounts() {
    let most = |name: &str| [(name.to_owned(), 2)].into();
    let limits = Limits {
        worker_pools: most("eu private"),
        providers: most("aws"),
        cloud_accounts: most("123456789012"),
        ..Limits::default()
    };
    let mut planned = step("a");
    assert!(limits.of(&planned).is_empty(), "nothing is known of it");
    planned.uses = Uses {
        worker_pool: Some(WorkerPool { id: "01K".into(), name: "eu private".into() }),
        providers: vec!["aws".into(), "random".into()].into(),
        cloud_accounts: vec!["123456789012".into(), "other".into()].into(),
    };
    let under = limits.of(&planned);
    assert_eq!(under, ["worker pool eu private", "provider aws", "cloud account 123456789012"]);
    assert!(under.iter().all(|limit| limits.most(limit) == 2), "each is found again");

    let by_id = Limits { worker_pools: most("01K"), ..Limits::default() };
    assert_eq!(by_id.of(&planned), ["worker pool 01K"]);
    let public = Limits { worker_pools: most("public"), ..Limits::default() };
    assert!(public.of(&planned).is_empty());
    planned.uses.worker_pool = Some(WorkerPool::public());
    assert_eq!(public.of(&planned), ["worker pool public"]);
    assert_eq!(public.most("provider aws"), usize::MAX, "it is limited no more");
}

#[test]
fn free_places_go_by_rank_then_to_the_space_with_the_fewest_runs_then_to_who_came_first() {
    let limits = limits(3, &[]);
    let taken = [of(&limits, 1, "big")];
    let queue = |rank| {
        [
            wanting(&limits, 2, "big", 1),
            wanting(&limits, 3, "big", 1),
            wanting(&limits, 4, "small", 1),
            wanting(&limits, 5, "big", rank),
        ]
    };
    assert_eq!(next(&limits, &taken, &queue(1)), [2, 4], "small has no run yet");
    assert_eq!(next(&limits, &taken, &queue(0)), [4, 5], "a broken glass goes first");
    assert_eq!(next(&limits, &[], &queue(1)), [2, 3, 4]);
}

#[test]
fn who_is_kept_back_by_one_limit_keeps_nobody_from_another() {
    let limits = limits(3, &[("tight", 1)]);
    let taken = [of(&limits, 1, "tight")];
    let queue = [
        wanting(&limits, 2, "tight", 0),
        wanting(&limits, 3, "wide", 2),
        wanting(&limits, 4, "wide", 2),
        wanting(&limits, 5, "wide", 2),
    ];
    assert_eq!(next(&limits, &taken, &queue), [3, 4]);

    let turns = Turns::of(&Numbers::new(&limits, []), taken.to_vec(), queue.to_vec());
    let why = |chain, space| turns.kept_back(&of(&limits, chain, space)).map(|it| it.to_string());
    assert_eq!(why(3, "wide"), None);
    let tight = why(2, "tight").unwrap();
    assert!(tight.starts_with("1 of 1 runs at once of space tight are under way: s1"), "{tight}");
    let wide = why(5, "wide").unwrap();
    assert!(wide.ends_with(", and others come first"), "{wide}");
}

#[test]
fn a_small_space_beside_a_crowd_waits_for_one_run_at_most() {
    let limits = limits(2, &[]);
    let crowd: Vec<Wanting> = (10..110).map(|chain| wanting(&limits, chain, "big", 1)).collect();
    let mut queue = crowd;
    queue.push(wanting(&limits, 500, "small", 1));
    assert_eq!(next(&limits, &[of(&limits, 1, "big")], &queue), [500]);
}

#[test]
fn a_place_that_is_kept_is_for_spaces_without_a_run_and_for_broken_glasses() {
    let limits = Limits { kept_free: 1, ..limits(3, &[("big", 5)]) };
    let taken = [of(&limits, 1, "big")];
    let crowd = [wanting(&limits, 2, "big", 1), wanting(&limits, 3, "big", 1)];
    assert_eq!(next(&limits, &taken, &crowd), [2], "the third place is not for the big one");
    let with = |more| [crowd.as_slice(), &[more]].concat();
    let one_of_each = next(&limits, &taken, &with(wanting(&limits, 4, "small", 1)));
    assert_eq!(one_of_each, [4], "the third place is for a third space");
    let two = [of(&limits, 1, "big"), of(&limits, 5, "big")];
    assert_eq!(next(&limits, &two, &with(wanting(&limits, 4, "small", 2))), [4]);
    assert_eq!(next(&limits, &two, &with(wanting(&limits, 4, "big", 0))), [4], "a broken glass");

    let turns = Turns::of(&Numbers::new(&limits, []), two.to_vec(), crowd.to_vec());
    let said = turns.kept_back(&crowd[0].it).unwrap().to_string();
    assert!(said.starts_with("2 of 3 runs at once of the account are under way"), "{said}");
    assert!(said.ends_with(", and 1 kept for those that have none"), "{said}");

    let one = Limits { kept_free: 1, ..super::tests::limits(1, &[]) };
    assert_eq!(next(&one, &[], &[wanting(&one, 2, "big", 1)]), [2], "one is everybody's");
    assert!(Limits { kept_free: 1, ..Limits::default() }.is_none(), "nothing is limited by it");
    let own = Limits { kept_free: 1, ..super::tests::limits(0, &[("big", 2)]) };
    let both = [wanting(&own, 2, "big", 1), wanting(&own, 3, "big", 1)];
    assert_eq!(next(&own, &[], &both), [2, 3], "a space keeps nothing from itself");
}

#[test]
fn places_are_shared_out_by_teams_where_a_label_says_so_and_by_spaces_otherwise() {
    let limits = Limits { share_by: "team:".to_owned(), kept_free: 1, ..limits(3, &[]) };
    let in_one_space = |chain, team: Option<&str>| {
        let mut planned = step(&format!("s{chain}"));
        planned.labels = team.iter().map(|team| format!("team:{team}").into()).collect();
        held(&Numbers::new(&limits, []), chain, &planned)
    };
    let waits = |chain, team| Wanting {
        it: in_one_space(chain, team),
        ..wanting(&limits, chain, "root", 1)
    };
    let taken = [in_one_space(1, Some("big"))];
    let crowd = [waits(2, Some("big")), waits(3, Some("big")), waits(4, Some("small"))];
    assert_eq!(next(&limits, &taken, &crowd), [4], "the last place is for a team without a run");
    let two = [in_one_space(1, Some("big")), in_one_space(5, Some("big"))];
    assert_eq!(next(&limits, &two, &[waits(6, None)]), [6], "without a team, its space counts");

    let own = Limits { account: 0, labels: [("team:big".to_owned(), 2)].into(), ..limits.clone() };
    assert_eq!(own.kept_free("label team:big", 2), 0, "a team keeps nothing from itself");
    assert_eq!(own.kept_free("space root", 2), 1, "in a space there may be several");
    let owners = Limits { share_by: "owners".to_owned(), ..own };
    assert_eq!(owners.kept_free("label owners-of-shop", 2), 1, "no label is one owner's");
    assert!(Limits { share_by: "team:".to_owned(), ..Limits::default() }.is_none());
}

/// A step with a label, whose code says how many runs of stacks with it may be at once.
fn labelled(stack: &str, most: Option<u32>) -> PlannedStep {
    let label = "team:shop".to_owned();
    let limits = most.map(|most| SaidLimit { of: LimitedBy::Label, name: label.clone(), most });
    PlannedStep {
        labels: vec![label.into()].into(),
        limits: limits.into_iter().collect(),
        ..step(stack)
    }
}

fn held(numbers: &Numbers<'_>, chain: u128, planned: &PlannedStep) -> Taken {
    let (stack, share) = (planned.stack.clone(), numbers.share(planned));
    Taken { chain: ChainId(Uuid::from_u128(chain)), stack, share, limits: numbers.of(planned) }
}

#[test]
fn the_smallest_number_that_the_configuration_or_the_code_of_those_at_work_says_counts() {
    let labels = [("team:shop".to_owned(), 3)].into();
    let configured = Limits { labels, ..Limits::default() };
    let steps = [labelled("a", Some(5)), labelled("b", Some(2)), labelled("c", None)];
    let shop = "label team:shop";

    let alone = Numbers::new(&configured, &steps[2..]);
    assert_eq!((alone.most(shop), alone.said_by(shop)), (3, None), "as the configuration says");
    let with_a = Numbers::new(&configured, [&steps[0], &steps[2]]);
    assert_eq!((with_a.most(shop), with_a.said_by(shop)), (3, None), "more is not given");
    let all = Numbers::new(&configured, &steps);
    assert_eq!((all.most(shop), all.said_by(shop)), (2, Some(&"b".into())));
    assert_eq!(all.of(&steps[2]), [shop], "once, however many say it");

    let nothing = Limits::default();
    let said = Numbers::new(&nothing, &steps);
    assert_eq!((said.of(&steps[2]), said.most(shop)), (vec![shop.to_owned()], 2));
    assert!(said.of(&step("d")).is_empty(), "it has no such label");
    assert!(Numbers::new(&nothing, &steps[2..]).of(&steps[2]).is_empty(), "nobody says anything");
}

#[test]
fn code_limits_the_providers_and_the_accounts_that_others_use_too() {
    let limit = |of, name: &str| SaidLimit { of, name: name.to_owned(), most: 1 };
    let limits = vec![limit(LimitedBy::Provider, "dns"), limit(LimitedBy::CloudAccount, "1")];
    let says = PlannedStep { limits: limits.into(), ..step("a") };
    let nothing = Limits::default();
    let numbers = Numbers::new(&nothing, [&says]);
    let mut other = step("b");
    other.uses.providers = ["aws", "dns"].map(Text::from).into_iter().collect();
    other.uses.cloud_accounts = ["1", "2"].map(Text::from).into_iter().collect();
    assert_eq!(numbers.of(&other), ["provider dns", "cloud account 1"]);
}

#[test]
fn who_may_have_other_things_to_wait_for_keeps_no_place_from_those_that_queue() {
    let limits = limits(3, &[]);
    let taken = [of(&limits, 1, "big")];
    let early = Wanting { queues: false, ..wanting(&limits, 2, "small", URGENT) };
    let queue = [wanting(&limits, 3, "big", 1), wanting(&limits, 4, "big", 2)];
    let all = [early.clone(), queue[0].clone(), queue[1].clone()];
    assert_eq!(next(&limits, &taken, &all), [3, 4]);
    assert_eq!(next(&limits, &taken, &[early, queue[0].clone()]), [2, 3], "what is left is its");
}

#[test]
fn who_waits_by_a_number_that_code_says_is_told_whose_code_it_is() {
    let nothing = Limits::default();
    let (says, other) = (labelled("shop-prod", Some(1)), labelled("shop-test", None));
    let numbers = Numbers::new(&nothing, [&says, &other]);
    let it = held(&numbers, 2, &other);
    let queue = Wanting { it, rank: 1, since: at(0), queues: true };
    let turns = Turns::of(&numbers, vec![held(&numbers, 1, &says)], vec![queue.clone()]);

    let said = turns.kept_back(&queue.it).unwrap().to_string();
    let number = "1 of 1 runs at once of label team:shop, as the stackly.hcl of shop-prod says, ";
    assert!(said.starts_with(&format!("{number}are under way: shop-prod of")), "{said}");
}

#[test]
fn a_broken_glass_goes_before_deliveries_these_before_previews_and_these_before_drift() {
    let mut overridden = ChainFixture::single().gating();
    overridden.tell(overridden.overridden());
    for kind in [OrderKind::Pause, OrderKind::Resume] {
        overridden.tell(overridden.order(kind, None, false));
        let chain = overridden.chain();
        assert_ne!(chain.reason.code, Code::Overridden);
        assert_eq!(rank(chain, &chain.steps[0]), URGENT, "whatever is said of it since");
    }
    let rank_of = |action, preview: bool, urgent: bool| {
        let fixture = ChainFixture::single();
        let fixture = if preview { fixture.preview() } else { fixture };
        let mut chain = fixture.gating().chain().clone();
        chain.course.action = action;
        chain.steps[0].course.urgent = urgent;
        rank(&chain, &chain.steps[0])
    };
    let order = [
        rank_of(Action::FixDrift, false, true),
        rank_of(Action::Deliver, false, false),
        rank_of(Action::Deliver, true, false),
        rank_of(Action::FixDrift, false, false),
    ];
    assert!(order.is_sorted_by(|a, b| a < b), "{order:?}");
    assert_eq!(rank_of(Action::Destroy, false, false), order[1]);
    assert_eq!(rank_of(Action::FixDrift, true, false), order[3]);
}
