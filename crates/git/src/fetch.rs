//! Fetching from the origin.

use std::sync::atomic::AtomicBool;

use gix::{
    bstr::BStr,
    credentials::{helper::Action, protocol::Outcome},
    progress::Discard,
    remote::{Direction, fetch::Tags},
};
use secrecy::ExposeSecret;

use crate::{Error, Mirror, permissions};

/// Every branch, whatever became of its history.
const BRANCHES: &str = "+refs/heads/*:refs/remotes/origin/*";

impl Mirror {
    /// Brings all branches here, and besides them what `also` names on the other side, such as
    /// `refs/pull/7/head` or a commit. Ends early when `interrupt` is set.
    pub fn fetch(&self, also: &[String], interrupt: &AtomicBool) -> Result<(), Error> {
        let repository = self.open_or_make()?;
        let url = gix::url::parse(BStr::new(&self.origin.url)).map_err(|e| self.unreachable(e))?;
        let named = also.iter().map(|name| match name.strip_prefix("refs/") {
            Some(rest) => format!("+{name}:refs/also/{rest}"),
            None => format!("+{name}:refs/also/{name}"),
        });
        let specs: Vec<String> = std::iter::once(BRANCHES.to_owned()).chain(named).collect();
        let remote = repository
            .remote_at(url)
            .map_err(|error| self.unreachable(error))?
            .with_fetch_tags(Tags::None)
            .with_refspecs(specs.iter().map(String::as_str), Direction::Fetch)
            .map_err(|error| self.unreachable(error))?;
        let connection = remote.connect(Direction::Fetch).map_err(|e| self.unreachable(e))?;
        let connection = connection.with_credentials(|action| Ok(self.credentials(action)));
        connection
            .prepare_fetch(Discard, gix::remote::ref_map::Options::default())
            .map_err(|error| self.unreachable(error))?
            .with_write_packed_refs_only(true)
            .receive(Discard, interrupt)
            .map_err(|error| self.unreachable(error))?;
        Ok(())
    }

    fn open_or_make(&self) -> Result<gix::Repository, Error> {
        if !self.folder.join("HEAD").exists() {
            std::fs::create_dir_all(&self.folder).map_err(|error| self.broken(error))?;
            let options = gix::open::Options::isolated().permissions(permissions());
            gix::ThreadSafeRepository::init_opts(
                &self.folder,
                gix::create::Kind::Bare,
                gix::create::Options::default(),
                options,
            )
            .map_err(|error| self.broken(error))?;
        }
        self.open()
    }

    /// What is asked for over https; without a token, nothing is given, and nobody is prompted.
    fn credentials(&self, action: Action) -> Option<Outcome> {
        let Action::Get(context) = action else { return None };
        let token = self.origin.token.as_ref()?;
        Some(Outcome {
            identity: gix::sec::identity::Account {
                username: self.origin.username.clone(),
                password: token.expose_secret().to_owned(),
                oauth_refresh_token: None,
            },
            next: context.into(),
        })
    }

    fn unreachable(&self, error: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::Unreachable { url: without_secrets(&self.origin.url), source: Box::new(error) }
    }
}

/// `https://user:secret@host/x` is told as `https://host/x`.
fn without_secrets(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}/{path}")
}

#[cfg(test)]
mod tests {
    use super::without_secrets;

    #[test]
    fn an_address_is_told_without_its_secrets() {
        let told = without_secrets("https://jane:secret@git.example/acme/infra.git");
        assert_eq!(told, "https://git.example/acme/infra.git");
        assert_eq!(without_secrets("/srv/git/infra.git"), "/srv/git/infra.git");
    }
}
