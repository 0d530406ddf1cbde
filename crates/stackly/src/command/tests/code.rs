use std::{fs, os::unix::fs::symlink, path::Path};

use serde_json::json;

use super::*;

/// A repository on the disk.
fn repository(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join(".git")).unwrap();
    write(folder.path(), files);
    folder
}

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

const NETWORK: &[(&str, &str)] = &[
    ("stackly.hcl", "defaults { labels = [\"all\"] }\n"),
    ("network/stackly.hcl", "stack \"network\" {}\n"),
    (
        "network/main.tf",
        "terraform {\n  backend \"gcs\" {\n    bucket = \"b\"\n    prefix = \"network\"\n  }\n}\n\
         output \"vpc_id\" { value = 1 }\n",
    ),
    ("app/stackly.hcl", "stack \"app\" { depends_on = [\"network\"] }\n"),
    (
        "app/main.tf",
        "variable \"size\" {}\ndata \"terraform_remote_state\" \"network\" {\n  backend = \"gcs\"\n  \
         config = { bucket = \"b\", prefix = \"network\" }\n}\n\
         output \"id\" { value = data.terraform_remote_state.network.outputs.vpc_id }\n",
    ),
];

#[tokio::test]
async fn stack_code_is_checked_without_a_system() {
    let folder = repository(NETWORK);
    let path = folder.path().to_str().unwrap();
    let said = run(vec!["validate", path, "--json"], None).await.json();
    assert_eq!((&said["valid"], &said["stacks"]), (&json!(true), &json!(["app", "network"])));
    assert!(run(vec!["validate", path], None).await.ok().contains("2 stacks"));

    write(folder.path(), &[("app/stackly.hcl", "stack \"app\" {\n  wav = 1\n}\n")]);
    let done = run(vec!["validate", path], None).await;
    assert!(
        done.text.contains("app/stackly.hcl:2:3: there is no `wav` in `stack`"),
        "{}",
        done.text
    );
    assert!(done.text.contains("did you mean `wave`?"), "{}", done.text);
    assert!(done.text.contains("1 stack, 1 fault"), "{}", done.text);
    done.failed(1);
    let done = run(vec!["validate", path, "--json"], None).await;
    let said: Value = serde_json::from_str(&done.text).unwrap();
    assert_eq!((&said["valid"], &said["faults"][0]["line"]), (&json!(false), &json!(2)));
    assert_eq!(said["stacks"], json!(["network"]));
    done.failed(1);
    // What is wrong elsewhere is not asked for.
    let network = folder.path().join("network");
    run(vec!["validate", network.to_str().unwrap()], None).await.ok();
    let file = folder.path().join("app/stackly.hcl");
    let file = file.to_str().unwrap();
    let done = run(vec!["validate", file], None).await;
    assert!(done.text.contains(&format!("fault: {file}:2:3: there is no `wav`")), "{}", done.text);
    done.failed(1);
    // What code says elsewhere is shown, and that not all could be read.
    let done = run(vec!["inspect", path], None).await;
    assert!(done.text.contains("stack network"), "{}", done.text);
    assert!(done.text.contains(&format!("fault: {file}:2:3: there is no `wav`")), "{}", done.text);
    done.failed(1);
    let done = run(vec!["inspect", path, "--json"], None).await;
    let said: Value = serde_json::from_str(&done.text).unwrap();
    assert_eq!(said["faults"][0]["file"], "app/stackly.hcl");
    done.failed(1);
    for option in ["--rules", "--sarif"] {
        run(vec!["validate", network.to_str().unwrap(), option, "nowhere"], None).await.failed(3);
    }
}

#[tokio::test]
async fn a_file_of_terraform_is_judged_by_the_stack_whose_folder_it_is_in() {
    let folder = repository(NETWORK);
    write(folder.path(), &[("app/main.tf", "variable \"size\" {\n"), ("README.md", "hello\n")]);
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (whole, file) = (at("app"), at("app/main.tf"));
    let place = format!("fault: {file}:");
    for path in [&whole, &file] {
        let done = run(vec!["validate", path], None).await;
        assert!(done.text.contains(&place), "{}", done.text);
        assert!(done.text.contains("1 stack, 1 fault"), "{}", done.text);
        done.failed(1);
    }
    run(vec!["validate", &at("network/main.tf")], None).await.ok();
    let text = run(vec!["validate", &at("README.md")], None).await.failed(2);
    assert!(text.contains("is no stack code"), "{text}");
}

