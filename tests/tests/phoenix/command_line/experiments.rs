//! `roost experiments`.

use std::fs;

use anyhow::Result;

use super::Desk;

#[tokio::test]
async fn experiments_are_run_measured_compared_and_finished() -> Result<()> {
    let desk = Desk::new().await?;
    let records = "{\"input\":{\"q\":\"1\"}}\n{\"input\":{\"q\":\"2\"}}\n";
    fs::write(desk.folder().join("qa.jsonl"), records)?;
    desk.well(&["datasets", "create", "qa", "qa.jsonl"]).await?;
    let records = desk
        .well(&["datasets", "get", "qa", "--json"])
        .await?
        .json()?;
    let mut ids = Vec::new();
    for (name, score) in [("old", 0.5), ("new", 1.0)] {
        let create = ["experiments", "create", name, "--dataset", "qa", "--json"];
        let created = desk.well(&create).await?.json()?;
        let id = created[0]["id"].as_str().unwrap().to_owned();
        let runs = records.iter().map(|record| {
            serde_json::json!({ "record_id": record["record_id"], "outputs": { "a": "🦉" },
                "evaluations": [{ "name": "exact", "score": score }] })
            .to_string()
        });
        let runs: Vec<String> = runs.collect();
        fs::write(desk.folder().join("runs.jsonl"), runs.join("\n"))?;
        let log = desk
            .well(&["experiments", "log", &id, "runs.jsonl", "--json"])
            .await?;
        assert_eq!(log.json()?.len(), 2);
        desk.well(&[
            "experiments",
            "log",
            &id,
            "--metric",
            "loss=0.25",
            "--step",
            "3",
        ])
        .await?;
        ids.push(id);
    }
    let shown = desk
        .well(&["experiments", "show", &ids[1], "--json"])
        .await?
        .json()?;
    assert_eq!(shown[0]["successful_runs"], 2);
    assert_eq!(shown[0]["runs"][0]["evaluations"][0]["score"], 1.0);
    assert_eq!(shown[0]["metrics"][0]["step"], 3);
    let table = desk.well(&["experiments", "show", &ids[1]]).await?.stdout;
    assert!(table.contains("exact=1"), "{table}");

    let compare = ["experiments", "compare", &ids[0], &ids[1]];
    let table = desk.well(&compare).await?.stdout;
    assert!(table.contains("1 (+0.5)"), "{table}");
    let json = desk
        .well(&[&compare[..], &["--json"]].concat())
        .await?
        .json()?;
    let exact = json[0]["values"].as_array().unwrap();
    let exact = exact.iter().find(|value| value["name"] == "exact").unwrap();
    assert_eq!(exact["differences"][1], 0.5);

    desk.well(&["experiments", "finish", &ids[0], "--status", "failed"])
        .await?;
    let listed = desk
        .well(&["experiments", "list", "--dataset", "qa", "--json"])
        .await?
        .json()?;
    assert_eq!(
        (&listed[0]["status"], &listed[1]["status"]),
        (&"running".into(), &"failed".into())
    );
    desk.well(&["experiments", "delete", &ids[0], "--yes"])
        .await?;
    assert_eq!(desk.roost(&["experiments", "show", &ids[0]]).await?.code, 3);
    Ok(())
}

#[tokio::test]
async fn a_run_that_cannot_be_written_is_named_and_the_others_are_written() -> Result<()> {
    let desk = Desk::new().await?;
    let created = desk
        .well(&["experiments", "create", "free", "--json"])
        .await?
        .json()?;
    let id = created[0]["id"].as_str().unwrap();
    let lines = "{\"outputs\":1}\nno json\n\n{\"outputs\":2,\"metrics\":{\"f1\":0.5}}\n";
    fs::write(desk.folder().join("runs.jsonl"), lines)?;
    let log = desk
        .roost(&["experiments", "log", id, "runs.jsonl"])
        .await?;
    assert_eq!(log.code, 1, "{log:?}");
    assert!(log.stderr.contains("line 2 is not written"), "{log:?}");
    assert!(log.stderr.contains("2 runs written, 1 line not"), "{log:?}");

    let one = [
        "experiments",
        "log",
        id,
        "--outputs",
        "plain text",
        "--evaluation",
        "tone=kind",
    ];
    let run = desk.well(&one).await?.stdout;
    let more = [
        "experiments",
        "log",
        id,
        "--run",
        run.trim(),
        "--evaluation",
        "exact=0.5",
    ];
    desk.well(&more).await?;
    let shown = desk
        .well(&["experiments", "show", id, "--json"])
        .await?
        .json()?;
    let runs = shown[0]["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 3);
    let run = runs.iter().find(|one| one["id"] == run.trim()).unwrap();
    assert_eq!(run["outputs"], "plain text");
    assert_eq!(
        run["evaluations"].as_array().map(Vec::len),
        Some(2),
        "{run}"
    );

    assert_eq!(desk.roost(&["experiments", "log", id]).await?.code, 2);
    assert_eq!(
        desk.roost(&["experiments", "show", "unknown"]).await?.code,
        3
    );
    Ok(())
}
