//! The names under which Phoenix has datasets: `{project}/{name}`.
//!
//! The name is the mark of the project, and the only one. Phoenix keeps names unique and takes
//! them when a dataset is made, in one step; so a dataset that somebody else puts under such a
//! name is the project's as well, and can be read and run over.

/// What the runs of experiments without a dataset hang on, see
/// [`ensure_hidden`](super::ensure_hidden).
pub(crate) const HIDDEN: &str = "(no dataset)";

/// The name as it is stored.
pub(crate) fn stored(project: &str, name: &str) -> String {
    let mut stored = prefix(project);
    stored.push_str(name);
    stored
}

/// The name as the project has it; none for a dataset of another project.
pub(crate) fn given<'s>(project: &str, stored: &'s str) -> Option<&'s str> {
    stored
        .strip_prefix(&prefix(project))
        .filter(|name| !name.is_empty())
}

/// Whether the dataset stored under that name is the project's.
pub(crate) fn is_of(project: &str, stored: &str) -> bool {
    given(project, stored).is_some()
}

/// Everything before the name. The first slash ends it, also where the project's name holds
/// one.
fn prefix(project: &str) -> String {
    let mut prefix = project.replace('%', "%25").replace('/', "%2F");
    prefix.push('/');
    prefix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_stay_in_their_project() {
        for project in ["shop", "a/b", "a%2Fb", "%", "ü ?#"] {
            for name in ["golden", "b/c", "/", "ü ?#%2F"] {
                assert_eq!(given(project, &stored(project, name)), Some(name));
            }
        }
        assert_eq!(given("shop", "shop/"), None);
        assert_eq!(given("shop", "shopping/golden"), None);
        assert_eq!(given("shop", "golden"), None);
    }

    #[test]
    fn no_two_projects_share_a_name() {
        let names = [stored("a", "b/c"), stored("a/b", "c"), stored("a%2Fb", "c")];
        assert!(names.iter().all(|name| {
            let owners = ["a", "a/b", "a%2Fb"]
                .into_iter()
                .filter(|it| is_of(it, name));
            owners.count() == 1
        }));
    }
}
