use super::*;

fn given(nats: Option<&str>, prefix: Option<&str>) -> Global {
    Global { nats: nats.map(str::to_owned), prefix: prefix.map(str::to_owned), ..Global::default() }
}

fn folder_with(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join(".stackly")).unwrap();
    fs::create_dir_all(folder.path().join("deep/below")).unwrap();
    fs::write(folder.path().join(DEV_FILE), text).unwrap();
    folder
}

const RUNNING: &str = r#"{"nats_url": "nats://127.0.0.1:5000", "prefix": "dev", "pids": {}}"#;

#[test]
fn the_nearest_file_upwards_tells_the_address_and_the_prefix() {
    let folder = folder_with(RUNNING);
    let found = Target::find(&given(None, None), &folder.path().join("deep/below")).unwrap();
    assert_eq!((found.url.as_str(), found.prefix.as_str()), ("nats://127.0.0.1:5000", "dev"));
    assert!(found.advice().contains("dev.json"), "{}", found.advice());
}

#[test]
fn a_given_address_does_not_take_the_prefix_of_another_installation() {
    let folder = folder_with(RUNNING);
    let found = Target::find(&given(Some("nats://there:4222"), None), folder.path()).unwrap();
    assert_eq!((found.url.as_str(), found.prefix.as_str()), ("nats://there:4222", ""));
}

#[test]
fn a_given_prefix_counts_more_than_the_files() {
    let folder = folder_with(RUNNING);
    let found = Target::find(&given(None, Some("mine")), folder.path()).unwrap();
    assert_eq!((found.url.as_str(), found.prefix.as_str()), ("nats://127.0.0.1:5000", "mine"));
}

#[test]
fn without_any_hint_it_is_the_usual_address() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(Target::find(&given(None, None), folder.path()).unwrap().url, USUAL);
}

#[test]
fn a_file_that_is_no_json_is_named() {
    let folder = folder_with("{");
    let failure = Target::find(&given(None, None), folder.path()).unwrap_err();
    assert_eq!(failure.status(), 2);
    assert!(failure.text().contains("dev.json cannot be read"), "{}", failure.text());
}

#[test]
fn a_password_in_the_address_is_not_shown() {
    let url = "nats://ops:se@cret@one:4222,nats://two:4222";
    let found = Target::find(&given(Some(url), Some("p")), Path::new("/")).unwrap();
    assert_eq!(found.to_string(), "nats://one:4222,nats://two:4222 under the prefix `p`");
}
