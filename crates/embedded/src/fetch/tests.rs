use std::fs;
use std::process::Command as StdCommand;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::*;

/// The least that `pip` takes for a wheel, made by Python itself.
const MAKE_WHEEL: &str = r##"
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as wheel:
    info = "tiny_bin-1.0.dist-info/"
    wheel.writestr("tiny_bin-1.0.data/scripts/tiny", "#!/bin/sh\necho v1.0\n")
    wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: tiny-bin\nVersion: 1.0\n")
    wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(info + "RECORD", "")
"##;

/// A folder that serves as an index, and the package in it.
fn index() -> (TempDir, Package) {
    let folder = TempDir::new().unwrap();
    let wheel = folder.path().join("tiny_bin-1.0-py3-none-any.whl");
    let made = StdCommand::new("python3").args(["-c", MAKE_WHEEL]).arg(&wheel).status();
    assert!(made.unwrap().success());
    let sha256 = hex::encode(Sha256::digest(fs::read(&wheel).unwrap()));
    let links = folder.path().to_str().unwrap().to_owned();
    let package = Package {
        requirement: "tiny-bin==1.0",
        sha256,
        selection: vec!["--no-index".to_owned(), "--find-links".to_owned(), links],
        size: "1 kB",
        instead: "do without",
    };
    (folder, package)
}

fn listener() -> (Say, Arc<Mutex<Vec<String>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&heard);
    (Arc::new(move |said: &str| ear.lock().unwrap().push(said.to_owned())), heard)
}

fn scripts(unpacked: &Path) -> Result<PathBuf, Error> {
    Ok(unpacked.join("tiny_bin-1.0.data/scripts"))
}

fn wrong() -> String {
    hex::encode(Sha256::digest(b"something else"))
}

#[tokio::test]
async fn a_package_is_fetched_once_however_many_ask_and_said_once() {
    let (_index, package) = index();
    let cache = TempDir::new().unwrap();
    fs::create_dir(cache.path().join("fetching-tiny-of-a-killed-process")).unwrap();
    let (say, heard) = listener();
    let ask = || install(&package, cache.path(), "tiny", &say, scripts);
    let (one, two, three) = tokio::join!(ask(), ask(), ask());
    for folder in [one, two, three] {
        let text = fs::read_to_string(folder.unwrap().join("tiny")).unwrap();
        assert_eq!(text, "#!/bin/sh\necho v1.0\n");
    }
    let heard = heard.lock().unwrap();
    let fetches = heard.iter().filter(|said| said.starts_with("fetching tiny-bin==1.0"));
    assert_eq!(fetches.count(), 1, "{heard:?}");
    let left: Vec<_> = fs::read_dir(cache.path()).unwrap().flatten().collect();
    assert_eq!(left.len(), 2, "the folder and its lock, and nothing half done: {left:?}");
}

#[tokio::test]
async fn a_package_with_another_sum_is_refused_and_nothing_of_it_is_kept() {
    let (_index, mut package) = index();
    package.sha256 = wrong();
    let cache = TempDir::new().unwrap();
    let (say, _) = listener();
    let error = install(&package, cache.path(), "tiny", &say, scripts).await.unwrap_err();
    assert!(matches!(error, Error::HashMismatch { .. }), "{error}");
    assert!(!cache.path().join("tiny").exists());
}

#[test]
fn our_own_check_refuses_another_sum_without_pip() {
    let (index, mut package) = index();
    let wheel = index.path().join("tiny_bin-1.0-py3-none-any.whl");
    verify(&package, &wheel).unwrap();
    package.sha256 = wrong();
    let error = verify(&package, &wheel).unwrap_err();
    assert!(matches!(error, Error::HashMismatch { .. }), "{error}");
}

#[tokio::test]
async fn a_package_that_is_nowhere_is_reported_with_what_to_do_instead() {
    let (_index, mut package) = index();
    package.requirement = "tiny-bin==2.0";
    let cache = TempDir::new().unwrap();
    let (say, _) = listener();
    let error = install(&package, cache.path(), "tiny", &say, scripts).await.unwrap_err();
    assert!(matches!(error, Error::Fetch { .. }), "{error}");
    assert!(error.to_string().contains("do without"), "{error}");
}
