//! What somebody may have meant.

/// How alike two names must be, from 0 to 1, for one to be offered for the other. A letter
/// too many, missing or swapped in a name of four is 0.75.
const NEAR: f64 = 0.6;

/// The known name that is nearest, if one is near, else all of them.
pub(super) fn suggest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<_> = known.into_iter().collect();
    let nearest = known
        .iter()
        .map(|candidate| {
            let alike = strsim::normalized_damerau_levenshtein(name, candidate);
            (alike, candidate)
        })
        .filter(|(alike, _)| *alike >= NEAR)
        .max_by(|one, other| one.0.total_cmp(&other.0));
    match nearest {
        Some((_, candidate)) => format!("did you mean `{candidate}`?"),
        None => format!("known are {}", list(&known)),
    }
}

fn list(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
