//! `roost annotations` and `roost evaluations`.

use std::fs;

use anyhow::Result;

use super::Desk;

#[tokio::test]
async fn a_file_of_judgements_becomes_annotations_that_are_listed_and_deleted() -> Result<()> {
    let desk = Desk::new().await?;
    let spans = desk.spans(&["a", "b"]).await?;
    let ids: Vec<&str> = spans
        .iter()
        .filter_map(|span| span["context"]["span_id"].as_str())
        .collect();
    let unknown = roost_tests::span_id();
    let capitals = ids[0].to_uppercase();
    let file = format!(
        "span_id,score,label\n{capitals},0.5,good\n{unknown},1,bad\n{},,größe\n",
        ids[1]
    );
    fs::write(desk.folder().join("judged.csv"), file)?;
    let import = [
        "evaluations",
        "import",
        "judged.csv",
        "--name",
        "relevance",
        "--annotator",
        "llm",
    ];
    let list = [
        "annotations",
        "--since",
        "2026-11-01",
        "--name",
        "relevance",
    ];

    let tried = desk.roost(&[&import[..], &["--dry-run"]].concat()).await?;
    assert_eq!(tried.code, 1, "{tried:?}");
    assert!(
        tried.stdout.contains("2 evaluations would be written"),
        "{tried:?}"
    );
    assert_eq!(
        desk.well(&[&list[..], &["--json"]].concat()).await?.stdout,
        ""
    );

    let imported = desk.roost(&[&import[..], &["--json"]].concat()).await?;
    assert_eq!(imported.code, 1, "{imported:?}");
    let report = &imported.json()?[0];
    assert_eq!(
        (&report["written"], &report["rejected"][0]["row"]),
        (&2.into(), &2.into())
    );

    let listed = desk
        .well(&[&list[..], &["--json"]].concat())
        .await?
        .json()?;
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|one| one["annotator"] == "llm"));
    let one = desk
        .well(&["annotations", "--span", ids[0], "--format", "csv"])
        .await?;
    assert_eq!(one.stdout.lines().count(), 2, "{one:?}");
    assert!(one.stdout.contains("good"), "{one:?}");
    let of_b = [&list[..], &["--filter", "name = 'b'"]].concat();
    assert!(desk.well(&of_b).await?.stdout.contains("größe"));
    let trace = spans[1]["context"]["trace_id"].as_str().unwrap();
    let traced = desk
        .well(&["annotations", "--trace", trace, "--json"])
        .await?;
    assert_eq!(traced.json()?.len(), 1);

    let id = listed[0]["id"].as_str().unwrap();
    assert_eq!(desk.roost(&["annotations", "delete", id]).await?.code, 2);
    desk.well(&["annotations", "delete", id, "--yes"]).await?;
    let left = desk
        .well(&[&list[..], &["--json"]].concat())
        .await?
        .json()?;
    assert_eq!(left.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_file_without_judgements_is_refused_whole() -> Result<()> {
    let desk = Desk::new().await?;
    let spans = desk.spans(&["a"]).await?;
    let id = spans[0]["context"]["span_id"].as_str().unwrap();
    for (text, why) in [
        (format!("span_id,note\n{id},x\n"), "score"),
        (format!("span_id,score\n{id},high\n"), "row 1"),
        ("score\n1\n".to_owned(), "span_id"),
    ] {
        fs::write(desk.folder().join("judged.csv"), text)?;
        let import = ["evaluations", "import", "judged.csv", "--name", "relevance"];
        let refused = desk.roost(&import).await?;
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.stderr.contains(why), "{refused:?}");
    }
    let missing = [
        "evaluations",
        "import",
        "nowhere.csv",
        "--name",
        "relevance",
    ];
    assert_eq!(desk.roost(&missing).await?.code, 1);
    Ok(())
}
