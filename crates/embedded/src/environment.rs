//! The only place of this crate that reads environment variables.
//!
//! The servers are started before any service has a configuration, by programs and by tests alike,
//! so where they are found cannot come from `service`.

use std::ffi::OsString;
use std::path::PathBuf;

/// The value of `name`; an empty value counts as none, as it does in a shell's `${name:-}`.
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The value of `name` as a path.
pub(crate) fn path(name: &str) -> Option<PathBuf> {
    variable(name).map(PathBuf::from)
}

/// The folders of `PATH`, in their order.
pub(crate) fn search_path() -> Vec<PathBuf> {
    variable("PATH").map(|value| std::env::split_paths(&value).collect()).unwrap_or_default()
}

/// The folder for temporary files.
pub(crate) fn temporary_folder() -> PathBuf {
    std::env::temp_dir()
}

/// The system and the processor this was built for, as Rust names them.
pub(crate) const MACHINE: (&str, &str) = (std::env::consts::OS, std::env::consts::ARCH);
