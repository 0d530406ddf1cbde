use super::*;
use crate::tree::MemoryTree;

fn told(repository: &Repository, paths: &[&str]) -> Vec<String> {
    let index = Index::of(repository);
    let names = |touch: &Touch| repository.stacks()[touch.stack].name.clone();
    let touched = index.touched(paths.iter().copied());
    touched.iter().map(|touch| format!("{}: {}", names(touch), touch.reason())).collect()
}

fn monorepo() -> Repository {
    Repository::read(
        &MemoryTree::new([
            ("stackly.hcl", "defaults { labels = [\"all\"] }\n"),
            (
                "stacks/app/stackly.hcl",
                "stack \"app\" { watch = [\"policies/*.json\", \"./extra\", \"docs/app.md\"] }\n",
            ),
            (
                "stacks/app/main.tf",
                "module \"net\" {\n  source = \"../../modules/net\"\n}\n\
                 locals {\n  t = templatefile(\"${path.module}/../../templates/a.tpl\", {})\n}\n",
            ),
            ("stacks/app/prod.tfvars", "a = 1\n"),
            ("stacks/app2/stackly.hcl", "stack \"app2\" { inherit = false }\n"),
            (
                "stacks/app2/main.tf",
                "module \"deep\" {\n  source = \"../../modules/net/deep\"\n}\n",
            ),
            ("modules/net/main.tf", "module \"deep\" {\n  source = \"./deep\"\n}\n"),
            ("modules/net/deep/main.tf", ""),
            ("modules/net/files/x.json", ""),
            ("modules/network/main.tf", ""),
            ("shared/common.tf", ""),
        ])
        .with_link("stacks/app2/common.tf", "../../shared/common.tf"),
    )
}

#[test]
fn a_file_touches_the_stacks_that_are_made_from_it_each_with_the_reason() {
    let found = monorepo();
    for (path, expected) in [
        ("stacks/app/main.tf", vec!["app: stacks/app/main.tf changed, below its root stacks/app"]),
        (
            "stacks/app/prod.tfvars",
            vec!["app: stacks/app/prod.tfvars changed, below its root stacks/app"],
        ),
        (
            "stacks/app/gone/deleted.tf",
            vec!["app: stacks/app/gone/deleted.tf changed, below its root stacks/app"],
        ),
        (
            "modules/net/main.tf",
            vec!["app: modules/net/main.tf changed, part of the module modules/net that it calls"],
        ),
        (
            "modules/net/files/x.json",
            vec![
                "app: modules/net/files/x.json changed, part of the module modules/net that it calls",
            ],
        ),
        (
            "modules/net/deep/main.tf",
            vec![
                "app: modules/net/deep/main.tf changed, part of the module modules/net/deep, \
                 called by stacks/app → modules/net",
                "app2: modules/net/deep/main.tf changed, part of the module modules/net/deep that it calls",
            ],
        ),
        ("modules/network/main.tf", vec![]),
        ("shared/common.tf", vec!["app2: shared/common.tf changed, taken into stacks/app2"]),
        ("templates/a.tpl", vec!["app: templates/a.tpl changed, taken into stacks/app"]),
        ("stackly.hcl", vec!["app: stackly.hcl changed, with defaults that it inherits"]),
        (
            "policies/a.json",
            vec!["app: policies/a.json changed, matched by its glob policies/*.json"],
        ),
        ("policies/deep/a.json", vec![]),
        ("docs/app.md", vec!["app: docs/app.md changed, matched by its glob docs/app.md"]),
        ("README.md", vec![]),
        ("../outside", vec![]),
    ] {
        assert_eq!(told(&found, &[path]), expected, "{path}");
    }
}

