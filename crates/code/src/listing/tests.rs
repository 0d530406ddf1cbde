use super::*;
use crate::tree::{MemoryTree, Tree};

#[test]
fn a_folder_shows_its_files_and_those_that_are_linked_into_it() {
    let tree = MemoryTree::new([
        ("net/main.tf", ""),
        ("net/deep/main.tf", ""),
        ("net.tf", ""),
        ("net0.tf", ""),
        ("shared/common.tf", ""),
        ("net/readme.md", ""),
    ])
    .with_link("net/common.tf", "../shared/common.tf")
    .with_link("alias", "net")
    .with_link("net/lost.tf", "../nowhere.tf");
    let listing = Listing::new(tree.entries());
    let pair = |seen: &str, real: &str| (seen.to_owned(), real.to_owned());
    assert_eq!(
        listing.in_folder("net"),
        [pair("net/common.tf", "shared/common.tf"), pair("net/main.tf", "net/main.tf")]
    );
    assert_eq!(
        listing.in_folder("alias"),
        [pair("alias/common.tf", "shared/common.tf"), pair("alias/main.tf", "net/main.tf")]
    );
    assert_eq!(listing.in_folder(""), [pair("net.tf", "net.tf"), pair("net0.tf", "net0.tf")]);
    assert_eq!(listing.resolve("alias/deep/main.tf"), Ok("net/deep/main.tf".to_owned()));
}