#[tokio::test]
async fn what_is_on_a_disk_to_trick_us_is_told_and_hinders_nobody() {
    let folder = repository(NETWORK);
    symlink("loop", folder.path().join("loop")).unwrap();
    symlink("..", folder.path().join("app/up")).unwrap();
    symlink("/etc/passwd", folder.path().join("app/passwd.tf")).unwrap();
    let file = fs::File::create(folder.path().join("app/huge.tf")).unwrap();
    file.set_len(1 << 33).unwrap();
    let large = "# much\n".repeat(60_000);
    write(folder.path(), &[("big/stackly.hcl", large.as_str())]);
    let done = run(vec!["validate", folder.path().to_str().unwrap()], None).await;
    for expected in [
        "loop: this symbolic link leads in a circle",
        "app/passwd.tf: this symbolic link leads out of the repository",
        "app/huge.tf: this file has 8589934592 bytes",
        "big/stackly.hcl: this file has 420000 bytes",
        "2 stacks, 2 faults",
    ] {
        assert!(done.text.contains(expected), "{expected} is not in\n{}", done.text);
    }
    done.failed(1);
    let nowhere = folder.path().join("nowhere");
    run(vec!["validate", nowhere.to_str().unwrap()], None).await.failed(3);
}

#[tokio::test]
async fn policies_beside_stack_code_are_checked_with_it() {
    let folder = repository(NETWORK);
    write(
        folder.path(),
        &[("policies/a.hcl", "policy \"a\" {\n  warn { reason = \"look\" }\n}\n")],
    );
    let path = folder.path().to_str().unwrap();
    let said = run(vec!["validate", path, "--json"], None).await.json();
    assert_eq!((&said["policies"], said["stacks"].as_array().unwrap().len()), (&json!(["a"]), 2));
    write(folder.path(), &[("policies/a.hcl", "policy \"a\" {}\n")]);
    let done = run(vec!["validate", path], None).await;
    assert!(done.text.contains("this policy demands nothing"), "{}", done.text);
    done.failed(1);
}

const OPEN: &str = "terraform {\n  backend \"local\" {}\n}\nresource \"aws_s3_bucket\" \"logs\" {\n  acl \
                    = \"public-read\"\n}\n";

const SCANNED: &str = r#"{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"tfsec"}},"results":[
        {"ruleId":"AWS001","level":"error","message":{"text":"no logging"},"locations":[{
        "physicalLocation":{"artifactLocation":{"uri":"app/main.tf"},"region":{"startLine":1}}}]},
        {"ruleId":"AWS002","level":"error","message":{"text":"not here"},"locations":[{
        "physicalLocation":{"artifactLocation":{"uri":"gone/main.tf"}}}]},
        {"ruleId":"AWS003","level":"error","message":{"text":"on a detour"},"locations":[{
        "physicalLocation":{"artifactLocation":{"uri":"gone/../app/main.tf"}}}]}]}]}"#;

