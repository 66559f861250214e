//! The alerts that the reference proposes are PromQL: only a Prometheus can tell.

use serde_json::Value;

use crate::error::{Result, expect};
use crate::world::World;

const PAGE: &str = include_str!("../../../docs/reference/metrics.md");

/// Each alert's name and expression, as the page has them.
fn proposed() -> Vec<(String, String)> {
    let blocks = PAGE.split("```yaml").skip(1).filter_map(|rest| rest.split("```").next());
    let mut blocks = blocks.filter_map(|block| serde_yaml::from_str::<Value>(block).ok());
    let groups = blocks.find_map(|block| block["groups"].as_array().cloned()).unwrap_or_default();
    let rules = groups.iter().filter_map(|group| group["rules"].as_array()).flatten();
    let text = |rule: &Value, field: &str| rule[field].as_str().unwrap_or_default().to_owned();
    rules.map(|rule| (text(rule, "alert"), text(rule, "expr"))).collect()
}

/// Asks for all of them. Whether one answers something says nothing here.
pub(super) async fn parse(world: &World) -> Result<()> {
    let url = format!("{}/api/v1/query", world.cluster.prometheus.clone().unwrap_or_default());
    for (alert, query) in proposed() {
        let asked = async || {
            let answer = reqwest::Client::new().get(&url).query(&[("query", &query)]).send().await;
            let answer = answer.map_err(|error| error.to_string())?;
            answer.json::<Value>().await.map_err(|error| error.to_string())
        };
        let answer = asked().await.unwrap_or_else(Value::String);
        expect(answer["status"] == "success", || format!("alert {alert}: {query}: {answer}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_alerts_with_names_and_expressions() {
        let alerts = proposed();
        assert!(alerts.len() >= 6, "{alerts:?}");
        for (name, expr) in &alerts {
            assert!(name.starts_with("Teal") && expr.contains("teal_"), "{name}: {expr}");
        }
    }

    /// A misspelled metric is PromQL all the same, and never fires.
    #[test]
    fn each_metric_of_an_alert_is_in_the_table() {
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        for (alert, expr) in proposed() {
            for word in expr.split(|letter| !is_name(letter)).filter(|word| word.starts_with("teal_")) {
                assert!(PAGE.contains(&format!("\n| `{word}` |")), "{alert} asks for {word}");
            }
        }
    }
}
