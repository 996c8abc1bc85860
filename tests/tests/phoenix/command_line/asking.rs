//! Questions: `spans`, `stats` and `sql`.

use anyhow::Result;

use super::Desk;

#[tokio::test]
async fn a_filter_an_order_and_columns_say_what_is_shown() -> Result<()> {
    let desk = Desk::new().await?;
    desk.spans(&["a", "b", "c", "d"]).await?;
    let since = ["spans", "--since", "2026-11-01"];
    let question = [
        "--filter",
        "latency_ms > 1.5",
        "--filter",
        "name <> 'd'",
        "--order",
        "duration desc",
        "--columns",
        "name,attributes.place",
    ];
    let table = desk.well(&[&since[..], &question[..]].concat()).await?;
    let lines: Vec<Vec<&str>> = table
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let expected = [["name", "attributes.place"], ["c", "3"], ["b", "2"]];
    assert_eq!(lines, expected);

    let json = desk
        .well(&[&since[..], &question[..], &["--format", "json"]].concat())
        .await?;
    let array: serde_json::Value = serde_json::from_str(&json.stdout)?;
    assert_eq!(array[0]["attributes.place"], 3);
    assert_eq!(array[1]["name"], "b");
    assert_eq!(array.as_array().map(Vec::len), Some(2));

    for wrong in ["latencyms > 5", "latency_ms >", "count(*) > 1"] {
        let ran = desk.roost(&["spans", "--filter", wrong]).await?;
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:?}");
    }
    let unknown = desk.roost(&["spans", "--columns", "nmae"]).await?;
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("status_code"), "{unknown:?}");
    Ok(())
}

#[tokio::test]
async fn statistics_are_those_of_the_spans() -> Result<()> {
    let desk = Desk::new().await?;
    desk.spans(&["a", "a", "b"]).await?;
    let all = desk.well(&["stats", "--json"]).await?.json()?;
    assert_eq!(all[0]["count"], 3);
    let mean = all[0]["mean_latency_ms"].as_f64().unwrap();
    assert!((mean - 2.0).abs() < 1e-3, "{mean}");
    assert_eq!(all[0]["error_rate"], 0.0);
    let table = desk.well(&["stats"]).await?;
    assert!(table.stdout.contains("2.0 ms"), "{}", table.stdout);

    let by = [
        "stats",
        "--by",
        "name",
        "--metrics",
        "span-count,latency-mean",
    ];
    let groups = desk.well(&[&by[..], &["--json"]].concat()).await?.json()?;
    assert_eq!(groups[0]["group"]["name"], "a");
    assert_eq!(groups[0]["values"]["span_count"], 2.0);
    let mean = groups[1]["values"]["latency_mean_ms"].as_f64().unwrap();
    assert!((mean - 3.0).abs() < 1e-3, "{mean}");

    let bucket = [
        "--since",
        "2026-11-18",
        "--until",
        "2026-11-19",
        "--bucket",
        "1h",
    ];
    let buckets = desk
        .well(&[&by[..], &bucket[..], &["--json"]].concat())
        .await?;
    assert_eq!(buckets.json()?[0]["time"], "2026-11-18T12:00:00.000000000Z");
    assert_eq!(desk.roost(&["stats", "--bucket", "1h"]).await?.code, 2);
    Ok(())
}

#[tokio::test]
async fn sql_answers_from_a_line_a_file_and_standard_input() -> Result<()> {
    let desk = Desk::new().await?;
    desk.spans(&["a", "a", "b"]).await?;
    let statement = "SELECT name, count(*) AS n, max(latency_ms) AS slowest FROM spans
                     GROUP BY name ORDER BY name";
    let rows = desk.well(&["sql", statement, "--json"]).await?.json()?;
    assert_eq!(rows.len(), 2);
    assert_eq!(
        (&rows[0]["n"], &rows[0]["slowest"]),
        (&2.into(), &2.0.into())
    );

    let table = desk.well(&["sql", statement]).await?.stdout;
    assert_eq!(
        table,
        "name  n  slowest\na     2      2.0\nb     1      3.0\n"
    );
    std::fs::write(desk.folder().join("q.sql"), statement)?;
    let script = "roost sql @q.sql -p $P --format csv; roost sql - -p $P --format csv < q.sql";
    let twice = desk.shell(script).await?;
    let csv = "name,n,slowest\na,2,2.0\nb,1,3.0\n";
    assert_eq!(twice.stdout, csv.repeat(2), "{twice:?}");

    for (statement, code) in [("SELECT nme FROM spans", 2), ("DROP TABLE spans", 2)] {
        let ran = desk.roost(&["sql", statement]).await?;
        assert_eq!(ran.code, code, "{ran:?}");
    }
    let missing = ["sql", "SELECT name FROM spans", "-p", "no such project"];
    let missing = roost_tests::roost(desk.folder(), &missing).await?;
    assert_eq!(missing.code, 3, "{missing:?}");
    Ok(())
}

#[tokio::test]
async fn a_table_fits_a_narrow_terminal() -> Result<()> {
    let desk = Desk::new().await?;
    let long = "a name that goes on and on, far beyond the edge of what is there";
    desk.spans(&[long, long]).await?;
    let inner = "stty cols 90; roost spans -p $P --since 2026-11-01 2>/dev/null; \
                 roost sql \"SELECT name, latency_ms FROM spans\" -p $P 2>/dev/null";
    let ran = desk
        .shell(&format!(
            "export P; NO_COLOR=1 script -qec '{inner}' /dev/null"
        ))
        .await?;
    assert_eq!(ran.code, 0, "{ran:?}");
    let lines: Vec<&str> = ran.stdout.lines().map(str::trim_end).collect();
    assert!(lines.iter().any(|line| line.contains('…')), "{ran:?}");
    let widest = lines.iter().map(|line| line.chars().count()).max();
    assert!(widest <= Some(90), "{widest:?}: {ran:?}");
    Ok(())
}
