use super::{operation, with_fragments};

const FILE: &str = "# why\n\nfragment A on Run {\n  id\n}\n\nfragment AB on Run {\n  id\n}\n\n\
    query Get($id: ID!) {\n  run(id: $id) {\n    ...A\n  }\n}\n\nmutation GetAll {\n  id\n}\n";

#[test]
fn an_operation_comes_with_its_fragments_and_nothing_else() {
    assert_eq!(
        operation(FILE, "Get"),
        "query Get($id: ID!) {\n  run(id: $id) {\n    ...A\n  }\n}\n\nfragment A on Run {\n  id\n}"
    );
    assert_eq!(operation(FILE, "GetAll"), "mutation GetAll {\n  id\n}");
}

#[test]
fn an_operation_written_elsewhere_gets_the_fragments_too() {
    assert_eq!(with_fragments(FILE, "{\n...AB\n}"), "{\n...AB\n}\n\nfragment AB on Run {\n  id\n}");
}
