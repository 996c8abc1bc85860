//! From a file's bytes to a provider that can be instantiated: what it is, which
//! contract it speaks, what it exports. Everything is checked before guest code runs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use sha2::{Digest, Sha256};
use tokio::time::timeout_at;
use wasmtime::component::{Component, InstancePre};

use super::ending::explain;
use super::engine::Engine;
use super::guests::GuestIndices;
use super::instance::arm;
use super::limits::Limits;
use super::logs::LogBudget;
use super::outbound::Outbound;
use super::refusal::Refusal;
use super::schema::ConfigSchema;
use super::state::{DeadlinePassed, State};
use crate::contract::{Capability, PACKAGE, ProviderInfo, VERSION};

/// What a provider may import of the contract.
const OFFERED: &[&str] = if cfg!(feature = "database") {
    &["types", "database"]
} else {
    &["types"]
};

/// A provider, compiled and described.
pub(crate) struct ProviderComponent {
    pub(crate) name: Arc<str>,
    /// SHA-256 of the file, in lower-case hexadecimal digits.
    pub(crate) digest: String,
    pub(crate) info: ProviderInfo,
    pub(crate) schema: ConfigSchema,
    pub(crate) capabilities: BTreeSet<Capability>,
    pub(super) pre: InstancePre<State>,
    pub(super) indices: GuestIndices,
}

/// SHA-256 in lower-case hexadecimal digits.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl ProviderComponent {
    /// Compile the component `name`, check its contract and ask it to describe itself,
    /// within `limits`.
    pub(crate) async fn load(
        engine: &Arc<Engine>,
        name: &Arc<str>,
        bytes: Vec<u8>,
        outbound: Outbound,
        limits: &Arc<Limits>,
    ) -> Result<Self, Refusal> {
        let digest = digest(&bytes);
        let compiler = Arc::clone(engine);
        let (pre, capabilities, indices) =
            tokio::task::spawn_blocking(move || compile(&compiler, &bytes))
                .await
                .map_err(|_| Refusal::Damaged("the compiler panicked".to_owned()))??;

        let deadline = Instant::now() + limits.start_timeout();
        let log = Arc::new(LogBudget::new(limits));
        let mut store = State::store(engine, name, outbound, limits, &log);
        arm(&mut store, "describe", deadline);
        let clock = Arc::clone(&store.data().clock);
        let share = engine.turns.share();
        let described = async {
            let instance = pre.instantiate_async(&mut store).await?;
            // Loading looks at the type of every function, so a provider with another
            // signature is refused here and not in the middle of a call.
            let guests = match indices.load(&mut store, &instance) {
                Ok(guests) => guests,
                Err(error) => return Ok(Err(Refusal::Incompatible(root_cause(&error)))),
            };
            guests.provider.call_describe(&mut store).await.map(Ok)
        };
        let described = share.run(&clock, described);
        let info = timeout_at(deadline.into(), described)
            .await
            .unwrap_or_else(|_| Err(DeadlinePassed.into()))
            .map_err(|error| {
                let setting = "start_timeout_millis";
                let ending = explain("describe", setting, limits, store.data(), &error);
                Refusal::Failed(ending.why().to_owned())
            })??;
        let schema = ConfigSchema::parse(&info).map_err(Refusal::BadDescription)?;
        Ok(Self {
            name: Arc::clone(name),
            digest,
            info,
            schema,
            capabilities,
            pre,
            indices,
        })
    }
}

/// The first cause of an error, without the guest's backtrace.
pub(super) fn root_cause(error: &wasmtime::Error) -> String {
    error.root_cause().to_string()
}

type Compiled = (InstancePre<State>, BTreeSet<Capability>, GuestIndices);

fn compile(engine: &Engine, bytes: &[u8]) -> Result<Compiled, Refusal> {
    expect_component(bytes)?;
    let component = Component::new(&engine.wasmtime, bytes)
        .map_err(|error| Refusal::Damaged(root_cause(&error)))?;
    let capabilities = check_contract(engine, &component)?;
    let pre = engine
        .linker
        .instantiate_pre(&component)
        .map_err(|error| Refusal::Import(root_cause(&error)))?;
    let indices = GuestIndices::find(&pre, &capabilities)
        .map_err(|error| Refusal::Incompatible(root_cause(&error)))?;
    Ok((pre, capabilities, indices))
}

