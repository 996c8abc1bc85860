//! The fixtures that other tests load are what they say they are.

#![allow(clippy::unwrap_used)]

use anyhow::{Context, Result};
use roost_tests::{PluginFolder, core_module, echo, echo_next, other_contract};
use wit_component::DecodedWasm;
use wit_parser::{Resolve, WorldItem};

/// The interfaces a component exports, as `package/interface@version`.
fn exports(component: &[u8]) -> Result<Vec<String>> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component)? else {
        anyhow::bail!("a WIT package, not a component");
    };
    let world = resolve.worlds.get(world).context("no world")?;
    Ok(world
        .exports
        .values()
        .filter_map(|item| name(&resolve, item))
        .collect())
}

fn name(resolve: &Resolve, item: &WorldItem) -> Option<String> {
    match item {
        WorldItem::Interface { id, .. } => resolve.id_of(*id),
        _ => None,
    }
}

#[test]
fn echo_is_a_minimal_provider() -> Result<()> {
    assert_eq!(
        exports(&std::fs::read(echo()?)?)?,
        [
            "roost:telemetry/telemetry-provider@0.1.0",
            "roost:telemetry/trace-store@0.1.0"
        ]
    );
    Ok(())
}

#[test]
fn the_next_echo_differs_only_by_its_version() -> Result<()> {
    let (now, next) = (std::fs::read(echo()?)?, std::fs::read(echo_next()?)?);
    assert_eq!(exports(&now)?, exports(&next)?);
    assert!(now.windows(5).any(|text| text == b"1.0.0"));
    assert!(next.windows(5).any(|text| text == b"2.0.0"));
    assert_ne!(now, next);
    Ok(())
}

#[test]
fn the_other_contract_is_a_sound_component_of_another_version() -> Result<()> {
    assert_eq!(
        exports(&other_contract()?)?,
        [
            "roost:telemetry/telemetry-provider@0.2.0",
            "roost:telemetry/trace-store@0.2.0"
        ]
    );
    Ok(())
}

#[test]
fn the_core_module_is_no_component() -> Result<()> {
    let module = core_module()?;
    // The preamble's second half: version 1, layer 0 (a component is of layer 1).
    assert_eq!(module.get(..8).unwrap(), b"\0asm\x01\0\0\0");
    Ok(())
}

#[test]
fn a_plugin_folder_takes_whole_half_and_wrong_files() -> Result<()> {
    let folder = PluginFolder::new()?;
    let whole = std::fs::read(echo()?)?;

    folder.install("echo", &echo()?)?;
    assert_eq!(std::fs::read(folder.file("echo"))?, whole);
    folder.truncate("echo", &echo()?)?;
    assert_eq!(
        std::fs::read(folder.file("echo"))?,
        whole.get(..whole.len() / 2).unwrap()
    );
    folder.garbage("echo")?;
    assert!(!std::fs::read(folder.file("echo"))?.starts_with(b"\0asm"));
    folder.remove("echo")?;

    assert_eq!(std::fs::read_dir(folder.path())?.count(), 0);
    Ok(())
}
