//! Fetching from the origin.

use std::{collections::HashSet, sync::atomic::AtomicBool};

use gix::{
    bstr::{BStr, BString, ByteSlice},
    progress::Discard,
    protocol::transport::client::blocking_io::http,
    remote::{Direction, fetch::Tags},
};

use crate::{Error, Mirror, locks, packs, permissions};

/// Where branches are kept.
const OURS: &str = "refs/remotes/origin/";
/// Every branch, whatever became of its history.
const BRANCHES: &str = "+refs/heads/*:refs/remotes/origin/*";

impl Mirror {
    /// Brings all branches here, and besides them what `also` names on the other side, such as
    /// `refs/pull/7/head` or a commit. Ends early when `interrupt` is set.
    pub fn fetch(&self, also: &[String], interrupt: &AtomicBool) -> Result<(), Error> {
        match self.fetch_once(also, interrupt) {
            // What an app was given may have been taken back before its time.
            Err(Error::Refused { .. }) if self.origin.access.forget() => {
                self.fetch_once(also, interrupt)
            }
            done => done,
        }
    }

    fn fetch_once(&self, also: &[String], interrupt: &AtomicBool) -> Result<(), Error> {
        let repository = self.open_or_make()?;
        locks::take_away_old(&self.folder);
        let url = &self.origin.url;
        let header = self.origin.access.header(url)?;
        // What is asked for by its name alone is here from then on, and nobody looks for that name.
        let specs: Vec<&str> =
            std::iter::once(BRANCHES).chain(also.iter().map(String::as_str)).collect();
        let fetched = || -> gix::Result<()> {
            let remote = repository
                .remote_at(gix::url::parse(BStr::new(url))?)?
                .with_fetch_tags(Tags::None)
                .with_refspecs(specs.iter().copied(), Direction::Fetch)?;
            // What is asked for again is given by nobody, and nobody is prompted.
            let mut connection = remote.connect(Direction::Fetch)?.with_credentials(|_| Ok(None));
            if let Some(header) = header {
                let options = repository.transport_options(BStr::new(url), None)?;
                let options = options.and_then(|options| options.downcast::<http::Options>().ok());
                let mut options = *options.unwrap_or_default();
                // With it, no redirect is followed: whoever it leads to must not see it.
                options.extra_headers.push(header);
                connection.set_transport_options(Box::new(options));
            }
            let prepared = connection
                .prepare_fetch(Discard, gix::remote::ref_map::Options::default())?
                .with_write_packed_refs_only(true);
            let there = prepared.ref_map().mappings.iter().filter_map(|it| it.local.clone());
            // First, because a branch may be named like the folder of one that is no more.
            forget_others(&repository, &there.collect())?;
            prepared.receive(Discard, interrupt)?;
            Ok(())
        };
        fetched().map_err(|error| self.failed(error))?;
        // What was fetched is here, however many packs it lies in; the next fetch tries it again.
        if let Err(error) = packs::join_small(&repository, interrupt) {
            let folder = self.folder.display();
            tracing::warn!(%folder, %error, "the small packs of a mirror are not brought together");
        }
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

    fn failed(&self, error: gix::Error) -> Error {
        let url = without_secrets(&self.origin.url);
        let is_refused =
            error.is_unauthenticated() || error.is_permission_denied() || is_unknown(&error);
        let source = Box::new(error);
        match is_refused {
            true => {
                Error::Refused { url, advice: self.origin.access.advice(&self.origin.url), source }
            }
            false => Error::Unreachable { url, source },
        }
    }
}

/// Forgets the branches that the origin has no more; an origin without any is not believed.
fn forget_others(repository: &gix::Repository, there: &HashSet<BString>) -> gix::Result<()> {
    let is_branch = |name: &BStr| name.starts_with(OURS.as_bytes());
    if !there.iter().any(|name| is_branch(name.as_bstr())) {
        return Ok(());
    }
    let mut gone = Vec::new();
    for reference in repository.references()?.remote_branches()? {
        let reference = reference?;
        let name = reference.name().as_bstr();
        if is_branch(name) && !there.contains(name) {
            gone.push(reference);
        }
    }
    gone.iter().try_for_each(gix::Reference::delete)
}

/// Hosts tell those who may not know of a repository that there is none.
fn is_unknown(error: &gix::Error) -> bool {
    let mut causes =
        std::iter::successors(Some(error as &(dyn std::error::Error + 'static)), |error| {
            error.source()
        });
    causes.any(|cause| cause.to_string().contains("HTTP status 404"))
}

/// `https://user:secret@host/x` is told as `https://host/x`.
pub fn without_secrets(url: &str) -> String {
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