#[test]
fn what_code_reads_touches_it_also_where_its_name_is_known_in_part() {
    let tree = |unit: &str| {
        MemoryTree::new([
            ("app/stackly.hcl", "stack \"app\" {}\n"),
            (
                "app/main.tf",
                "variable \"env\" {\n  default = \"dev\"\n}\n\
                 locals {\n  cfg = \"${path.module}/../cfg\"\n  \
                 a = file(\"${local.cfg}/${var.env}.json\")\n  \
                 b = [for f in fileset(\"${path.module}/../policies\", \"*.json\") : f]\n  \
                 c = file(\"${var.env}/x.json\")\n  d = file(\"../plain.json\")\n}\n\
                 module \"net\" {\n  source = \"../modules/net\"\n}\n",
            ),
            (
                "modules/net/main.tf",
                "resource \"x_y\" \"a\" {\n  \
                 body = templatefile(\"${path.root}/../root/${terraform.workspace}-[1].tpl\", {})\n\
                 }\n",
            ),
            ("live/env.yaml", ""),
            ("live/app/stackly.hcl", "stack \"unit\" {}\n"),
            ("live/app/terragrunt.hcl", unit),
        ])
    };
    let found = Repository::read(&tree(
        "locals {\n  env = yamldecode(file(find_in_parent_folders(\"env.yaml\")))\n  \
         list = [\"${get_terragrunt_dir()}/../vars/${local.env.name}.tfvars\"]\n}\n\
         terraform {\n  extra_arguments \"vars\" {\n    \
         required_var_files = concat(local.list, [\"../../common.tfvars\"])\n    \
         optional_var_files = [find_in_parent_folders(\"team.tfvars.yaml\", \"none\")]\n  }\n}\n",
    ));
    for (path, expected) in [
        ("cfg/prod.json", "app"),
        ("cfg/deep/prod.json", ""),
        ("cfg/prod.yaml", ""),
        ("policies/a.json", "app"),
        ("policies/deep/a.json", "app"),
        ("policies.json", ""),
        ("dev/x.json", ""),
        ("plain.json", "app"),
        ("root/default-[1].tpl", "app"),
        ("root/default-1.tpl", ""),
        ("modules/root/default-[1].tpl", ""),
        ("env.yaml", "unit"),
        ("live/env.yaml", "unit"),
        ("live/other/env.yaml", ""),
        ("live/vars/prod.tfvars", "unit"),
        ("common.tfvars", "unit"),
        ("live/team.tfvars.yaml", "unit"),
        ("README.md", ""),
    ] {
        let expected: Vec<String> = match expected {
            "" => Vec::new(),
            "unit" => vec![format!("unit: {path} changed, taken into live/app")],
            _ if path.starts_with("root") => {
                vec![format!("app: {path} changed, taken into modules/net")]
            }
            name => vec![format!("{name}: {path} changed, taken into {name}")],
        };
        assert_eq!(told(&found, &[path]), expected, "{path}");
    }
}

#[test]
fn a_stack_is_told_once_with_the_first_path_and_how_many_more_there_are() {
    let found = monorepo();
    let paths = ["docs/app.md", "stacks/app/main.tf", "modules/net/main.tf"];
    let expected = ["app: docs/app.md and 2 more files changed, matched by its glob docs/app.md"];
    assert_eq!(told(&found, &paths), expected);
}

#[test]
fn a_glob_that_cannot_be_read_is_a_fault_of_its_stack_alone() {
    let watched = |glob: &str| Watched {
        root: "a".to_owned(),
        globs: vec![glob.to_owned()],
        inherits: Vec::new(),
    };
    let index = Index::new(&[watched("x["), watched("y/**")], &Repository::default());
    assert_eq!(index.faults().len(), 1);
    assert_eq!(index.faults()[0].0, 0);
    assert_eq!(index.touched(["y/z"]).len(), 1);
}

#[test]
fn a_module_in_a_submodule_is_touched_when_the_submodule_moves() {
    struct WithSubmodule(MemoryTree);
    impl crate::Tree for WithSubmodule {
        fn entries(&self) -> Vec<crate::Entry> {
            let mut entries = self.0.entries();
            let submodule = crate::Entry {
                path: "vendor/mods".to_owned(),
                kind: crate::Kind::Submodule,
                content: None,
            };
            entries.push(submodule);
            entries
        }
        fn read(&self, path: &str) -> Result<Vec<u8>, String> {
            self.0.read(path)
        }
    }
    let found = Repository::read(&WithSubmodule(MemoryTree::new([
        ("app/stackly.hcl", "stack \"app\" {}\n"),
        ("app/main.tf", "module \"x\" {\n  source = \"../vendor/mods/x\"\n}\n"),
    ])));
    assert_eq!(found.warnings(), []);
    assert_eq!(
        told(&found, &["vendor/mods"]),
        ["app: vendor/mods changed, part of the module vendor/mods that it calls"]
    );
}