#[tokio::test]
async fn rules_policies_and_scanners_decide_with_annotations_at_their_lines() {
    let folder = repository(NETWORK);
    let rules = tempfile::tempdir().unwrap();
    for (name, text) in validation::EXAMPLE {
        fs::write(rules.path().join(name), text).unwrap();
    }
    let found = rules.path().join("found.json");
    fs::write(&found, SCANNED).unwrap();
    write(
        folder.path(),
        &[
            ("open/stackly.hcl", "stack \"open\" {\n  policies = [\"b\"]\n}\n"),
            ("open/main.tf", OPEN),
            (
                "policies/a.hcl",
                "policy \"a\" {\n  match { stacks = [\"network\"] }\n  deny { reason = \"never\" }\n}\n",
            ),
        ],
    );
    let (path, rules) = (folder.path().to_str().unwrap(), rules.path().to_str().unwrap());
    let out = folder.path().join("out.sarif");
    let all = vec![
        "validate",
        path,
        "--rules",
        rules,
        "--sarif",
        found.to_str().unwrap(),
        "--sarif-out",
        out.to_str().unwrap(),
    ];

    let done = run([all.clone(), vec!["--json"]].concat(), None).await;
    let said: Value = serde_json::from_str(&done.text).unwrap();
    assert_eq!((&said["valid"], &said["decision"]), (&json!(false), &json!("reject")));
    let annotations = said["annotations"].as_array().unwrap();
    let mut told: Vec<_> = annotations
        .iter()
        .map(|it| {
            format!("{}:{} {} {}", it["file"], it["line"], it["level"], it["rule"]).replace('"', "")
        })
        .collect();
    told.sort();
    let expected = [
        "app/main.tf:1 failure tfsec.AWS001",
        "app/main.tf:1 failure tfsec.AWS003",
        "network/stackly.hcl:1 failure policy_denied",
        "open/main.tf:5 failure security.aws.public_bucket",
        "open/stackly.hcl:2 failure policy_unknown",
    ];
    assert_eq!(told, expected);
    done.failed(1);
    let written: Value = serde_json::from_str(&fs::read_to_string(&out).unwrap()).unwrap();
    assert_eq!(written["runs"][0]["results"].as_array().unwrap().len(), 5);

    let done = run(all.clone(), None).await;
    assert!(
        done.text.contains(&format!("failure: {path}/open/main.tf:5: aws_s3_bucket.logs can be")),
        "{}",
        done.text
    );
    done.failed(1);
    // Only what is touched is judged.
    let touched = [all, vec!["--changed", "network/main.tf", "README.md", "--json"]].concat();
    let done = run(touched, None).await;
    let said: Value = serde_json::from_str(&done.text).unwrap();
    assert_eq!(said["annotations"].as_array().unwrap().len(), 1, "{}", done.text);
    assert_eq!(said["annotations"][0]["rule"], "policy_denied");
    done.failed(1);
}

#[tokio::test]
async fn the_schema_of_a_stack_file_can_be_had() {
    let said = run(vec!["validate", "--schema"], None).await.json();
    assert_eq!(said["title"], "stackly.hcl");
}

#[tokio::test]
async fn what_code_says_and_what_follows_from_it_is_shown() {
    let folder = repository(NETWORK);
    write(
        folder.path(),
        &[
            ("live/a/terragrunt.hcl", "dependency \"b\" {\n  config_path = \"../b\"\n}\n"),
            ("live/b/terragrunt.hcl", ""),
        ],
    );
    let path = folder.path().to_str().unwrap();
    let text = run(vec!["inspect", path], None).await.ok();
    for expected in [
        "size (required)",
        "backend    gcs",
        "app → network  app depends on network, as its stackly.hcl says  app/stackly.hcl:1",
        "app → network [vpc_id]  app reads the state of network \
         (data.terraform_remote_state.network)  app/main.tf:2",
        "live/a → live/b",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    let said = run(vec!["inspect", path, "--json"], None).await.json();
    assert_eq!(said["edges"]["inferred"][0]["spot"], json!({ "file": "app/main.tf", "line": 2 }));
    assert_eq!(said["modules"].as_array().unwrap().len(), 2);
    let alone = run(vec!["inspect", path, "--edges", "--json"], None).await.json();
    assert_eq!((&alone["modules"], &alone["warnings"]), (&json!([]), &json!([])));
    write(folder.path(), &[("app/main.tf", "variable \"size\" {\n")]);
    let text = run(vec!["inspect", path], None).await.ok();
    assert!(text.contains(&format!("warning: {path}/app/main.tf:")), "{text}");
    let said = run(vec!["inspect", path, "--json"], None).await.json();
    assert_eq!(said["warnings"][0]["file"], "app/main.tf");
}
