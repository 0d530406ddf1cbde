//! Whom a server runs as when we are root.

use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::{Uid, User, geteuid};
use std::os::unix::process::CommandExt;

use crate::Error;

/// A user of this machine whom a program runs as. Only root can make use of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunAs {
    /// The name, for people.
    pub name: String,
    pub uid: u32,
    pub gid: u32,
}

impl RunAs {
    /// The user Postgres runs as: none, that is ourselves, unless we are root.
    pub(crate) fn for_postgres() -> Result<Option<RunAs>, Error> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        let known = ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| User::from_name(name).ok().flatten());
        known.map(|user| Some(RunAs::from(user))).ok_or(Error::NoUser)
    }

    /// The user with this id, if there is one and it is not root.
    pub(crate) fn with_uid(uid: u32) -> Option<RunAs> {
        let user = User::from_uid(Uid::from_raw(uid)).ok().flatten()?;
        (!user.uid.is_root()).then(|| RunAs::from(user))
    }

    /// Whether the user may enter `folder`, which takes the right to pass through all its parents.
    pub(crate) fn can_enter(&self, folder: &Path) -> bool {
        self.can("cd \"$1\"", folder)
    }

    /// Whether the user may enter `folder` and make files there.
    pub(crate) fn can_write_in(&self, folder: &Path) -> bool {
        self.can("cd \"$1\" && [ -w . ]", folder)
    }

    /// Asks a shell of that user. Reading mode bits here would be wrong under access control lists.
    fn can(&self, question: &str, folder: &Path) -> bool {
        // The standard library drops root's supplementary groups when it changes the user.
        Command::new("/bin/sh")
            .args(["-c", question, "sh"])
            .arg(folder)
            .current_dir("/")
            .uid(self.uid)
            .gid(self.gid)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }
}

impl From<User> for RunAs {
    fn from(user: User) -> RunAs {
        RunAs { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw() }
    }
}

/// Whether this process is root.
pub(crate) fn are_we_root() -> bool {
    geteuid().is_root()
}

/// Our own user id.
pub(crate) fn our_uid() -> u32 {
    geteuid().as_raw()
}
