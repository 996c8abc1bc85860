//! A grant and an address, a line each: what is granted, and nothing beside it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use roost::config::HostPattern;
use url::Url;

fuzz_target!(|text: &str| {
    let (grant, address) = text.split_once('\n').unwrap_or((text, ""));
    let grant = HostPattern::parse(grant).ok();
    if let Some(grant) = &grant {
        let again = HostPattern::parse(&grant.to_string());
        assert_eq!(again.as_ref(), Ok(grant));
    }
    let Ok(url) = Url::parse(address) else { return };
    let Some(asked) = HostPattern::of(&url) else { return };
    // What a refusal prints grants what was refused.
    assert!(HostPattern::parse(&asked.to_string()).is_ok_and(|grant| grant.covers(&asked)));
    let Some(grant) = grant.filter(|grant| grant.covers(&asked)) else { return };
    let (grant, asked) = (grant.to_string(), asked.to_string());
    match grant.split_once("*.") {
        None => assert_eq!(grant, asked),
        Some((scheme, suffix)) => {
            let suffix = format!(".{suffix}");
            assert!(asked.starts_with(scheme) && asked.ends_with(&suffix));
            assert!(asked.len() > scheme.len() + suffix.len());
        }
    }
});
