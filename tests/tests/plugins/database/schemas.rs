//! Schemas grow, and are never made smaller.

use anyhow::Result;
use roost::config::LimitsConfig;
use serde_json::json;

use super::{BIRDS, Databases, both, case, run};

#[tokio::test]
async fn migrations_are_run_once_and_a_newer_schema_is_refused() -> Result<()> {
    let databases = Databases::new(LimitsConfig::default()).await?;
    for provider in both(&databases).await? {
        let second = "ALTER TABLE birds ADD COLUMN colour TEXT";
        for steps in [json!([["migrate", BIRDS]]), json!([["migrate", BIRDS]])] {
            assert_eq!(run(&provider, steps).await?, [json!(1)]);
        }
        let insert = ["execute", "INSERT INTO birds (name) VALUES ('old')"];
        run(&provider, json!([insert])).await?;
        // One that fails takes all of it back.
        let failed = run(
            &provider,
            json!([["migrate", BIRDS, second, "CREATE TABLE ("]]),
        )
        .await?;
        assert_eq!(case(&failed[0]), "statement");
        let versions = ["query", "SELECT version FROM roost_schema ORDER BY version"];
        let answers = run(&provider, json!([versions])).await?;
        assert_eq!(answers, [json!([[1]])]);
        // Over two versions at once: what was there is kept, and changed as each says.
        let third = "UPDATE birds SET colour = 'grey' WHERE colour IS NULL";
        let select = ["query", "SELECT name, colour FROM birds"];
        let newest = json!(["migrate", BIRDS, second, third]);
        let answers = run(&provider, json!([newest, select, versions])).await?;
        let kept = [json!([["old", "grey"]]), json!([[1], [2], [3]])];
        assert_eq!(answers[..], [&[json!(3)][..], &kept].concat());
        // What a newer provider wrote is refused by an older one, and left as it is.
        for older in [json!(["migrate", BIRDS]), json!(["migrate", BIRDS, second])] {
            let refused = run(&provider, json!([older])).await?;
            let why = refused[0]["corrupt"].as_str().unwrap_or_default();
            assert!(why.contains("version 3"), "{refused:?}");
            assert!(why.contains("a newer provider has made it"), "{refused:?}");
            let answers = run(&provider, json!([select, versions, newest, select])).await?;
            assert_eq!(answers[..2], kept);
            assert_eq!(answers[2..], [json!(3), kept[0].clone()]);
        }
    }
    Ok(())
}
