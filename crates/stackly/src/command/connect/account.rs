//! Which Spacelift account, by whose key: what is given, or what a running `cargo dev` says.

use std::{path::Path, time::Duration};

use clap::Args;
use secrecy::SecretString;
use spacelift::Client;

use crate::{dev::DevState, failure::Failure, target};

/// For how long to wait for an answer. A person waits.
const PATIENCE: Duration = Duration::from_secs(20);

/// The account and its key; the variables are those of `spacectl`.
#[derive(Args)]
pub(super) struct Account {
    /// The account's address, such as https://acme.app.spacelift.io [default: what the nearest
    /// .stackly/dev.json says]
    #[arg(long, value_name = "URL", env = "SPACELIFT_API_KEY_ENDPOINT")]
    endpoint: Option<String>,
    /// The id of an API key that is admin of the space
    #[arg(long, value_name = "ID", env = "SPACELIFT_API_KEY_ID")]
    api_key_id: Option<String>,
    /// Its secret
    #[arg(long, value_name = "SECRET", env = "SPACELIFT_API_KEY_SECRET", hide_env_values = true)]
    api_key_secret: Option<String>,
}

/// A secret is not shown.
impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// What a running `cargo dev` says of itself, if one is near.
pub(super) fn dev(folder: &Path) -> Option<DevState> {
    let path = target::nearest_file(folder)?;
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

impl Account {
    /// A client, and the account's address.
    pub(super) fn client(&self, dev: Option<&DevState>) -> Result<(Client, String), Failure> {
        let from = |given: &Option<String>, said: fn(&DevState) -> &String| {
            // Parts of two accounts do not fit together.
            let dev = dev.filter(|_| self.endpoint.is_none());
            given.clone().or_else(|| dev.map(|dev| said(dev).clone()))
        };
        let endpoint = from(&self.endpoint, |dev| &dev.spacelift_url);
        let id = from(&self.api_key_id, |dev| &dev.api_key_id);
        let secret = from(&self.api_key_secret, |dev| &dev.api_key_secret);
        let (Some(endpoint), Some(api_key_id), Some(secret)) = (endpoint, id, secret) else {
            return Err(Failure::Usage(
                "say which account and by whose key: --endpoint, --api-key-id and \
                 --api-key-secret, or SPACELIFT_API_KEY_ENDPOINT, SPACELIFT_API_KEY_ID and \
                 SPACELIFT_API_KEY_SECRET"
                    .to_owned(),
            ));
        };
        let options = spacelift::Options {
            endpoint: endpoint.clone(),
            api_key_id,
            api_key_secret: SecretString::from(secret),
            timeout: PATIENCE,
            requests_per_second: 5,
            requests_burst: 10,
            breaker_failures: 10,
            breaker_wait: Duration::from_secs(10),
        };
        let client = Client::new(&options).map_err(failure)?;
        Ok((client, endpoint.trim_end_matches('/').to_owned()))
    }
}

/// What an error of Spacelift's means at the command line.
pub(super) fn failure(error: spacelift::Error) -> Failure {
    use spacelift::Error as E;
    match error {
        E::Misconfigured { reason } => Failure::Usage(reason),
        E::Unauthorized => Failure::Refused {
            code: "unauthorized".to_owned(),
            message: "Spacelift does not accept the API key; is it of this account, and still \
                      there?"
                .to_owned(),
        },
        E::Refused { reason } => Failure::Refused {
            code: "refused".to_owned(),
            message: format!(
                "Spacelift refused: {reason}; webhooks and policies need an API key that \
                 administers the space"
            ),
        },
        E::Uncertain { .. } => Failure::Unavailable {
            message: "Spacelift was asked for a change and its answer was lost; run the command \
                      again: it shows what is there and makes what is missing"
                .to_owned(),
            source: Some(error.into()),
        },
        E::RateLimited { .. } | E::Unreachable { .. } | E::Unavailable { .. } => {
            Failure::Unavailable {
                message: "the Spacelift account cannot be asked".to_owned(),
                source: Some(error.into()),
            }
        }
        error => Failure::Failed(error.into()),
    }
}
