//! Pages of the documents that tests make a part of.

use anyhow::{Context, Result, ensure};

use crate::repository;

/// A page has this behind the mark of the test that makes it, `<!-- made by FILE -->`, and before
/// `<!-- end -->`. With `ROOST_WRITE_DOCS=1` it is written there instead.
///
/// # Errors
/// It has something else, or no marks.
pub fn page_has(page: &str, file: &str, made: &str) -> Result<()> {
    let path = repository(page);
    let text = std::fs::read_to_string(&path)?;
    let (begin, end) = (format!("<!-- made by {file} -->\n"), "<!-- end -->");
    let (head, rest) = text
        .split_once(&begin)
        .with_context(|| format!("{page} has no {begin}"))?;
    let (found, tail) = rest.split_once(end).context("no mark of the end")?;
    if std::env::var_os("ROOST_WRITE_DOCS").is_some() {
        return Ok(std::fs::write(
            path,
            format!("{head}{begin}{made}{end}{tail}"),
        )?);
    }
    ensure!(
        found == made,
        "{page} is not as it would be made: run the test with ROOST_WRITE_DOCS=1"
    );
    Ok(())
}
