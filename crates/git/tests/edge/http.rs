//! Over HTTP, from the `git` program behind a server that asks who is there.

use std::sync::Arc;

use chrono::TimeDelta;
use git::{Access, App, Error};
use receivers::{GITHUB_APP, GitHost, Work};
use secrecy::SecretString;

use crate::work::Desk;

fn token(token: &str) -> Access {
    Access::Token { username: "x-access-token".to_owned(), token: SecretString::from(token) }
}

fn app(host: &GitHost, repository: &str) -> Access {
    app_with(host, &host.app_key, repository)
}

fn app_with(host: &GitHost, key: &str, repository: &str) -> Access {
    let key = SecretString::from(key);
    let app = Arc::new(App::new(GITHUB_APP, &key, &host.base).unwrap());
    Access::App { app, repository: repository.to_owned() }
}

fn refused(fetched: Result<(), Error>) -> String {
    match fetched {
        Err(Error::Refused { url, advice, .. }) => format!("{url}: {advice}"),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn who_has_the_right_token_is_given_what_is_new_and_what_it_names() {
    let work = Work::new();
    let first = work.commit(&[("main.tf", "# one\n")]);
    let host = GitHost::start(work.path()).await;
    host.admit("the-right-one");
    let desk = Desk::new(&host.url(), token("the-right-one"), "");

    desk.fetch(&[]).await.unwrap();
    assert_eq!(desk.mirror.head("main").unwrap(), Some(first.clone()));
    let second = work.commit(&[("main.tf", "# two\n")]);
    desk.fetch(&[]).await.unwrap();
    assert_eq!(desk.text(&second).as_deref(), Some("# two\n"));
    work.git(&["reset", "--quiet", "--hard", &first]);
    let third = work.commit(&[("main.tf", "# three, on no branch\n")]);
    work.git(&["update-ref", "refs/pull/7/head", &third]);
    work.git(&["reset", "--quiet", "--hard", &first]);
    desk.fetch(&["refs/pull/7/head"]).await.unwrap();
    assert_eq!(desk.text(&third).as_deref(), Some("# three, on no branch\n"));
    // The branch went back, and what it had is still there to compare with.
    assert_eq!(desk.mirror.head("main").unwrap(), Some(first));
    assert!(desk.mirror.has(&second).unwrap());
}

#[tokio::test]
async fn a_wrong_token_or_none_is_refused_in_a_sentence_that_says_what_to_do() {
    let work = Work::new();
    work.commit(&[("main.tf", "# one\n")]);
    let host = GitHost::start(work.path()).await;
    host.admit("the-right-one");

    let wrong = refused(Desk::new(&host.url(), token("the-wrong-one"), "").fetch(&[]).await);
    assert!(wrong.contains("the token is wrong, has run out"), "{wrong}");
    assert!(wrong.contains(&host.url()) && !wrong.contains("the-wrong-one"), "{wrong}");
    let nobody = refused(Desk::new(&host.url(), Access::Open, "").fetch(&[]).await);
    assert!(nobody.contains("no token is configured"), "{nobody}");
    let unknown = format!("{}/acme/none.git", host.base);
    let unknown = refused(Desk::new(&unknown, token("the-right-one"), "").fetch(&[]).await);
    assert!(unknown.contains("may not read the contents"), "{unknown}");

    host.open();
    Desk::new(&host.url(), Access::Open, "").fetch(&[]).await.unwrap();
}

#[tokio::test]
async fn an_origin_that_is_away_is_no_refusal() {
    let work = Work::new();
    let gone = "http://127.0.0.1:1/acme/infra.git";
    let fetched = Desk::new(gone, token("any"), "").fetch(&[]).await;
    assert!(matches!(fetched, Err(Error::Unreachable { .. })), "{fetched:?}");
    let nowhere = work.path().join("nowhere").display().to_string();
    let fetched = Desk::new(&nowhere, Access::Open, "").fetch(&[]).await;
    assert!(matches!(fetched, Err(Error::Unreachable { .. })), "{fetched:?}");
}

#[tokio::test]
async fn an_app_is_given_one_token_and_a_new_one_before_it_runs_out_or_when_it_was_taken_back() {
    let work = Work::new();
    work.commit(&[("main.tf", "# one\n")]);
    let host = GitHost::start(work.path()).await;
    let desk = Desk::new(&host.url(), app(&host, "acme/infra"), "");

    desk.fetch(&[]).await.unwrap();
    desk.fetch(&[]).await.unwrap();
    assert_eq!(host.given(), 1);
    host.take_back();
    host.tokens_last(TimeDelta::minutes(9));
    desk.fetch(&[]).await.unwrap();
    assert_eq!(host.given(), 2);
    // The second one is good for nine minutes more, which is too short to begin with.
    let head = work.commit(&[("main.tf", "# two\n")]);
    desk.fetch(&[]).await.unwrap();
    assert_eq!((host.given(), desk.text(&head).as_deref()), (3, Some("# two\n")));
}

#[tokio::test]
async fn an_app_that_is_not_installed_or_has_another_key_is_told_apart() {
    let work = Work::new();
    work.commit(&[("main.tf", "# one\n")]);
    let (host, other) = (GitHost::start(work.path()).await, GitHost::start(work.path()).await);

    let elsewhere = refused(Desk::new(&host.url(), app(&host, "other/infra"), "").fetch(&[]).await);
    assert!(elsewhere.contains("the app is not installed"), "{elsewhere}");
    let stranger = app_with(&host, &other.app_key, "acme/infra");
    let stranger = Desk::new(&host.url(), stranger, "");
    let stranger = refused(stranger.fetch(&[]).await);
    assert!(stranger.contains("private key do not belong together"), "{stranger}");
    assert_eq!((host.given(), host.asked()), (0, 0));
    let broken = App::new("1", &SecretString::from("no key"), &host.base);
    assert!(broken.unwrap_err().to_string().contains("written as PEM"));
}
