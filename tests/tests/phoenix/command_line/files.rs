//! Files: `export`, formats, pipes, and ends before the end.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use super::Desk;

fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

#[tokio::test]
async fn an_export_opens_with_pyarrow_and_has_the_columns_that_were_named() -> Result<()> {
    let desk = Desk::new().await?;
    desk.spans(&["a", "b", "c"]).await?;
    let all = desk.well(&["export", "--output", "all.parquet"]).await?;
    assert!(
        all.stderr.contains("3 spans written to all.parquet"),
        "{all:?}"
    );
    let columns = ["--columns", "latency_ms,name,attributes.place"];
    for file in ["few.parquet", "few.csv", "few.jsonl"] {
        let export = ["export", "--filter", "name <> 'b'", "-o", file];
        desk.well(&[&export[..], &columns[..]].concat()).await?;
    }
    let script = "python -c '
import json, pyarrow.parquet as p
all, few = p.read_table(\"all.parquet\"), p.read_table(\"few.parquet\")
print(json.dumps([all.num_rows, all.column_names, few.column_names, str(few.schema.types),
                  sorted(map(str, few.to_pylist()))]))'";
    let read = desk.shell(script).await?;
    assert_eq!(read.code, 0, "{read:?}");
    let read = &read.json()?[0];
    assert_eq!(read[0], 3);
    assert!(
        read[1]
            .as_array()
            .unwrap()
            .contains(&"context.span_id".into())
    );
    assert_eq!(
        read[2],
        serde_json::json!(["latency_ms", "name", "attributes.place"])
    );
    assert!(read[3].as_str().unwrap().contains("int64"), "{read}");
    assert_eq!(read[4].as_array().unwrap().len(), 2);

    let csv = fs::read_to_string(desk.folder().join("few.csv"))?;
    assert!(
        csv.starts_with("latency_ms,name,attributes.place\n"),
        "{csv}"
    );
    let lines = fs::read_to_string(desk.folder().join("few.jsonl"))?;
    let line: Value = serde_json::from_str(lines.lines().next().unwrap())?;
    assert_eq!(
        line.as_object().map(serde_json::Map::len),
        Some(3),
        "{line}"
    );

    let nothing = desk.roost(&["export", "--output", "nothing.xlsx"]).await?;
    assert_eq!(nothing.code, 2, "{nothing:?}");
    Ok(())
}

#[tokio::test]
async fn what_is_exported_becomes_a_dataset_in_one_line() -> Result<()> {
    let desk = Desk::new().await?;
    desk.spans(&["a", "b", "c"]).await?;
    let script = "roost export -p $P --filter \"name <> 'b'\" | roost datasets create qa - -p $P";
    let made = desk.shell(script).await?;
    assert_eq!(made.code, 0, "{made:?}");
    assert!(made.stdout.starts_with("qa: 2 records written"), "{made:?}");
    let records = desk
        .well(&["datasets", "get", "qa", "--json"])
        .await?
        .json()?;
    let inputs: Vec<String> = records
        .iter()
        .map(|record| record["input"].to_string())
        .collect();
    assert!(
        inputs.iter().any(|input| input.contains("q1 🦉")),
        "{inputs:?}"
    );
    assert!(
        inputs.iter().all(|input| !input.contains("q2")),
        "{inputs:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_ends_it_quietly() -> Result<()> {
    let desk = Desk::new().await?;
    let names: Vec<&str> = (0..2_000).map(|_| "x").collect();
    desk.spans(&names).await?;
    for command in ["export", "sql 'SELECT * FROM spans' --format csv"] {
        let script = format!("(roost {command} -p $P; echo code $? >&2) | head -n 1");
        let ran = desk.shell(&script).await?;
        assert_eq!(ran.stdout.lines().count(), 1, "{ran:?}");
        assert_eq!(ran.stderr, "code 0\n", "{ran:?}");
    }
    Ok(())
}

#[tokio::test]
async fn of_an_export_that_is_interrupted_or_fails_nothing_is_left() -> Result<()> {
    let desk = Desk::new().await?;
    let many: Vec<&str> = (0..3_000).map(|_| "x").collect();
    desk.spans(&many).await?;
    let before = names(desk.folder())?;
    let script = "exec roost export -p $P --output spans.csv";
    let export = desk.begin(script)?;
    // It is at work as soon as the file under its other name is there.
    loop {
        if names(desk.folder())?.len() > before.len() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let pid = export.id().unwrap().to_string();
    let interrupt = desk.shell(&format!("kill -INT {pid}")).await?;
    assert_eq!(interrupt.code, 0, "{interrupt:?}");
    let ended = export.wait_with_output().await?;
    assert_eq!(ended.status.code(), Some(130), "{ended:?}");
    assert_eq!(names(desk.folder())?, before);

    fs::write(desk.folder().join("kept.csv"), "old")?;
    let failed = ["export", "-p", "no such project", "-o", "kept.csv"];
    let failed = roost_tests::roost(desk.folder(), &failed).await?;
    assert_eq!(failed.code, 3, "{failed:?}");
    assert_eq!(fs::read_to_string(desk.folder().join("kept.csv"))?, "old");
    assert_eq!(names(desk.folder())?.len(), before.len() + 1);
    Ok(())
}
