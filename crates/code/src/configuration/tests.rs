use super::*;
use crate::tree::MemoryTree;

const CODE: &str = r#"variable "env" { default = "dev" }
variable "size" {}
resource "aws_s3_bucket" "logs" {
  bucket = "${var.env}-logs"
  acl    = "public-read"
  size   = var.size
  tags   = { env = var.env, size = var.size }

  versioning {
    enabled = false
  }
  dynamic "rule" {
    for_each = ["a"]
    content {
      name = rule.value
      open = true
    }
  }
}
module "inner" {
  source = "../modules/inner"
  name   = var.env
}
resource "aws_iam_user" "each" {
  for_each = toset(["ann", "ben"])
  name     = each.key
}
"#;
const INNER: &str = "variable \"name\" {}\ndata \"aws_ami\" \"it\" {\n  name = var.name\n}\n";

fn configuration(files: &[(&str, &str)]) -> Configuration {
    let tree = MemoryTree::new(files.iter().copied());
    Configuration::read(&tree, &BTreeSet::from(["net".to_owned()]))
}

#[test]
fn values_are_worked_out_as_far_as_they_are_known_through_modules_and_instances() {
    let read = configuration(&[("net/main.tf", CODE), ("modules/inner/main.tf", INNER)]);
    let given = BTreeMap::from([("env".to_owned(), json!("prod"))]);

    let document = read.document("net", &given);

    let resources = document["resources"].as_array().unwrap();
    let find = |address: &str| resources.iter().find(|one| one["address"] == address).unwrap();
    let bucket = find("aws_s3_bucket.logs");
    assert_eq!(
        bucket["values"],
        json!({
            "bucket": "prod-logs",
            "acl": "public-read",
            "tags": { "env": "prod", "size": null },
            "versioning": [{ "enabled": false }],
            "rule": [{ "open": true }],
        })
    );
    assert_eq!(bucket["unknown"], json!(["size", "rule.name"]));
    assert_eq!((&bucket["file"], &bucket["line"]), (&json!("net/main.tf"), &json!(3)));
    assert_eq!(
        (&bucket["lines"]["acl"], &bucket["lines"]["versioning.enabled"]),
        (&json!(5), &json!(10))
    );
    let inner = find("module.inner.data.aws_ami.it");
    assert_eq!((&inner["values"]["name"], &inner["mode"]), (&json!("prod"), &json!("data")));
    assert_eq!(find("aws_iam_user.each[\"ben\"]")["values"]["name"], json!("ben"));
    assert_eq!(document["modules"][0]["source"], json!("../modules/inner"));
}

#[test]
fn a_file_that_is_no_code_is_told_with_its_place_and_a_module_that_is_missing_is_not_unread() {
    let broken = "resource \"a\" \"b\" {\n  x = \n}\n";
    let read = configuration(&[
        ("net/main.tf", "module \"gone\" {\n  source = \"../gone\"\n}\n"),
        ("net/broken.tf", broken),
    ]);
    let unread = read.unread();
    assert_eq!(unread.len(), 1, "{unread:?}");
    assert_eq!((unread[0].file.as_str(), unread[0].line().is_some()), ("net/broken.tf", true));
    assert_eq!(read.document("elsewhere", &BTreeMap::new()), json!({ "root": "elsewhere" }));
}
