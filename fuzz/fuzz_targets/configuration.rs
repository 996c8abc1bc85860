//! A configuration file: refused with a message, or usable and written back to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use roost::Config;

fuzz_target!(|text: &str| {
    let config = match Config::from_toml(text, "roost.toml") {
        Ok(config) => config,
        Err(error) => {
            assert!(error.to_string().starts_with("roost.toml:"), "{error}");
            return;
        }
    };
    if let Err(error) = config.validate() {
        assert!(!error.to_string().is_empty());
        return;
    }
    let written = toml::to_string(&config).unwrap();
    let again = Config::from_toml(&written, "roost.toml").unwrap();
    assert_eq!(toml::to_string(&again).unwrap(), written);
});
