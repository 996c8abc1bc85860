//! Names of datasets. Langfuse has one name space for all that a key reaches, and shows what is in
//! front of a slash as a folder: a dataset is stored as `{project}/{name}`.

use crate::percent;

/// The name as it is stored. The first slash ends the project.
pub(super) fn stored(project: &str, name: &str) -> String {
    format!("{}/{name}", folder(project))
}

/// The name as the application gave it; none where it is not a dataset of the project.
pub(super) fn given<'n>(project: &str, stored: &'n str) -> Option<&'n str> {
    let name = stored.strip_prefix(&folder(project))?.strip_prefix('/')?;
    Some(name).filter(|name| !name.is_empty())
}

fn folder(project: &str) -> String {
    percent::encode(project, |character| character == '/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back_in_its_project_only() {
        for project in ["shop", "a/b", "a%2Fb", "%", "ü ?#"] {
            for name in ["golden", "b/c", "/", "ü ?#%2F"] {
                assert_eq!(given(project, &stored(project, name)), Some(name));
            }
        }
        assert_ne!(stored("a", "b/c"), stored("a/b", "c"));
        assert_eq!(given("shop", "shopping/x"), None);
        assert_eq!(given("shop", "shop/"), None);
        assert_eq!(given("shop", "golden"), None);
    }
}
