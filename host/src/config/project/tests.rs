#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const TENANT: &str = "cogniverse-{tenant_id}";
const SERVICE: &str = "cogniverse-{tenant_id}-{service}";

/// Templates of every kind that is taken.
const TAKEN: [(&str, &str); 8] = [
    (TENANT, SERVICE),
    ("{tenant_id}", "{tenant_id}.{service}"),
    ("<{tenant_id}>", "<{tenant_id}_{service}>"),
    ("{tenant_id}", "{service}-{tenant_id}"),
    ("{tenant_id}", "{tenant_id}/{service}"),
    ("all-{tenant_id}", "each-{tenant_id}-{service}"),
    ("{tenant_id}-all", "{tenant_id}-{service}-one"),
    ("--{tenant_id}--", "--{tenant_id}-{service}--"),
];

fn names(templates: (&str, &str)) -> ProjectNames {
    ProjectNames::new(templates.0, templates.1).unwrap()
}

fn tenant(id: &str) -> TenantId {
    TenantId::new(id).unwrap()
}

#[test]
fn the_default_names_are_those_of_the_default_templates() {
    let telemetry = crate::config::TelemetryConfig::default();
    assert_eq!(telemetry.project_names().unwrap(), ProjectNames::default());
}

#[test]
fn a_pair_has_the_plain_name_where_its_split_is_the_canonical_one() {
    let names = names((TENANT, SERVICE));
    let table = [
        ("acme-corp", "routing", "cogniverse-acme-corp-routing"),
        ("default", "video-search", "cogniverse-default-video-search"),
        (
            "acme-corp",
            "video-search",
            "cogniverse-acme-corp-video-search",
        ),
        (
            "customer-123",
            "synthetic_data",
            "cogniverse-customer-123-synthetic_data",
        ),
        ("acme-search", "eu", "cogniverse-acme-search-eu"),
        ("acme", "search-eu", "cogniverse-acme--search-eu"),
        ("acme-video", "search", "cogniverse-acme-video--search"),
        ("video", "search", "cogniverse-video-search"),
        (
            "acme",
            "my-video-search",
            "cogniverse-acme--my-video-search",
        ),
    ];
    for (id, service, expected) in table {
        assert_eq!(names.service(&tenant(id), service).unwrap(), expected);
    }
}

#[test]
fn a_tenant_has_the_plain_name_where_no_pair_can_have_it() {
    let names = names((TENANT, SERVICE));
    assert_eq!(names.tenant(&tenant("acme")), "cogniverse-acme");
    assert_eq!(names.tenant(&tenant("acme_corp")), "cogniverse-acme_corp");
    assert_eq!(names.tenant(&tenant("acme-corp")), "cogniverse-acme-corp--");
    assert_eq!(names.parse_service("cogniverse-acme-corp--"), None);

    let slash = self::names(("{tenant_id}", "{tenant_id}/{service}"));
    assert_eq!(slash.tenant(&tenant("acme-corp")), "acme-corp");
}

#[test]
fn names_that_are_never_given_are_nobodys() {
    let names = names((TENANT, SERVICE));
    for name in [
        "",
        "other",
        "cogniverse-",
        "cogniverse--acme",
        // The pair has the plain name, so the doubled one is not its.
        "cogniverse-acme--routing",
        "cogniverse-acme---routing",
        "cogniverse-a--b--c",
        "cogniverse-acme /x-routing",
    ] {
        assert_eq!(names.parse_service(name), None, "{name:?}");
    }
    for name in [
        "",
        "cogniverse-",
        "cogniverse-acme--",
        "cogniverse-acme-corp",
    ] {
        assert_eq!(names.parse_tenant(name), None, "{name:?}");
    }
}

#[test]
fn a_service_that_breaks_the_rules_is_refused() {
    let names = names((TENANT, SERVICE));
    for service in ["", "a--b", "-a", "a/b", "ü"] {
        assert!(
            names.service(&tenant("acme"), service).is_err(),
            "{service:?}"
        );
    }
}

