//! Stacks that run in one folder, and folders that nobody can look into.

use validation::Rules;

use super::{CODE, Call, DateTime, Desk, Known, Reading, Snapshot, Stack, What, stack, tables};
use crate::blueprint::{Adoption, Blueprint};

const NAMES_PROD: &str = "stack \"prod\" {\n  spacelift {\n    stack = \"net-prod\"\n  }\n}\n";
const NAMES_NOBODY: &str = "stack \"net\" {}\n";
const ELSEWHERE: &str = "stack \"net\" {\n  spacelift {\n    project_root = \"net\"\n  }\n}\n";

impl Desk {
    /// Reads a commit and takes in what was read; what changed of which stack.
    async fn take(&self, previous: Option<&str>, commit: &str) -> Vec<(What, String)> {
        let Reading { registration, known, .. } = self.read(previous, commit).await;
        let (registration, known) = (registration.unwrap(), known.unwrap());
        let mut connection = self.pool.acquire().await.unwrap();
        tables::save_registration(&mut connection, &registration).await.unwrap();
        self.shelf.put(Snapshot { known, as_of: DateTime::UNIX_EPOCH });
        let changes = registration.changes.iter();
        changes.map(|(what, state)| (*what, state.stack.to_string())).collect()
    }

    /// The account changes, and nothing else.
    fn account(&self, stacks: Vec<Stack>) {
        let known = self.shelf.snapshot().unwrap().known;
        let (version, blueprints) = (known.catalogue.version(), known.catalogue.blueprints());
        let known = Known::with_code(version, stacks, blueprints.to_vec()).into();
        self.shelf.put(Snapshot { known, as_of: DateTime::UNIX_EPOCH });
    }
}

fn twins() -> Vec<Stack> {
    vec![stack("net-dev").at("net"), stack("net-prod").at("net")]
}

#[tokio::test]
async fn a_block_takes_the_code_from_no_other_stack_that_runs_in_the_folder() {
    for (file, text) in [
        ("net/stackly.hcl", NAMES_PROD),
        ("net/stackly.hcl", NAMES_NOBODY),
        ("live/stackly.hcl", ELSEWHERE),
    ] {
        let desk = Desk::new(twins()).await;
        let first = desk.work.commit(&[("net/main.tf", CODE)]);
        assert_eq!(desk.take(None, &first).await.len(), 2);
        let second = desk.work.commit(&[(file, text)]);
        let changes = desk.take(Some(&first), &second).await;
        assert!(changes.iter().all(|(what, _)| *what == What::Updated), "{text}: {changes:?}");
        let dev = changes.iter().find(|(_, stack)| stack == "net-dev");
        assert_eq!(dev, None, "nothing is said of it: {text}");

        let third = desk.work.commit(&[("net/main.tf", ""), (file, "")]);
        let gone: Vec<_> = desk.take(Some(&second), &third).await;
        assert_eq!(gone.len(), 2, "{text}: {gone:?}");
        assert!(gone.iter().all(|(what, _)| *what == What::Loosened), "{text}: {gone:?}");
    }
}

#[tokio::test]
async fn each_stack_of_a_folder_is_judged_once_whether_or_not_a_block_speaks_of_it() {
    let one = vec![stack("acme-net").at("net")];
    for (stacks, text, judged) in [
        (twins(), NAMES_PROD, vec!["net-prod", "net-dev"]),
        (twins(), NAMES_NOBODY, vec!["net", "net-dev", "net-prod"]),
        (one, NAMES_NOBODY, vec!["net"]),
    ] {
        let desk = Desk::new(stacks).await;
        let first = desk.work.commit(&[("net/main.tf", CODE), ("net/stackly.hcl", text)]);
        let second = desk.work.commit(&[("net/main.tf", "# changed\n")]);
        let call = Call {
            commit: Some(second.as_str().into()),
            previous: Some(first.as_str().into()),
            ..Call::head_of("acme/infra", "main")
        };
        let found = desk.mirrors.clone().judge(call, (Rules::default(), false)).await.unwrap();
        let ids: Vec<&str> = found.subjects.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(ids, judged, "{text}");
        let mut from_below: Vec<&str> = found.from_below.iter().map(String::as_str).collect();
        from_below.sort_unstable();
        assert_eq!(from_below, ["main.tf", "stackly.hcl"], "what is in net, told from there");
    }
}

