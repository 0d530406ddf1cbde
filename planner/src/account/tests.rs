use contracts::{Message, chain::WorkerPool};
use serde_json::{Value, json};

use super::{BTreeMap, Differences, HashMap, Stack, StackId, State};
use crate::{
    blueprint::tests::blueprint,
    catalogue::{Settings, ordered, tests::stack},
    register::{Status, place},
};

/// What is told of two readings: kind, body without the reason, and the reason's text.
fn told(
    before: &[Stack],
    after: &[Stack],
    states: &HashMap<StackId, State>,
    reads_code: bool,
) -> Vec<(String, Value, String)> {
    let (before, after) = (ordered(before.to_vec()), ordered(after.to_vec()));
    let news = Differences::between(&before, &after).news(states, reads_code);
    let events = news.iter().flat_map(|news| news.told.iter().map(super::Told::event));
    let told = |event: contracts::Outgoing| {
        let mut body = event.body;
        let reason = body.as_object_mut().unwrap().remove("reason").unwrap();
        (event.kind.to_owned(), body, reason["text"].as_str().unwrap().to_owned())
    };
    events.map(told).collect()
}

fn with_code(id: &str, status: Status) -> HashMap<StackId, State> {
    let (stack, code) = (StackId::from(id), place(&blueprint(id)));
    let state = State { stack: stack.clone(), code, status, reason: super::gone() };
    HashMap::from([(stack, state)])
}

#[test]
fn each_stack_that_differs_is_told_of_with_what_it_was_and_what_it_is() {
    let before = [
        stack("a").label("env:dev").after("b", &["X -> Y"]),
        stack("b"),
        stack("c").at("").made_from("acme/apps", "main"),
    ];
    let after = [
        Stack { name: "Core".into(), space: "prod".into(), ..stack("a").at("").label("env:prod") },
        stack("b"),
        stack("d"),
    ];

    let told = told(&before, &after, &HashMap::new(), true);

    let changes = json!([
        { "what": "name", "from": ["a"], "to": ["Core"] },
        { "what": "space", "from": ["root"], "to": ["prod"] },
        { "what": "labels", "from": ["env:dev"], "to": ["env:prod"] },
        { "what": "project_root", "from": ["a"], "to": [] },
        { "what": "dependencies", "from": ["b (X -> Y)"], "to": [] },
    ]);
    let wanted = [
        (
            "stack.retired".to_owned(),
            json!({ "stack": "c" }),
            "the account has no such stack any more, or our API key may not see it".to_owned(),
        ),
        (
            "stack.updated".to_owned(),
            json!({ "stack": "a", "changes": changes }),
            "changed in Spacelift: its name from a to Core, its space from root to prod, its labels \
             from env:dev to env:prod, its project root from a to nothing and its dependencies from \
             b (X -> Y) to nothing"
                .to_owned(),
        ),
        (
            "stack.registered".to_owned(),
            json!({ "stack": "d" }),
            "Spacelift has it now, in d on main of acme/infra".to_owned(),
        ),
    ];
    assert_eq!(told, wanted);
}

#[test]
fn what_was_not_asked_for_before_has_not_changed() {
    let pool = Some(WorkerPool { id: "01K".into(), name: "EU".into() });
    let settings = |tool: &str| {
        let tool = Some(tool.to_owned());
        Some(Box::new(Settings { tool, administrative: Some(false), ..Settings::default() }))
    };
    let now = Stack { worker_pool: pool, settings: settings("opentofu"), ..stack("a") };
    let changed = Stack { settings: settings("terraform"), ..now.clone() };

    assert!(told(&[stack("a")], std::slice::from_ref(&now), &HashMap::new(), true).is_empty());

    let told = told(&[now], &[changed], &HashMap::new(), true);
    let changes = json!([{ "what": "tool", "from": ["opentofu"], "to": ["terraform"] }]);
    assert_eq!(told[0].1, json!({ "stack": "a", "changes": changes }));
}

#[test]
fn the_code_of_a_stack_goes_along_and_tells_itself_when_that_is_gone() {
    let (known, lost) = (with_code("a", Status::Loose), with_code("a", Status::Retired));
    let updated = &told(&[stack("a")], &[stack("a").off()], &known, true)[0];
    assert_eq!(updated.1["code"]["path"], "a");

    assert!(told(&[stack("a")], &[], &known, true).is_empty());
    let kinds = |states, reads_code| {
        let told = told(&[stack("a")], &[], states, reads_code);
        told.into_iter().map(|(kind, body, _)| (kind, body["code"].is_null())).collect::<Vec<_>>()
    };
    let retired = contracts::stack::StackRetired::TYPE.to_owned();
    assert_eq!(kinds(&known, false), [(retired.clone(), false)]);
    assert_eq!(kinds(&lost, true), [(retired, true)]);
}

#[test]
fn many_are_told_of_in_several_goes_and_each_repository_for_itself() {
    let ids: Vec<String> = (0..250).map(|number| format!("s{number:03}")).collect();
    let mut after: Vec<Stack> = ids.iter().map(|id| stack(id)).collect();
    after.push(stack("other").made_from("acme/apps", "main"));
    let after = ordered(after);

    let news = Differences::between(&[], &after).news(&HashMap::new(), true);

    let mut goes: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for one in &news {
        goes.entry(&one.repository).or_default().push(one.told.len());
    }
    let wanted = [("acme/apps", vec![1]), ("acme/infra", vec![100, 100, 50])];
    assert_eq!(goes, BTreeMap::from(wanted));
}
