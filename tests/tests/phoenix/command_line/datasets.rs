//! `roost datasets`.

use std::fs;

use anyhow::Result;

use super::Desk;

#[tokio::test]
async fn a_dataset_is_made_of_a_file_grows_and_goes() -> Result<()> {
    let desk = Desk::new().await?;
    let file = "question,answer,topic\nwhat?,that,x\n\"who, then?\",größe,y\n";
    fs::write(desk.folder().join("qa.csv"), file)?;
    let create = ["datasets", "create", "qa", "qa.csv"];
    let columns = [
        "--input",
        "question",
        "--expected",
        "answer",
        "--metadata-columns",
        "topic",
    ];
    let named = [
        "--description",
        "what users ask",
        "--metadata",
        r#"{"team":"a"}"#,
        "--json",
    ];
    let made = desk
        .well(&[&create[..], &columns[..], &named[..]].concat())
        .await?;
    let made = &made.json()?[0];
    assert_eq!(
        (&made["name"], &made["metadata"]["team"]),
        (&"qa".into(), &"a".into())
    );

    let again = desk.roost(&create).await?;
    assert_eq!(again.code, 1, "{again:?}");
    let records = desk
        .well(&["datasets", "get", "qa", "--json"])
        .await?
        .json()?;
    assert_eq!(records.len(), 2);
    assert_eq!(records[1]["input"]["question"], "who, then?");
    assert_eq!(records[1]["output"]["answer"], "größe");
    assert_eq!(records[0]["metadata"]["topic"], "x");

    let script = "echo '{\"input\":{\"question\":\"why?\"}}' | roost datasets append qa - -p $P";
    let grown = desk.shell(script).await?;
    assert_eq!(grown.code, 0, "{grown:?}");
    let versions = desk
        .well(&["datasets", "versions", "qa", "--json"])
        .await?
        .json()?;
    assert_eq!(versions.len(), 2);
    let first = versions[1]["id"].as_str().unwrap();
    let old = desk
        .well(&["datasets", "get", "qa", "--version", first, "--json"])
        .await?;
    assert_eq!(old.json()?.len(), 2);
    desk.well(&["datasets", "get", "qa", "--output", "qa.parquet"])
        .await?;
    desk.well(&["datasets", "create", "copy", "qa.parquet"])
        .await?;
    let copy = desk
        .well(&["datasets", "get", "copy", "--json"])
        .await?
        .json()?;
    assert_eq!(copy.len(), 3);
    assert_eq!(copy[2]["input"]["question"], "why?");

    let listed = desk.well(&["datasets", "list", "--json"]).await?.json()?;
    let names: Vec<&str> = listed
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    assert_eq!(names, ["copy", "qa"]);
    let id = format!("id:{}", made["id"].as_str().unwrap());
    let unasked = desk.roost(&["datasets", "delete", &id]).await?;
    assert_eq!(unasked.code, 2, "{unasked:?}");
    assert!(unasked.stderr.contains("--yes"), "{unasked:?}");
    desk.well(&["datasets", "delete", &id, "--yes"]).await?;
    assert_eq!(desk.roost(&["datasets", "get", "qa"]).await?.code, 3);
    Ok(())
}

#[tokio::test]
async fn a_dataset_is_made_of_spans() -> Result<()> {
    let desk = Desk::new().await?;
    desk.spans(&["a", "b", "b"]).await?;
    let create = [
        "datasets",
        "create",
        "bs",
        "--from-spans",
        "--filter",
        "name = 'b'",
    ];
    desk.well(&create).await?;
    let records = desk
        .well(&["datasets", "get", "bs", "--json"])
        .await?
        .json()?;
    assert_eq!(records.len(), 2);
    assert!(
        records[0]["output"].to_string().contains('a'),
        "{records:?}"
    );
    let both = desk
        .roost(&["datasets", "create", "x", "f.csv", "--filter", "name = 'b'"])
        .await?;
    assert_eq!(both.code, 2, "{both:?}");
    Ok(())
}

#[tokio::test]
async fn of_a_file_that_breaks_off_no_dataset_is_left() -> Result<()> {
    let desk = Desk::new().await?;
    let mut lines = "{\"q\":1}\n".repeat(700);
    lines.push_str("{\"q\":\n");
    fs::write(desk.folder().join("broken.jsonl"), lines)?;
    let broken = desk
        .roost(&["datasets", "create", "x", "broken.jsonl"])
        .await?;
    assert_eq!(broken.code, 1, "{broken:?}");
    assert!(broken.stderr.contains("line 701"), "{broken:?}");
    assert_eq!(desk.well(&["datasets", "list", "--json"]).await?.stdout, "");
    Ok(())
}

#[tokio::test]
async fn records_that_are_taken_for_others_are_told() -> Result<()> {
    let desk = Desk::new().await?;
    let same = "{\"question\":\"why?\"}\n".repeat(2_100);
    fs::write(desk.folder().join("same.jsonl"), same)?;
    let created = desk
        .well(&["datasets", "create", "same", "same.jsonl"])
        .await?;
    let kept = desk.well(&["datasets", "get", "same", "--json"]).await?;
    let kept = kept.stdout.lines().count();
    assert!(kept < 2_100, "{kept}");
    let told = format!("has {kept} of the 2100 records");
    assert!(created.stderr.contains(&told), "{}", created.stderr);
    Ok(())
}
