use std::{collections::HashMap, sync::Arc};

use located::Source;

use super::*;
use crate::syntax;

fn read(folder: &str, files: &[(&str, &str)]) -> Unit {
    let bodies: HashMap<&str, Arc<Body>> = files
        .iter()
        .map(|(file, text)| {
            let body = syntax::parse(Source { file, text });
            (*file, Arc::new(body.unwrap_or_else(|fault| panic!("{fault}"))))
        })
        .collect();
    unit(folder, &|file| bodies.get(file).cloned())
}

fn waits_for(unit: &Unit) -> Vec<String> {
    unit.waits_for.iter().map(|(folder, spot, _)| format!("{folder} {spot}")).collect()
}

#[test]
fn dependencies_are_found_however_their_paths_are_written() {
    let unit = read(
        "live/prod/app",
        &[
            (
                "live/prod/app/terragrunt.hcl",
                r#"
include "root" {
  path = find_in_parent_folders("root.hcl")
}
include "common" {
  path   = "${dirname(find_in_parent_folders("root.hcl"))}/_common/app.hcl"
  expose = true
}
locals {
  env = read_terragrunt_config(find_in_parent_folders("env.hcl"))
}
terraform {
  source = "${get_repo_root()}/modules//app"
}
dependency "vpc" {
  config_path = "../vpc"
}
dependency "db" {
  config_path = "${get_terragrunt_dir()}/../${local.env.locals.db}"
}
dependency "far" {
  config_path = local.unknown
}
dependencies {
  paths = ["../dns", "../../global/iam"]
}
inputs = {
  vpc_id = dependency.vpc.outputs.id
  name   = "app-${local.env.locals.name}"
}
"#,
            ),
            ("live/root.hcl", "inputs = {\n  region = \"eu\"\n}\n"),
            ("live/prod/env.hcl", "locals {\n  db   = \"postgres\"\n  name = \"prod\"\n}\n"),
            ("live/_common/app.hcl", "dependency \"logs\" {\n  config_path = \"../logs\"\n}\n"),
        ],
    );
    assert_eq!(
        waits_for(&unit),
        [
            "live/prod/logs live/_common/app.hcl:1",
            "live/prod/vpc live/prod/app/terragrunt.hcl:15",
            "live/prod/postgres live/prod/app/terragrunt.hcl:18",
            "live/prod/dns live/prod/app/terragrunt.hcl:25",
            "live/global/iam live/prod/app/terragrunt.hcl:25",
        ]
    );
    assert_eq!(unit.module.as_deref(), Some("modules/app"));
    let files: Vec<&str> = unit.files.iter().map(String::as_str).collect();
    assert_eq!(files, ["live/_common/app.hcl", "live/prod/env.hcl", "live/root.hcl"]);
    assert_eq!(
        (unit.inputs["name"].as_str(), unit.inputs["region"].as_str()),
        (Some("app-prod"), Some("eu"))
    );
    let handed = ("vpc".to_owned(), "id".to_owned(), "vpc_id".to_owned());
    assert_eq!(unit.handed, [handed]);
}

#[test]
fn files_that_include_and_read_each_other_come_to_an_end() {
    let unit = read(
        "a",
        &[
            (
                "a/terragrunt.hcl",
                "include {\n  path = \"../b.hcl\"\n}\nlocals {\n  x = read_terragrunt_config(\"../b.hcl\")\n}\n",
            ),
            (
                "b.hcl",
                "include {\n  path = \"../b.hcl\"\n}\nlocals {\n  x = read_terragrunt_config(\"../b.hcl\")\n  y = read_terragrunt_config(\"../c.hcl\")\n}\n",
            ),
            ("c.hcl", "locals {\n  x = read_terragrunt_config(\"../b.hcl\")\n}\n"),
        ],
    );
    assert_eq!(unit.waits_for, []);
}

#[test]
fn what_lies_elsewhere_is_no_folder_of_the_repository() {
    for source in ["git::https://host/x.git//net", "tfr:///acme/vpc/aws?version=1", "../../../x"] {
        let text = format!("terraform {{\n  source = \"{source}\"\n}}\n");
        assert_eq!(read("a", &[("a/terragrunt.hcl", &text)]).module, None, "{source}");
    }
}