/// The first eight bytes tell a component from a core module.
fn expect_component(bytes: &[u8]) -> Result<(), Refusal> {
    const MAGIC: &[u8] = b"\0asm";
    const MODULE: &[u8] = &[1, 0, 0, 0];
    match bytes.split_at_checked(8).map(|(head, _)| head.split_at(4)) {
        Some((MAGIC, MODULE)) => Err(Refusal::CoreModule),
        Some((MAGIC, _)) => Ok(()),
        None if bytes.is_empty() || MAGIC.starts_with(bytes) || bytes.starts_with(MAGIC) => {
            Err(Refusal::Damaged("the file ends too early".to_owned()))
        }
        _ => {
            let found = String::from_utf8_lossy(bytes.get(..16).unwrap_or(bytes)).into_owned();
            Err(Refusal::NotWebAssembly(found))
        }
    }
}

/// What a component exports of the contract, if it is of this host's version of it.
fn check_contract(engine: &Engine, component: &Component) -> Result<BTreeSet<Capability>, Refusal> {
    let ty = component.component_type();
    let names = |items: Vec<&str>| items.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let exports: Vec<&str> = ty.exports(&engine.wasmtime).map(|(name, _)| name).collect();
    let imports: Vec<&str> = ty.imports(&engine.wasmtime).map(|(name, _)| name).collect();

    for name in exports.iter().chain(&imports) {
        if let Some((_, version)) = contract_interface(name)
            && !speaks(version)
        {
            return Err(Refusal::OtherContract(version.to_owned()));
        }
    }
    let interfaces: BTreeSet<&str> = exports
        .iter()
        .filter_map(|name| Some(contract_interface(name)?.0))
        .collect();
    if !interfaces.contains("telemetry-provider") {
        return Err(Refusal::NotAProvider(names(exports)));
    }
    // Types need nothing of the host.
    let wanted = imports.iter().find(|name| {
        contract_interface(name).is_some_and(|(interface, _)| !OFFERED.contains(&interface))
    });
    if let Some(name) = wanted {
        return Err(Refusal::Import(format!(
            "this host does not provide {name}"
        )));
    }
    Ok(Capability::ALL
        .into_iter()
        .filter(|capability| interfaces.contains(capability.interface()))
        .collect())
}

/// The interface and version of a name such as `roost:telemetry/trace-store@0.1.0`.
fn contract_interface(name: &str) -> Option<(&str, &str)> {
    let rest = name.strip_prefix(PACKAGE)?.strip_prefix('/')?;
    Some(rest.split_once('@').unwrap_or((rest, "none")))
}

/// Whether a version of the contract has this host's major and minor version.
fn speaks(version: &str) -> bool {
    fn line(version: &str) -> Option<(&str, &str)> {
        let (minor, _) = version.rsplit_once('.')?;
        minor.split_once('.')
    }
    line(version).is_some() && line(version) == line(VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_patch_of_this_contract_is_spoken_and_no_other() {
        for (version, spoken) in [
            ("0.1.0", true),
            ("0.1.7", true),
            ("0.2.0", false),
            ("0.10.0", false),
            ("1.1.0", false),
            ("none", false),
        ] {
            assert_eq!(speaks(version), spoken, "{version}");
        }
    }

    #[test]
    fn what_is_no_component_is_told_apart() {
        let refusal = |bytes: &[u8]| expect_component(bytes).map_err(|r| r.to_string());
        assert_eq!(refusal(b"\0asm\x0d\0\x01\0"), Ok(()));
        assert_eq!(
            refusal(b"\0asm\x01\0\0\0"),
            Err(Refusal::CoreModule.to_string())
        );
        assert_eq!(
            refusal(b"#!/bin/sh\necho"),
            Err(Refusal::NotWebAssembly("#!/bin/sh\necho".to_owned()).to_string())
        );
        for half in [&b""[..], b"\0as", b"\0asm\x0d"] {
            assert!(matches!(expect_component(half), Err(Refusal::Damaged(_))));
        }
    }
}
