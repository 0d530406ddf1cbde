//! What outlives a `stackly dev`: with a simulated account, which is new every time, nothing but the
//! secrets; with a real one, all that is known of it.

use std::path::PathBuf;

use embedded::StoreFolder;
use sha2::{Digest, Sha256};

use crate::dev::{DevFolder, state};

/// What is kept, and under which name.
pub(super) struct Keep {
    /// Names what is kept outside of the folder.
    pub(super) name: String,
    /// Where servers keep their data; none for a simulated account.
    folder: Option<PathBuf>,
}

impl Keep {
    /// What is known of one account says nothing about another, so each has its own.
    pub(super) fn of(folder: &DevFolder, account: Option<&str>) -> anyhow::Result<Self> {
        let identity = folder.identity()?;
        let Some(account) = account else {
            return Ok(Self { name: format!("stackly_dev_{identity}"), folder: None });
        };
        let account = account.trim_end_matches('/').to_ascii_lowercase();
        let digest = &hex::encode(Sha256::digest(account.as_bytes()))[..8];
        Ok(Self {
            name: format!("stackly_dev_{identity}_{digest}"),
            folder: Some(folder.path(&format!("account-{digest}"))),
        })
    }

    /// Whether what was there before still holds.
    pub(super) fn is_kept(&self) -> bool {
        self.folder.is_some()
    }

    /// Where a server keeps its data.
    pub(super) fn store(&self, server: &str) -> StoreFolder {
        match &self.folder {
            Some(folder) => StoreFolder::Given(folder.join(server)),
            None => StoreFolder::Temporary,
        }
    }
}

/// What the senders of webhooks sign with; the same at every start, because they were told once.
pub(super) struct Secrets {
    pub(super) github: String,
    pub(super) spacelift: String,
}

impl Secrets {
    /// Those of an earlier start in this folder, or new ones.
    pub(super) fn of(folder: &DevFolder) -> Self {
        let known = state::read(&folder.path("")).ok();
        let (github, spacelift) =
            known.map(|known| (known.github_secret, known.spacelift_secret)).unzip();
        Self { github: github.unwrap_or_else(secret), spacelift: spacelift.unwrap_or_else(secret) }
    }
}

fn secret() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}

#[cfg(test)]
mod tests {
    use super::{Keep, StoreFolder};
    use crate::dev::DevFolder;

    #[test]
    fn every_folder_and_every_account_has_a_name_of_its_own_that_stays() {
        let base = tempfile::tempdir().unwrap();
        let [one, two] =
            ["one", "two"].map(|name| DevFolder::claim(&base.path().join(name)).unwrap());
        let name = |folder: &DevFolder, account| Keep::of(folder, account).unwrap().name;
        let acme = Some("https://acme.app.spacelift.io");
        assert_eq!(name(&one, acme), name(&one, Some("https://ACME.app.spacelift.io/")));
        let mut all = [
            name(&one, None),
            name(&one, acme),
            name(&one, Some("https://other.app.spacelift.io")),
            name(&two, None),
            name(&two, acme),
        ];
        all.sort();
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "{all:?}");
    }

    #[test]
    fn only_what_is_known_of_a_real_account_is_kept() {
        let base = tempfile::tempdir().unwrap();
        let folder = DevFolder::claim(&base.path().join("one")).unwrap();
        let simulated = Keep::of(&folder, None).unwrap();
        assert_eq!((simulated.is_kept(), simulated.store("nats")), (false, StoreFolder::Temporary));
        let real = Keep::of(&folder, Some("https://acme.app.spacelift.io")).unwrap();
        assert!(matches!(real.store("nats"), StoreFolder::Given(path)
            if path.starts_with(folder.path("")) && path.ends_with("nats")));
    }
}
