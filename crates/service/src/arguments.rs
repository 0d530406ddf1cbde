//! The arguments of a service's program.

use std::{ffi::OsString, path::PathBuf};

use crate::config::{ConfigError, FRAME_DEFAULTS};

/// What a program is to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arguments {
    /// Run the service, with this file over the defaults.
    Run(Option<PathBuf>),
    /// Say how it is used and configured.
    Help,
    /// Say which version it is.
    Version,
}

impl Arguments {
    /// Reads what stands behind the name of the program.
    pub(crate) fn read(
        service: &str,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, ConfigError> {
        let (mut file, mut faults) = (None, Vec::new());
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let text = argument.to_string_lossy();
            let given = match &*text {
                "--help" | "-h" => return Ok(Self::Help),
                "--version" | "-V" => return Ok(Self::Version),
                "--config" => arguments.next().map(PathBuf::from),
                _ => match text.strip_prefix("--config=") {
                    Some(file) => Some(PathBuf::from(file)),
                    None => {
                        faults.push(format!("there is no argument `{text}`; `--help` says which"));
                        continue;
                    }
                },
            };
            match given.filter(|given| !given.as_os_str().is_empty()) {
                None => faults.push("--config: names no file".to_owned()),
                Some(_) if file.is_some() => {
                    faults.push("--config: given more than once".to_owned());
                }
                Some(given) => file = Some(given),
            }
        }
        ConfigError::unless_none(service, faults).map(|()| Self::Run(file))
    }
}

/// The version of this build.
pub(crate) fn version(service: &str) -> String {
    format!("{service} {}", env!("CARGO_PKG_VERSION"))
}

/// How a service is used, and every key of its configuration.
pub(crate) fn help(service: &str, defaults: &str) -> String {
    let upper = service.to_ascii_uppercase();
    format!(
        "{service}, a service of Stackly. It runs until SIGINT or SIGTERM.

Usage: {service} [--config FILE]

  --config FILE   TOML that is laid over the defaults below
  --help          this text
  --version       which version it is

Variables are laid over the file: STACKLY__BUS__PREFIX=x for all services, then
{upper}__BUS__PREFIX=x for this one. The exit status is 64 if the configuration cannot be used.

{}
{}",
        FRAME_DEFAULTS.trim(),
        defaults.trim(),
    )
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{Arguments, help};

    fn read(arguments: &[&str]) -> Result<Arguments, String> {
        let arguments = arguments.iter().map(|argument| (*argument).into());
        Arguments::read("demo", arguments).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_is_named_in_both_of_the_usual_ways() {
        let file = Ok(Arguments::Run(Some(PathBuf::from("demo.toml"))));
        assert_eq!(read(&["--config", "demo.toml"]), file);
        assert_eq!(read(&["--config=demo.toml"]), file);
        assert_eq!(read(&[]), Ok(Arguments::Run(None)));
    }

    #[test]
    fn what_is_not_understood_is_told_all_at_once_and_not_passed_over() {
        let text = read(&["--conf=a", "b", "--config", "c", "--config=d", "--config"]).unwrap_err();
        for fault in ["`--conf=a`", "`b`", "given more than once", "names no file"] {
            assert!(text.contains(fault), "{fault} is not in\n{text}");
        }
        assert!(read(&["--config="]).unwrap_err().contains("names no file"));
    }

    #[test]
    fn who_asks_for_help_is_shown_every_key() {
        assert_eq!(read(&["--help"]), Ok(Arguments::Help));
        assert_eq!(read(&["--version"]), Ok(Arguments::Version));
        let help = help("demo", "[own]\nsize = 1\n");
        for part in ["demo [--config FILE]", "DEMO__BUS__PREFIX", "[bus]", "[own]\nsize = 1"] {
            assert!(help.contains(part), "{part} is not in\n{help}");
        }
    }
}
