use super::*;

fn read(deliveries: &str) -> anyhow::Result<(TimeDelta, Option<TimeDelta>)> {
    let text = format!("bodies = \"395days\"\ndeliveries = \"{deliveries}\"");
    toml::from_str::<Retention>(&text).unwrap().read()
}

#[test]
fn deliveries_are_kept_for_ever_or_for_longer_than_answers_are_remembered() {
    assert_eq!(read("0s").unwrap().1, None);
    assert_eq!(read("120days").unwrap().1, Some(TimeDelta::days(120)));
    let refused = read("90days").unwrap_err().to_string();
    assert!(refused.contains("shorter than the 120 days"), "{refused}");
}
