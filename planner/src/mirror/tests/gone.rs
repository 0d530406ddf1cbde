//! Commits that take the code of stacks away.

use contracts::change::Change;

use super::{
    Arc, Call, ChainId, ChainKind, ChangePushed, DateTime, Desk, Known, Paths, Plan, Reading,
    Snapshot, Wish, stack,
};

impl Desk {
    /// `app` reads `net` and `db`, and all of them have code at the commit that is given.
    async fn where_app_reads_both() -> (Self, String) {
        let desk = Self::new(vec![stack("net"), stack("db"), stack("app")]).await;
        let commit = desk.work.commit(&[
            ("net/main.tf", super::CODE),
            ("db/main.tf", super::CODE),
            ("app/stackly.hcl", READS_BOTH),
        ]);
        desk.settle(&commit).await;
        (desk, commit)
    }

    /// Takes in what is read of a commit, with how its stacks are registered.
    async fn settle(&self, commit: &str) {
        let Reading { registration, known, .. } = self.read(None, commit).await;
        let mut connection = self.pool.acquire().await.unwrap();
        super::tables::save_registration(&mut connection, &registration.unwrap()).await.unwrap();
        let known = known.unwrap();
        let (stacks, said) = (known.catalogue.stacks(), known.catalogue.blueprints());
        let (version, _) = super::tables::versions(&self.pool).await.unwrap();
        let known = Arc::new(Known::with_code(version, stacks.to_vec(), said.to_vec()));
        self.shelf.put(Snapshot { known, as_of: DateTime::UNIX_EPOCH });
    }
}

const READS_BOTH: &str = "stack \"app\" {\n  depends_on = [\"net\", \"db\"]\n}\n";
const READS_NET: &str = "stack \"app\" {\n  depends_on = [\"net\"]\n  owners = [\"ops\"]\n}\n";

#[tokio::test]
async fn what_still_asks_for_code_that_goes_is_worked_out_with_the_reading() {
    let (desk, first) = Desk::where_app_reads_both().await;
    let second = desk.work.commit(&[
        ("net/main.tf", ""),
        ("db/main.tf", ""),
        ("app/stackly.hcl", READS_NET),
    ]);

    let reading = desk.read(Some(&first), &second).await;

    let gone: Vec<&str> = reading.gone.iter().map(|stack| stack.as_str()).collect();
    assert_eq!(gone, ["db", "net"]);
    let asked = reading.asked.iter().map(|(stack, by)| (stack.as_str(), by.as_str()));
    assert_eq!(asked.collect::<Vec<_>>(), [("net", "app")]);
}

#[tokio::test]
async fn a_pull_request_that_takes_code_away_previews_none_of_its_stacks() {
    let (desk, _) = Desk::where_app_reads_both().await;
    desk.work.git(&["checkout", "--quiet", "-b", "topic"]);
    let head = desk.work.commit(&[("net/main.tf", ""), ("db/more.tf", super::CODE)]);
    let call = Call {
        commit: Some(head.as_str().into()),
        pull_request: Some(7),
        ..Call::head_of("acme/infra", "main")
    };

    let reading = desk.mirrors.clone().read(call).await.unwrap();

    assert_eq!((reading.registration.is_none(), reading.asked.len()), (true, 0));
    let change = Change { commit: head.as_str().into(), ..reading.as_change() };
    let (paths, deleted, tag, forced) = (Paths::Unknown, false, false, false);
    let wish = Wish::Pushed(ChangePushed { change, paths, deleted, tag, forced });
    let chain = (ChainId::derived(&uuid::Uuid::nil(), ""), ChainKind::Preview);
    let known = reading.known.clone().unwrap();
    let Plan::Planned(planned) = reading.plan(&known, chain, &wish) else { panic!("no chain") };
    let steps: Vec<&str> = planned.steps.iter().map(|step| step.stack.as_str()).collect();
    assert_eq!(steps, ["db", "app"]);
    let why = &planned.steps[0].why.text;
    assert!(why.ends_with("(left out, being disabled or without code: net)"), "{why}");
}
