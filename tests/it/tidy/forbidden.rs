//! What must not be written, or in one place alone.

use super::{
    assert_none,
    sources::{self, Source},
};

/// Where a name may be written besides `bus`, `spacelift` and so on: nowhere.
const ONE_PLACE: [(&str, &str); 2] =
    [("async_nats", "crates/bus"), ("async_graphql", "crates/simulator")];

/// The way a failed call of the environment is recognised.
const ENVIRONMENT: [&str; 3] = ["env::var(", "env::vars(", "env::vars_os("];

/// Where things are decided or computed, of a time that is given: no clock is read there.
const TIMELESS: [&str; 15] = [
    "crates/code/src",
    "crates/contracts/src",
    "crates/validation/src",
    "executor/src/decide",
    "executor/src/follow",
    "executor/src/machine",
    "executor/src/waves",
    "notifier/src/decider",
    "notifier/src/digest",
    "notifier/src/story",
    "planner/src/decider",
    "planner/src/graph",
    "planner/src/plan",
    "policy/src/evaluate",
    "policy/src/decider",
];

/// Places that wait for time itself to pass: path and why.
const SLEEPERS: [(&str, &str); 2] = [
    ("crates/spacelift/src/patience.rs", "rate and back-off have no other condition than time"),
    ("tests/load/peers/with-restate/src/main.rs", "it is Restate's durable timer"),
];

fn places(found: impl Fn(&Source, &str) -> bool) -> Vec<String> {
    sources::rust()
        .iter()
        .filter_map(|source| {
            let code = source.code();
            let line = code.lines().position(|line| found(source, line))?;
            Some(format!("{}:{}", source.path, line + 1))
        })
        .collect()
}

#[test]
fn each_library_of_the_wire_is_named_in_one_crate_alone() {
    for (name, folder) in ONE_PLACE {
        let outside = places(|source, line| !source.is_in(folder) && line.contains(name));
        assert_none(&format!("{name} outside of {folder}"), &outside);
    }
}

#[test]
fn graphql_is_written_where_spacelift_is_known() {
    let known = |source: &Source| {
        source.is_in("crates/spacelift") || source.is_in("crates/simulator") || source.is_test()
    };
    let named = places(|source, line| !known(source) && line.contains("graphql_client"));
    assert_none("graphql_client outside of crates/spacelift", &named);
    let documents: Vec<_> = sources::all()
        .into_iter()
        .filter(|source| source.path.ends_with(".graphql") && !source.is_in("crates/spacelift"))
        .map(|source| source.path)
        .collect();
    assert_none("GraphQL documents outside of crates/spacelift", &documents);
    let mutations = sources::rust().into_iter().filter(|source| {
        !known(source)
            && ["mutation {", "query {", "mutation("].iter().any(|document| {
                // Texts are what is looked for here, so this reads the source as it is.
                source.text.contains(&format!("\"{document}"))
            })
    });
    assert_none("GraphQL in texts", &mutations.map(|source| source.path).collect::<Vec<_>>());
}

#[test]
fn sql_is_written_in_stores_alone() {
    let outside = places(|source, line| {
        let store = source.path.ends_with("/store.rs")
            || source.path.contains("/store/")
            || source.is_in("crates/store");
        let sql = ["sqlx::query", "sqlx::raw_sql", "QueryBuilder"];
        !store && !source.is_test() && sql.iter().any(|name| line.contains(name))
    });
    assert_none("SQL outside of store.rs", &outside);
}

#[test]
fn the_environment_is_read_in_one_crate_alone() {
    let outside = places(|source, line| {
        !source.is_in("crates/service") && ENVIRONMENT.iter().any(|call| line.contains(call))
    });
    assert_none("the environment outside of crates/service", &outside);
    // `cargo dev` and the tests must find servers by DATABASE_URL and PATH before there is a
    // configuration; that is one file too.
    let single = places(|source, line| {
        source.path != "crates/embedded/src/environment.rs" && line.contains("env::var_os(")
    });
    assert_none("single variables outside of crates/embedded/src/environment.rs", &single);
    // People may give a flag of the command line as a variable.
    let flags = places(|source, line| {
        let is_flag = line.contains(", env = ") || line.contains("(env = ");
        !source.is_in("crates/stackly") && !source.is_test() && is_flag
    });
    assert_none("flags with a variable outside of crates/stackly", &flags);
}

