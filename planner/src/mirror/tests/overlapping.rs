//! Readings of two repositories at once: neither knows what the other is about to say.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
    process::Command,
};

use super::*;
use crate::{
    reader::{catch_up, unregistered},
    register::{Registration, Status},
    store::tests::read,
};
use contracts::Code;

/// Runs what follows the host, as `ssh` does over there. To fetch `shop`, it first says that it has
/// arrived and waits at the gate, if there is one.
const GATED: &str = "#!/bin/sh
case \"$*\" in *' -G '*) exit 0;; esac
while [ \"$1\" != git@git.example ]; do shift; done
shift
case \"$*\" in *acme/shop*) if [ -p GATE ]; then echo >ARRIVED; read -r _ <GATE; rm GATE; fi;; esac
exec sh -c \"$*\"
";

const NAMES_NETWORK: &str = "stack \"network\" {\n  spacelift { stack = \"network\" }\n}\n";

/// Mirrors of `acme/network` and `acme/shop`, each with a stack of its name.
struct Both {
    network: Work,
    shop: Work,
    mirrors: Arc<Mirrors>,
    shelf: Arc<Shelf>,
    store: ::store::Store,
    folder: tempfile::TempDir,
}

impl Both {
    async fn new() -> Self {
        let (network, shop, folder) = (Work::new(), Work::new(), tempfile::tempdir().unwrap());
        let store = database().await;
        let of = |id: &str| stack(id).made_from(&format!("acme/{id}"), "main");
        let shop_stack = of("shop").label("depends-on:network");
        read(&store, vec![of("network"), shop_stack], 10).await;
        let acme = folder.path().join("acme");
        fs::create_dir(&acme).unwrap();
        symlink(network.path(), acme.join("network")).unwrap();
        symlink(shop.path(), acme.join("shop")).unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let program = GATED.replace("GATE", &at("gate")).replace("ARRIVED", &at("arrived"));
        fs::write(at("ssh"), program).unwrap();
        fs::set_permissions(at("ssh"), fs::Permissions::from_mode(0o755)).unwrap();
        let options = config::Git {
            folder: at("mirrors"),
            url: format!("ssh://git@git.example{}/{{repository}}", folder.path().display()),
            ssh_command: at("ssh"),
            patience: Duration::from_secs(5),
            ..config::Git::nowhere()
        };
        let shelf = Arc::new(Shelf::default());
        let mirrors = Mirrors::new(options, store.pool().clone(), shelf.clone()).unwrap();
        let both = Self { network, shop, mirrors: Arc::new(mirrors), shelf, store, folder };
        both.catch_up().await;
        both
    }

    async fn catch_up(&self) {
        catch_up(self.store.pool(), &self.shelf).await.unwrap();
    }

    /// A read of the newest commit of a repository.
    async fn look(&self, repository: &str) -> Arc<Registration> {
        let call = Call::head_of(&format!("acme/{repository}"), "main");
        self.mirrors.clone().read(call).await.unwrap().registration.unwrap()
    }

    /// Lets what was read be known.
    async fn take(&self, registration: &Registration) {
        let mut connection = self.store.pool().acquire().await.unwrap();
        tables::save_registration(&mut connection, registration).await.unwrap();
        self.catch_up().await;
    }

    /// Both repositories, with the code of `network` where its stack runs.
    async fn known() -> Self {
        let both = Self::new().await;
        both.network.commit(&[("network/main.tf", CODE), ("readme.md", "network\n")]);
        both.shop.commit(&[("shop/main.tf", CODE)]);
        for repository in ["network", "shop"] {
            both.take(&*both.look(repository).await).await;
        }
        both
    }

    /// The code of `network` leaves its repository, and comes to the other one.
    fn network_moves(&self) {
        self.network.commit(&[("network/main.tf", "")]);
        self.shop.commit(&[("network/main.tf", CODE), ("network/stackly.hcl", NAMES_NETWORK)]);
    }

    /// The repositories whose code is that of a stack that is not registered with it.
    async fn unregistered(&self) -> Vec<String> {
        let known = self.shelf.snapshot().unwrap().known;
        let found = unregistered(self.store.pool(), &known.catalogue).await.unwrap();
        found.into_iter().map(|(repository, _)| repository).collect()
    }
}

/// What changes for `network`: what, why, and in which repository its code is.
fn of_network(registration: &Registration) -> Option<(What, Code, &str)> {
    let changes = registration.changes.iter();
    let mut of_network = changes.filter(|(_, state)| state.stack.as_str() == "network");
    of_network.next().map(|(what, it)| (*what, it.reason.code, it.code.repository.as_str()))
}

#[tokio::test]
async fn code_that_is_deleted_here_while_it_is_fetched_there_is_associated_there() {
    let both = Arc::new(Both::known().await);
    both.network_moves();
    let at = |name: &str| -> PathBuf { both.folder.path().join(name) };
    for gate in ["gate", "arrived"] {
        assert!(Command::new("mkfifo").arg(at(gate)).status().unwrap().success());
    }
    let there = tokio::spawn({
        let both = both.clone();
        async move { both.look("shop").await }
    });
    let arrived = at("arrived");
    tokio::task::spawn_blocking(|| fs::read(arrived)).await.unwrap().unwrap();

    let gone = both.look("network").await;
    assert_eq!(of_network(&gone).unwrap().0, What::Loosened);
    both.take(&gone).await;
    fs::write(at("gate"), "go on\n").unwrap();

    let back = there.await.unwrap();
    assert_eq!(of_network(&back), Some((What::Reassociated, Code::CodeFound, "acme/shop")));
}

#[tokio::test]
async fn code_that_is_deleted_here_and_comes_there_at_once_is_associated_when_both_are_known() {
    for is_gone_first in [true, false] {
        let both = Both::known().await;
        both.network_moves();
        let (gone, come) = (both.look("network").await, both.look("shop").await);
        assert_eq!(of_network(&gone).unwrap().0, What::Loosened);
        assert_eq!(of_network(&come), None, "its own code counts still");
        assert!(both.unregistered().await.is_empty());
        for one in if is_gone_first { [&gone, &come] } else { [&come, &gone] } {
            both.take(one).await;
        }

        assert_eq!(both.unregistered().await, ["acme/shop"]);
        let back = both.look("shop").await;
        assert_eq!(of_network(&back), Some((What::Reassociated, Code::CodeFound, "acme/shop")));
        both.take(&back).await;
        assert!(both.unregistered().await.is_empty());
        let state = tables::state_of(both.store.pool(), &"network".into()).await.unwrap().unwrap();
        assert_eq!((state.status, &*state.code.repository), (Status::Active, "acme/shop"));
    }
}

#[tokio::test]
async fn what_two_repositories_say_of_one_stack_when_both_are_read_first_is_registered() {
    let both = Both::new().await;
    both.network.commit(&[("readme.md", "network\n")]);
    both.shop.commit(&[("network/main.tf", CODE), ("network/stackly.hcl", NAMES_NETWORK)]);
    let (own, other) = (both.look("network").await, both.look("shop").await);
    assert_eq!((of_network(&own), of_network(&other)), (None, None), "neither knows of the other");
    for one in [&other, &own] {
        both.take(one).await;
    }

    assert_eq!(both.unregistered().await, ["acme/shop"]);
    let found = both.look("shop").await;
    assert_eq!(of_network(&found), Some((What::Registered, Code::CodeFound, "acme/shop")));
}

#[tokio::test]
async fn a_block_takes_no_stack_whose_own_code_is_there_and_was_never_taken() {
    let circle = "stack \"network\" {\n  depends_on = [\"shop\"]\n}\n";
    for own in ["stack \"network\" {\n", circle] {
        let both = Both::new().await;
        both.network.commit(&[("network/main.tf", CODE), ("network/stackly.hcl", own)]);
        both.shop.commit(&[("network/main.tf", CODE), ("network/stackly.hcl", NAMES_NETWORK)]);
        for repository in ["network", "shop"] {
            let read = both.look(repository).await;
            assert_eq!(of_network(&read), None, "{repository} after {own}");
            both.take(&read).await;
        }
        assert!(both.unregistered().await.is_empty());

        both.network.commit(&[("network/stackly.hcl", "stack \"network\" {}\n")]);
        let found = both.look("network").await;
        assert_eq!(of_network(&found), Some((What::Registered, Code::CodeFound, "acme/network")));
    }
}
