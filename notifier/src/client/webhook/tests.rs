use reqwest::dns::{Name, Resolve};

use super::PublicResolver;

async fn resolve(name: &str, allow_private: bool) -> Result<usize, String> {
    let resolver = PublicResolver { allow_private };
    let name: Name = name.parse().unwrap();
    resolver.resolve(name).await.map(Iterator::count).map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_name_that_leads_to_this_machine_is_not_resolved() {
    let refused = resolve("localhost", false).await.unwrap_err();
    assert!(refused.contains("private or local"), "{refused}");
    assert!(resolve("localhost", true).await.unwrap() > 0);
}
