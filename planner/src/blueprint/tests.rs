use std::collections::BTreeSet;

use contracts::CommitSha;

use super::{Adoption, Blueprint, CodeEdge};
use crate::{catalogue::tests::stack, known::Known};

/// What the code in a folder says of the stack of the same name.
pub(crate) fn blueprint(name: &str) -> Blueprint {
    let place = ("acme/infra".to_owned(), "main".to_owned());
    Blueprint::bare(place, name.to_owned(), name.to_owned(), CommitSha::from("c0ffee"))
}

impl Blueprint {
    pub(crate) fn declares(mut self, on: &str) -> Self {
        self.edges.push(edge(on, true));
        self
    }

    pub(crate) fn reads(mut self, on: &str) -> Self {
        self.edges.push(edge(on, false));
        self
    }
}

fn edge(on: &str, declared: bool) -> CodeEdge {
    CodeEdge {
        on: on.to_owned(),
        declared,
        file: "x/stackly.hcl".to_owned(),
        line: 3,
        why: format!("reads an output of {on}"),
        outputs: vec!["id".to_owned()],
    }
}

/// `stack < blueprint` for each stack that has one.
fn made(stacks: Vec<crate::catalogue::Stack>, blueprints: Vec<Blueprint>) -> Vec<String> {
    let catalogue = Known::with_code(1, stacks, blueprints).catalogue;
    let ids = catalogue.stacks().iter().enumerate().filter_map(|(position, stack)| {
        Some(format!("{} < {}", stack.id, catalogue.blueprint(position)?.name))
    });
    ids.collect()
}

#[test]
fn code_finds_its_stack_by_what_it_says_by_its_name_or_by_its_folder() {
    let says = Blueprint { stack: Some("prod-net".into()), ..blueprint("says") };
    let stacks = vec![stack("prod-net"), stack("named"), stack("other-id").at("folder")];
    let made = made(stacks, vec![says, blueprint("named"), blueprint("folder")]);
    assert_eq!(made, ["named < named", "other-id < folder", "prod-net < says"]);
}

#[test]
fn a_folder_with_two_stacks_or_two_blocks_says_nothing_about_which_is_which() {
    let twins = vec![stack("one").at("folder"), stack("two").at("folder")];
    assert!(made(twins, vec![blueprint("folder")]).is_empty());
    let blocks = ["x", "y"].map(|name| Blueprint { path: "a".to_owned(), ..blueprint(name) });
    assert!(made(vec![stack("one").at("a")], blocks.into()).is_empty());
}

#[test]
fn a_name_counts_only_in_its_own_repository() {
    let elsewhere = vec![stack("a").made_from("acme/other", "main")];
    assert!(made(elsewhere, vec![blueprint("a")]).is_empty());
}

/// `says` on another branch than that of the stack `prod`.
fn on_develop(says: Blueprint) -> Blueprint {
    // Sorted before `main`.
    Blueprint { branch: "develop".to_owned(), stack: Some("prod".into()), ..says }
}

#[test]
fn code_of_another_branch_or_repository_takes_no_stack_from_the_code_it_runs() {
    let foreign = Blueprint {
        repository: "acme/aaa".to_owned(),
        stack: Some("prod".into()),
        ..blueprint("foreign")
    };
    let plain = Blueprint { plain: true, stack: Some("prod".into()), ..blueprint("prod") };
    let own = [
        Blueprint { stack: Some("prod".into()), ..blueprint("named") },
        plain,
        // By its name, and by the folder it is in.
        blueprint("prod"),
        Blueprint { path: "prod".to_owned(), ..blueprint("in-its-folder") },
    ];
    for own in own {
        let said = vec![foreign.clone(), on_develop(blueprint("prod")), own.clone()];
        assert_eq!(made(vec![stack("prod")], said), [format!("prod < {}", own.name)]);
    }
}

#[test]
fn code_of_another_repository_counts_only_where_the_own_one_was_read() {
    let foreign =
        Blueprint { repository: "acme/aaa".to_owned(), ..on_develop(blueprint("foreign")) };
    let read = |read: &[(&str, &str)], said: Blueprint| {
        let branch = |repository: &str| (repository.to_owned(), "main".to_owned());
        let read =
            read.iter().map(|(it, broken)| (branch(it), BTreeSet::from([(*broken).to_owned()])));
        let (stacks, said) = (vec![stack("prod").at("live/prod")], vec![said.into()]);
        let catalogue = Known::with_read(1, stacks, said, Vec::new(), read.collect()).catalogue;
        catalogue.blueprint(0).map(|it| it.name.clone())
    };
    assert_eq!(read(&[("acme/aaa", "x")], foreign.clone()), None, "who knows what acme/infra says");
    for broken in ["live/prod", "prod"] {
        assert_eq!(
            read(&[("acme/infra", broken)], foreign.clone()),
            None,
            "nor what {broken} does"
        );
    }
    assert_eq!(read(&[("acme/infra", "live")], foreign), Some("foreign".to_owned()));
    let early = on_develop(blueprint("early"));
    assert_eq!(read(&[], early), Some("early".to_owned()), "it is the own one");
}

#[test]
fn code_of_another_branch_that_names_a_stack_counts_where_its_own_says_nothing() {
    let named = on_develop(blueprint("early"));
    assert_eq!(made(vec![stack("prod")], vec![named]), ["prod < early"]);
    let given = Adoption {
        stack: "prod".into(),
        repository: "acme/infra".to_owned(),
        branch: "develop".to_owned(),
        path: "given".to_owned(),
        name: "given".to_owned(),
    };
    let given_code = Blueprint { branch: "develop".to_owned(), ..blueprint("given") };
    let known = |blueprints| {
        Known::with_adoptions(1, vec![stack("prod")], blueprints, vec![given.clone()]).catalogue
    };
    // The stack was given this code, and tracks another branch by now.
    let here = known(vec![given_code.clone(), blueprint("prod")]);
    assert_eq!(here.blueprint(0).unwrap().branch, "main");
    assert_eq!(known(vec![given_code]).blueprint(0).unwrap().name, "given");
}
