use super::*;
use crate::{edge::Origin, tree::MemoryTree};

fn inferred(files: &[(&str, &str)]) -> Inference {
    let repository = Repository::read(&MemoryTree::new(files.iter().copied()));
    assert_eq!(repository.faults(), []);
    infer(&repository.subjects())
}

const NETWORK: (&str, &str) = (
    "net/main.tf",
    "terraform {\n  backend \"s3\" {\n    bucket = \"states\"\n    key = \"net\"\n  }\n}\n",
);
const NETWORK_STACK: (&str, &str) = ("net/stackly.hcl", "stack \"net\" {}\n");
const READER: (&str, &str) = (
    "app/main.tf",
    "data \"terraform_remote_state\" \"net\" {\n  backend = \"s3\"\n  config = {\n    bucket = \"states\"\n    \
     key    = \"net\"\n  }\n}\nmodule \"x\" {\n  source = \"../x\"\n  vpc = data.terraform_remote_state.net.outputs.vpc_id\n}\n\
     output \"zone\" {\n  value = data.terraform_remote_state.net.outputs[\"zone\"]\n}\n",
);

#[test]
fn who_reads_a_state_waits_for_its_stack_with_the_line_and_the_outputs() {
    let found =
        inferred(&[NETWORK, NETWORK_STACK, READER, ("app/stackly.hcl", "stack \"app\" {}\n")]);
    let [edge] = found.edges.as_slice() else { panic!("{:?}", found.edges) };
    assert_eq!((edge.stack.as_str(), edge.on.as_str()), ("app", "net"));
    assert_eq!(edge.origin, Origin::RemoteState);
    assert_eq!(edge.spot.to_string(), "app/main.tf:1");
    assert_eq!(edge.reason, "app reads the state of net (data.terraform_remote_state.net)");
    let references: Vec<(&str, Option<&str>)> = edge
        .references
        .iter()
        .map(|reference| (reference.output.as_str(), reference.input.as_deref()))
        .collect();
    assert_eq!(references, [("vpc_id", Some("vpc")), ("zone", None)]);
}

#[test]
fn a_module_that_is_called_for_each_entry_of_a_large_local_is_looked_at_as_often() {
    let entry = |at: usize| {
        let fields: String = (0..6).map(|field| format!("f{field} = \"{at}\", ")).collect();
        format!("    e{at} = {{ {fields} }}\n")
    };
    let app = |entries: usize| {
        let all: String = (0..entries).map(entry).collect();
        let given: String =
            (0..6).map(|field| format!("  f{field} = local.all[each.key].f{field}\n")).collect();
        format!(
            "locals {{\n  all = {{\n{all}  }}\n}}\nmodule \"m\" {{\n  source = \"../m\"\n  \
             for_each = local.all\n{given}}}\n"
        )
    };
    let reads = "variable \"f0\" {}\ndata \"terraform_remote_state\" \"r\" {\n  backend = \"s3\"\n  \
                 config = {\n    bucket = \"states\"\n    key = \"net/${var.f0}\"\n  }\n}\n";
    let app = app(300);
    let tree = MemoryTree::new([("app/main.tf", app.as_str()), ("m/main.tf", reads)]);
    let facts = facts_of(&Repository::read(&tree).subject_of("app"));
    assert_eq!((facts.reads.len(), facts.is_cut()), (300, false));

    let again = "module \"again\" {\n  source = \"../m\"\n}\n";
    let tree = MemoryTree::new([("m/main.tf", again)]);
    let facts = facts_of(&Repository::read(&tree).subject_of("m"));
    assert!(facts.is_cut(), "it calls itself without end");
}

#[test]
fn what_is_left_out_within_a_module_that_is_called_is_told_of_as_well() {
    let reads = "variable \"all\" {}\ndata \"terraform_remote_state\" \"r\" {\n  for_each = var.all\n  \
                 backend = \"s3\"\n  config = {\n    bucket = \"states\"\n    key = \
                 \"net/${each.key}\"\n  }\n}\n";
    for (entries, read, is_cut) in [(500, 500, false), (501, 500, true), (30_000, 1, true)] {
        let all: Vec<String> = (0..entries).map(|at| format!("\"{at}\"")).collect();
        let all = all.join(", ");
        let app = format!("module \"m\" {{\n  source = \"../m\"\n  all = toset([{all}])\n}}\n");
        let tree = MemoryTree::new([("app/main.tf", app.as_str()), ("m/main.tf", reads)]);
        let facts = facts_of(&Repository::read(&tree).subject_of("app"));
        assert_eq!((facts.reads.len(), facts.is_cut()), (read, is_cut), "of {entries}");
    }
}

#[test]
fn an_edge_is_overruled_by_the_stack_that_would_wait() {
    for said in ["inferred { ignore = [\"n*\"] }", "inferred { enabled = false }"] {
        let app = format!("stack \"app\" {{\n  {said}\n}}\n");
        let found = inferred(&[NETWORK, NETWORK_STACK, READER, ("app/stackly.hcl", &app)]);
        assert_eq!((found.edges.len(), found.overruled.len()), (0, 1), "{said}");
    }
    let app = "stack \"app\" {\n  inferred { ignore = [\"other\"] }\n}\n";
    let found = inferred(&[NETWORK, NETWORK_STACK, READER, ("app/stackly.hcl", app)]);
    assert_eq!((found.edges.len(), found.overruled.len()), (1, 0));
}

#[test]
fn dependencies_managed_in_spacelift_are_those_of_the_stacks_they_name() {
    let found = inferred(&[
        ("a/stackly.hcl", "stack \"admin\" {}\n"),
        (
            "a/main.tf",
            "resource \"spacelift_stack\" \"net\" {\n  name = \"Network Prod\"\n}\n\
             resource \"spacelift_stack\" \"app\" {\n  for_each = toset([\"one\", \"two\"])\n  name = \"app ${each.key}\"\n}\n\
             resource \"spacelift_stack_dependency\" \"one\" {\n  \
             stack_id            = spacelift_stack.app[\"one\"].id\n  \
             depends_on_stack_id = spacelift_stack.net.id\n}\n\
             resource \"spacelift_stack_dependency_reference\" \"r\" {\n  \
             stack_dependency_id = spacelift_stack_dependency.one.id\n  output_name = \"vpc\"\n  \
             input_name = \"TF_VAR_vpc_id\"\n}\n",
        ),
        ("n/stackly.hcl", "stack \"network\" {\n  spacelift { stack = \"network-prod\" }\n}\n"),
        ("o/stackly.hcl", "stack \"app-one\" {}\n"),
    ]);
    let [edge] = found.edges.as_slice() else { panic!("{:?}", found.edges) };
    assert_eq!((edge.stack.as_str(), edge.on.as_str()), ("app-one", "network"));
    assert_eq!(edge.origin, Origin::SpaceliftDependency);
    assert_eq!(edge.spot.to_string(), "a/main.tf:8");
    assert_eq!(edge.references[0].input.as_deref(), Some("vpc_id"));
}