#[test]
fn templates_that_keep_no_names_apart_are_refused() {
    use TemplateFault::{Alike, Braces, Middle, ServicePlaceholders, TenantPlaceholders, Text};
    let table = [
        (TENANT, "x-{tenant_id}{service}", Middle),
        (TENANT, "x-{tenant_id}--{service}", Middle),
        (TENANT, "x-{tenant_id}-of-{service}", Middle),
        (TENANT, "x-{tenant_id}", ServicePlaceholders),
        (
            TENANT,
            "x-{tenant_id}-{service}-{service}",
            ServicePlaceholders,
        ),
        (TENANT, "x-{tenant}-{service}", ServicePlaceholders),
        (TENANT, "x-{tenant_id-{service}", ServicePlaceholders),
        (TENANT, "x-{tenant_id}-{service", Braces),
        (TENANT, "x}-{tenant_id}-{service}", Braces),
        (TENANT, "x\n{tenant_id}-{service}", Text),
        ("cogniverse", SERVICE, TenantPlaceholders),
        ("{tenant_id}{tenant_id}", SERVICE, TenantPlaceholders),
        ("{tenant_id}", SERVICE, Alike),
        ("cogniverse-{tenant_id}-all", SERVICE, Alike),
    ];
    for (tenant, service, fault) in table {
        let error = ProjectNames::new(tenant, service).unwrap_err();
        assert_eq!(error.fault, fault, "{tenant} {service}");
    }
}

/// Ids of few characters and of the words that matter, so that texts meet often.
fn id() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "a",
        "b",
        "all",
        "one",
        "video",
        "search",
        "video-search",
    ]);
    let mark = prop::sample::select(vec!["-", "_", ".", "-", "-_"]);
    (word.clone(), prop::collection::vec((mark, word), 0..4)).prop_map(|(first, rest)| {
        rest.into_iter()
            .fold(first.to_owned(), |id, (mark, word)| id + mark + word)
    })
}

/// Who a project belongs to.
type Owner = (String, Option<String>);

fn owner() -> impl Strategy<Value = Owner> {
    (id(), prop::option::weighted(0.8, id()))
}

fn name_of(names: &ProjectNames, (id, service): &Owner) -> String {
    match service {
        Some(service) => names.service(&tenant(id), service).unwrap(),
        None => names.tenant(&tenant(id)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_two_owners_share_a_name(
        templates in prop::sample::select(TAKEN.to_vec()),
        owners in prop::collection::hash_set(owner(), 1..64),
    ) {
        let names = names(templates);
        let mut taken = HashMap::new();
        for owner in owners {
            let name = name_of(&names, &owner);
            if let Some(other) = taken.insert(name.clone(), owner.clone()) {
                prop_assert!(false, "{name} is {other:?} and {owner:?}");
            }
        }
    }

    /// The text is split in every way, which is where names would meet.
    #[test]
    fn no_two_splits_of_a_text_share_a_name(
        templates in prop::sample::select(TAKEN.to_vec()),
        text in id(),
    ) {
        let names = names(templates);
        let mut taken = HashMap::new();
        let splits = text
            .match_indices(['-', '_', '.'])
            .filter_map(|(at, mark)| Some((text.get(..at)?, text.get(at + mark.len()..)?)))
            .filter(|(id, service)| TenantId::new(id).is_ok() && check_service(service).is_ok())
            .map(|(id, service)| (id.to_owned(), Some(service.to_owned())));
        for owner in splits.chain([(text.clone(), None)]) {
            let name = name_of(&names, &owner);
            if let Some(other) = taken.insert(name.clone(), owner.clone()) {
                prop_assert!(false, "{name} is {other:?} and {owner:?}");
            }
        }
    }

    #[test]
    fn a_name_is_read_back_as_its_owner_and_no_other(
        templates in prop::sample::select(TAKEN.to_vec()),
        owner in owner(),
    ) {
        let names = names(templates);
        let name = name_of(&names, &owner);
        let pair = names.parse_service(&name).map(|(id, service)| (id.to_string(), Some(service)));
        let alone = names.parse_tenant(&name).map(|id| (id.to_string(), None));
        prop_assert_eq!(pair.xor(alone), Some(owner), "{}", name);
    }

    /// Whatever text comes from a backend, reading it neither fails nor makes up an owner.
    #[test]
    fn only_names_that_are_given_are_read(
        templates in prop::sample::select(TAKEN.to_vec()),
        name in "(cogniverse-|--|<)?[ab._/-]{0,12}(>|--|-one)?",
    ) {
        let names = names(templates);
        if let Some((id, service)) = names.parse_service(&name) {
            prop_assert_eq!(names.service(&id, &service).unwrap(), name.clone());
        }
        if let Some(id) = names.parse_tenant(&name) {
            prop_assert_eq!(names.tenant(&id), name);
        }
    }
}
