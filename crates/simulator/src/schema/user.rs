//! Who asks: `viewer`, and the exchange of an API key for a token.

use async_graphql::{Context, ID, Object, Result, SimpleObject};

use super::scope::{record_anonymous, scope, shared};
use crate::{auth::Auth, settings::Settings};

/// A user or an API key.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct User {
    id: ID,
    login: String,
    name: String,
    #[graphql(name = "type")]
    kind: Option<String>,
    admin: bool,
    jwt: Option<String>,
    valid_until: Option<i64>,
}

impl User {
    fn api_key(login: &str) -> Self {
        let id = login.strip_prefix("api::").unwrap_or(login);
        Self {
            id: ID::from(id),
            login: login.into(),
            name: format!("API key {id}"),
            kind: Some("API_KEY".into()),
            admin: true,
            jwt: None,
            valid_until: None,
        }
    }
}

pub(super) fn viewer(context: &Context<'_>) -> Option<User> {
    let caller = scope(context).visitor.caller.as_ref()?;
    Some(User::api_key(&caller.actor))
}

#[derive(Default)]
pub(crate) struct UserMutation;

#[Object]
impl UserMutation {
    async fn api_key_user(
        &self,
        context: &Context<'_>,
        id: ID,
        secret: String,
    ) -> Result<Option<User>> {
        let shared = shared(context);
        let Settings { token_lifetime_s, .. } = shared.read(|world| world.settings);
        let Some(token) = shared.auth.exchange(&id, &secret, token_lifetime_s) else {
            record_anonymous(context, Some("unauthorized"))?;
            return Err("unauthorized".into());
        };
        record_anonymous(context, None)?;
        Ok(Some(User {
            jwt: Some(token.jwt),
            valid_until: Some(token.valid_until),
            ..User::api_key(&Auth::login_of(&id))
        }))
    }

    /// Only accounts whose identity provider is GitHub know this way; this one's is not.
    async fn oauth_user(
        &self,
        context: &Context<'_>,
        #[graphql(name = "token")] _token: String,
    ) -> Result<Option<User>> {
        record_anonymous(context, Some("unauthorized"))?;
        Err("unauthorized".into())
    }

    async fn logout(&self, context: &Context<'_>) -> Result<Option<User>> {
        let user = viewer(context);
        if let Some(token) = scope(context).visitor.token {
            shared(context).auth.revoke(token);
        }
        record_anonymous(context, user.is_none().then_some("unauthorized"))?;
        Ok(user)
    }
}