/// The account has these stacks, and a person gave the block `net` in `net` to `acme-net`.
async fn adopted(stacks: Vec<Stack>) -> Desk {
    let desk = Desk::new(Vec::new()).await;
    let (path, name) = ("net".to_owned(), "net".to_owned());
    let (repository, branch) = ("acme/infra".to_owned(), "main".to_owned());
    let adoption = Adoption { stack: "acme-net".into(), repository, branch, path, name };
    let known = Known::with_adoptions(0, stacks, Vec::<Blueprint>::new(), vec![adoption]);
    desk.shelf.put(Snapshot { known: known.into(), as_of: DateTime::UNIX_EPOCH });
    desk
}

#[tokio::test]
async fn a_block_that_a_stack_had_which_is_gone_is_that_of_the_one_in_its_place() {
    let desk = adopted(vec![stack("acme-network").at("net")]).await;
    let block = "stack \"net\" {\n  owners = [\"@acme/net\"]\n}\n";
    let first = desk.work.commit(&[("net/main.tf", CODE), ("net/stackly.hcl", block)]);
    let known = desk.read(None, &first).await.known.unwrap();
    let said = known.catalogue.said_of(&"acme-network".into()).unwrap();
    assert_eq!((said.name.as_str(), &*said.owners), ("net", &["@acme/net".to_owned()][..]));
}

#[tokio::test]
async fn a_stack_keeps_its_code_whose_name_a_block_has_that_was_given_to_another() {
    let desk = adopted(vec![stack("acme-net").at("net"), stack("net").at("other")]).await;
    let files = [("net/main.tf", CODE), ("net/stackly.hcl", NAMES_NOBODY), ("other/main.tf", CODE)];
    let first = desk.work.commit(&files);
    let known = desk.read(None, &first).await.known.unwrap();
    let said = |id: &str| known.catalogue.said_of(&id.into()).unwrap();
    assert_eq!((&*said("acme-net").path, said("acme-net").plain), ("net", false));
    assert_eq!((&*said("net").path, said("net").plain), ("other", true));
}

#[tokio::test]
async fn a_stack_whose_project_root_changes_first_keeps_the_code_it_had_with_others() {
    let desk = Desk::new(twins()).await;
    let first = desk.work.commit(&[("net/main.tf", CODE)]);
    desk.take(None, &first).await;
    desk.account(vec![stack("net-dev").at("network"), stack("net-prod").at("net")]);
    let second = desk.work.commit(&[("readme.md", "x")]);
    assert_eq!(desk.take(Some(&first), &second).await, Vec::new());

    let third = desk.work.commit(&[("network/main.tf", CODE)]);
    let moved = desk.take(Some(&second), &third).await;
    assert_eq!(moved, [(What::Reassociated, "net-dev".to_owned())]);
}

#[tokio::test]
async fn code_in_a_folder_that_became_a_submodule_is_not_gone() {
    let desk = Desk::new(vec![stack("net"), stack("app")]).await;
    let app = ("app/stackly.hcl", "stack \"app\" {}\n");
    let first = desk.work.commit(&[("net/main.tf", CODE), ("app/main.tf", CODE), app]);
    desk.take(None, &first).await;
    desk.work.git(&["rm", "--quiet", "-r", "net", "app"]);
    for folder in ["net", "app"] {
        let entry = format!("160000,{first},{folder}");
        desk.work.git(&["update-index", "--add", "--cacheinfo", &entry]);
    }
    desk.work.git(&["commit", "--quiet", "--message", "apart"]);
    let second = desk.work.git(&["rev-parse", "HEAD"]);

    let reading = desk.read(Some(&first), &second).await;

    let registration = reading.registration.unwrap();
    assert_eq!(registration.changes, Vec::new());
    assert!(registration.faults[0].contains("is a submodule"), "{:?}", registration.faults);
}
