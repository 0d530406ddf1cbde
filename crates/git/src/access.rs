//! Who asks an origin, and what is sent along to prove it.

use std::{fmt, net::IpAddr, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};

use crate::{App, Error, fetch::without_secrets};

/// Who asks, over https.
#[derive(Clone, Default)]
pub enum Access {
    /// Nobody in particular: what everybody may read is given.
    #[default]
    Open,
    /// Whoever has this token or password.
    Token {
        /// Hosts that take tokens take any name, or one of their own.
        username: String,
        /// The token.
        token: SecretString,
    },
    /// An app of GitHub, as installed where the repository is.
    App {
        /// The app.
        app: Arc<App>,
        /// `owner/name`.
        repository: String,
    },
}

impl Access {
    /// The app, if there is one; else the token, if it is not empty; else nobody in particular.
    pub fn given(
        app: Option<&Arc<App>>,
        (username, token): (&str, &SecretString),
        repository: &str,
    ) -> Self {
        match app {
            Some(app) => Self::App { app: app.clone(), repository: repository.to_owned() },
            None if token.expose_secret().is_empty() => Self::Open,
            None => Self::Token { username: username.to_owned(), token: token.clone() },
        }
    }

    /// The header that proves who asks; none where nothing is to be proved that way.
    pub(crate) fn header(&self, url: &str) -> Result<Option<String>, Error> {
        let Some(is_safe) = is_safe(url) else { return Ok(None) };
        let (username, token) = match self {
            Self::Open => return Ok(None),
            Self::Token { username, token } => (username.as_str(), token.clone()),
            Self::App { app, repository } => ("x-access-token", app.token(repository)?),
        };
        if !is_safe {
            return Err(Error::Refused {
                url: without_secrets(url),
                advice: "a token is never sent in clear text: let the address begin with https://",
                source: "the address begins with http://".into(),
            });
        }
        let pair = STANDARD.encode(format!("{username}:{}", token.expose_secret()));
        Ok(Some(format!("authorization: Basic {pair}")))
    }

    /// What may help whoever was refused.
    pub(crate) fn advice(&self, url: &str) -> &'static str {
        match self {
            _ if is_safe(url).is_none() => {
                "give the key that `ssh` uses here the right to read the repository"
            }
            Self::Open => {
                "no token is configured, and only what everybody may read is given without"
            }
            Self::Token { .. } => {
                "the token is wrong, has run out, or may not read the contents of the repository"
            }
            Self::App { .. } => {
                "the app must be installed where the repository is, with the right to read contents"
            }
        }
    }

    /// Lets go of what may have been taken back; whether asking again makes sense.
    pub(crate) fn forget(&self) -> bool {
        match self {
            Self::App { app, repository } => app.forget(repository),
            Self::Open | Self::Token { .. } => false,
        }
    }
}

/// Whether nobody on the way can read along; none if it is no address of the web.
fn is_safe(url: &str) -> Option<bool> {
    let (scheme, rest) = url.split_once("://")?;
    match scheme.to_ascii_lowercase().as_str() {
        "https" => Some(true),
        "http" => {
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
            let name = name.trim_start_matches('[').trim_end_matches(']');
            let is_here = name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
            Some(is_here || name == "localhost")
        }
        _ => None,
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "Open",
            Self::Token { .. } => "Token",
            Self::App { .. } => "App",
        })
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::{Access, is_safe};

    #[test]
    fn a_token_is_sent_where_nobody_can_read_along_and_nowhere_else() {
        let access =
            Access::Token { username: "x".to_owned(), token: SecretString::from("secret") };
        let header = access.header("https://git.example/acme/infra.git").unwrap();
        assert_eq!(header.as_deref(), Some("authorization: Basic eDpzZWNyZXQ="));
        for nowhere in ["ssh://git@git.example/acme/infra.git", "/srv/infra.git", "git@h:infra"] {
            assert_eq!(access.header(nowhere).unwrap(), None, "{nowhere}");
        }
        let refused = access.header("http://git.example/acme/infra.git").unwrap_err();
        assert!(refused.to_string().contains("clear text"), "{refused}");
        assert!(!format!("{access:?}{refused:?}").contains("secret"));
        for (url, safe) in [
            ("http://127.0.0.1:80/x", true),
            ("http://[::1]:80/x", true),
            ("http://localhost/x", true),
            ("http://127.0.0.1.example/x", false),
            ("http://localhost@git.example/x", false),
        ] {
            assert_eq!(is_safe(url), Some(safe), "{url}");
        }
    }
}
