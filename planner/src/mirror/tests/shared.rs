//! Stacks that run in one folder, and folders that nobody can look into.

use super::{CODE, DateTime, Desk, Known, Reading, Snapshot, Stack, What, stack, tables};

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
