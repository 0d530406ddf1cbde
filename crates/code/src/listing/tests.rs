use super::*;
use crate::tree::{MemoryTree, Tree};

#[test]
fn links_are_followed() {
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
    assert_eq!(listing.resolve("alias/deep/main.tf"), Ok("net/deep/main.tf".to_owned()));
}