#[test]
fn what_decides_reads_no_clock() {
    let timeless = |source: &Source| {
        let module = source.path.strip_suffix(".rs").unwrap_or(&source.path);
        TIMELESS.iter().any(|place| module == *place || source.is_in(place)) && !source.is_test()
    };
    let reading = places(|source, line| {
        timeless(source) && ["Utc::now(", "Instant::now("].iter().any(|call| line.contains(call))
    });
    assert_none("clocks where the time is given", &reading);
    for place in TIMELESS {
        let is_there = sources::rust().iter().any(|source| source.path.starts_with(place));
        assert!(is_there, "{place} is not there any more");
    }
}

#[test]
fn nobody_sleeps() {
    let sleeping = places(|source, line| {
        !SLEEPERS.iter().any(|(path, _)| *path == source.path)
            && (line.contains("sleep(") || line.contains("sleep_until("))
    });
    assert_none("wait for a condition with a time-out instead", &sleeping);
    for (path, why) in SLEEPERS {
        assert!(sources::read(path).contains("sleep("), "{path} no longer sleeps ({why})");
    }
}

#[test]
fn nothing_is_left_undone_or_skipped() {
    let undone = places(|_, line| {
        ["todo!", "unimplemented!", "dbg!", "#[ignore", "#[should_panic]", "mock!("]
            .iter()
            .any(|word| line.contains(word))
    });
    assert_none("undone", &undone);
    let notes: Vec<_> = sources::rust()
        .into_iter()
        .filter(|source| {
            source.text.lines().any(|line| {
                let comment = line.trim_start().strip_prefix("//").unwrap_or_default();
                let comment = comment.trim_start_matches(['/', '!', ' ']);
                ["TODO", "FIXME", "XXX", "HACK"].iter().any(|word| comment.starts_with(word))
            })
        })
        .map(|source| source.path)
        .collect();
    assert_none("notes to be done later", &notes);
}

#[test]
fn exceptions_from_lints_say_why() {
    let silent = places(|_, line| {
        let attribute = line.trim_start();
        let opens = ["#[allow(", "#![allow(", "#[expect(", "#![expect("]
            .iter()
            .any(|opening| attribute.starts_with(opening));
        // A reason may stand on a line of its own; then the attribute is not closed on this one.
        opens && attribute.ends_with(']') && !attribute.contains("reason")
    });
    assert_none("exceptions without a reason", &silent);
}

#[test]
fn nothing_knows_the_machine_it_was_written_on() {
    // Pieced together, so that this file does not hold what it looks for.
    let homes: Vec<String> =
        ["work", "root", "home", "Users"].iter().map(|folder| format!("/{folder}/")).collect();
    let mut faults = Vec::new();
    for source in sources::all() {
        for (number, line) in source.text.lines().enumerate() {
            for home in &homes {
                let path = line.match_indices(home).any(|(at, _)| {
                    // `net/work/main.tf` and `https://host/home/` are no paths of a machine.
                    let before = line[..at].chars().next_back();
                    !before.is_some_and(|c| c.is_alphanumeric() || "/._-}*".contains(c))
                });
                if path {
                    faults.push(format!("{}:{} has {home}", source.path, number + 1));
                }
            }
        }
    }
    assert_none("absolute paths of a machine", &faults);
}

#[test]
fn packages_come_from_the_public_registry() {
    let lock: toml::Table = sources::read("Cargo.lock").parse().unwrap();
    let packages = lock["package"].as_array().unwrap();
    let odd: Vec<_> = packages
        .iter()
        .filter_map(|package| package.get("source")?.as_str())
        .filter(|source| *source != "registry+https://github.com/rust-lang/crates.io-index")
        .map(str::to_owned)
        .collect();
    assert_none("sources in Cargo.lock", &odd);
    let hosts = ["artifactory", "nexus.", "jfrog", "index-url", "replace-with"];
    let mirrors: Vec<_> = sources::all()
        .into_iter()
        .filter(|source| !source.is_in("tests/it/tidy"))
        .filter(|source| hosts.iter().any(|host| source.text.contains(host)))
        .map(|source| source.path)
        .collect();
    assert_none("mirrors of registries", &mirrors);
}
