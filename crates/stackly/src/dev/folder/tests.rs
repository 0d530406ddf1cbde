use std::fs;

use super::DevFolder;

const SAMPLES: [(&str, &str); 2] = [("a.hcl", "one"), ("b/c.hcl", "two")];

#[test]
fn a_folder_of_somebody_elses_is_left_alone_and_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("infra")).unwrap();
    fs::write(folder.path().join("infra/main.tf"), "mine").unwrap();
    let refused = DevFolder::claim(folder.path()).unwrap_err().to_string();
    assert!(refused.contains("was not made by `cargo dev`"), "{refused}");
    assert!(refused.contains("--folder"), "{refused}");
    let names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["infra"]);
    assert_eq!(fs::read_to_string(folder.path().join("infra/main.tf")).unwrap(), "mine");
}

#[test]
fn a_folder_of_ours_is_claimed_again_and_once_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new");
    let first = DevFolder::claim(&path).unwrap();
    let refused = DevFolder::claim(&path).unwrap_err().to_string();
    assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
    fs::write(first.log("ingest"), "old").unwrap();
    drop(first);
    let second = DevFolder::claim(&path).unwrap();
    assert!(!second.log("ingest").exists());
}

#[test]
fn samples_are_written_anew_until_a_person_changes_them() {
    let folder = tempfile::tempdir().unwrap();
    let folder = DevFolder::claim(&folder.path().join("new")).unwrap();
    let read = |name: &str| fs::read_to_string(folder.path("policies").join(name)).unwrap();
    folder.samples("policies", &SAMPLES).unwrap();
    assert_eq!((read("a.hcl"), read("b/c.hcl")), ("one".to_owned(), "two".to_owned()));
    folder.samples("policies", &[("a.hcl", "newer")]).unwrap();
    assert_eq!(read("a.hcl"), "newer");
    assert!(!folder.path("policies").join("b/c.hcl").exists());

    fs::write(folder.path("policies").join("d.hcl"), "mine").unwrap();
    folder.samples("policies", &SAMPLES).unwrap();
    assert_eq!((read("a.hcl"), read("d.hcl")), ("newer".to_owned(), "mine".to_owned()));
    fs::remove_file(folder.path("policies").join("d.hcl")).unwrap();
    folder.samples("policies", &SAMPLES).unwrap();
    assert_eq!(read("a.hcl"), "one");
}
