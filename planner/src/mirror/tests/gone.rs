//! Commits that take the code of stacks away.

use contracts::change::Change;

use super::{
    Arc, Call, ChainId, ChainKind, ChangePushed, DateTime, Desk, Known, Paths, Plan, Reading,
    Snapshot, Wish, stack,
};

impl Desk {
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
    let desk = Desk::new(vec![stack("net"), stack("db"), stack("app")]).await;
    let first = desk.work.commit(&[
        ("net/main.tf", super::CODE),
        ("db/main.tf", super::CODE),
        ("app/stackly.hcl", READS_BOTH),
    ]);
    desk.settle(&first).await;
    let second =
        desk.work.commit(&[("net/main.tf", ""), ("db/main.tf", ""), ("app/stackly.hcl", READS_NET)]);

    let reading = desk.read(Some(&first), &second).await;

    assert_eq!(reading.gone, ["db", "net"].map(Into::into));
    assert_eq!(reading.asked, [("net".into(), "app".into())]);
}
