use receivers::{GITHUB_APP, GitHost};
use secrecy::{ExposeSecret, SecretString};

use super::*;

async fn host() -> (tempfile::TempDir, GitHost) {
    let folder = tempfile::tempdir().unwrap();
    let host = GitHost::start(folder.path()).await;
    (folder, host)
}

fn key(host: &GitHost) -> AppKey {
    let key = SecretString::from(host.app_key.as_str());
    AppKey { id: GITHUB_APP.to_owned(), key, key_file: String::new() }
}

#[tokio::test]
async fn an_app_asks_with_one_token_for_all_that_an_owner_has_and_with_its_signature_for_itself() {
    let (_folder, host) = host().await;
    let asker = Asker::new(&key(&host), &SecretString::default(), &host.base).unwrap().unwrap();
    let bearer = |path: &'static str| {
        let asker = asker.clone();
        async move { asker.bearer(path).await.unwrap().expose_secret().to_owned() }
    };
    let given = bearer("repos/acme/infra/hooks/1/deliveries").await;
    assert_eq!(given, "ghs_1");
    assert_eq!(bearer("/repos/acme/other/statuses/c0ffee").await, given);
    assert_eq!(bearer("orgs/acme/hooks/2/deliveries").await, given);
    assert_eq!(host.given(), 1);
    let signature = bearer("app/hook/deliveries").await;
    assert_eq!(signature.split('.').count(), 3, "a signature of the app itself");

    assert!(asker.forget("repos/acme/infra"));
    assert_eq!(bearer("orgs/acme/hooks/2").await, "ghs_2");
    let elsewhere = asker.bearer("repos/other/infra").await.unwrap_err();
    assert!(elsewhere.to_string().contains("is not installed"), "{elsewhere}");
}

#[tokio::test]
async fn without_an_app_the_token_asks_and_without_either_nobody() {
    let nobody = AppKey::default();
    let token = SecretString::from("ghp_x");
    let asker = Asker::new(&nobody, &token, "http://localhost").unwrap().unwrap();
    assert_eq!(asker.bearer("repos/a/b").await.unwrap().expose_secret(), "ghp_x");
    assert!(!asker.forget("repos/a/b"));
    assert!(!format!("{asker:?}").contains("ghp_x"));
    assert!(Asker::new(&nobody, &SecretString::default(), "").unwrap().is_none());
    let lost = AppKey { id: "1".into(), key_file: "/no/such/file".into(), ..nobody };
    assert!(lost.app("").unwrap_err().to_string().contains("/no/such/file"));
}
