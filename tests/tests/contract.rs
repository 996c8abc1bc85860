//! The contract in `wit/` is what an author of a provider reads, in whatever language,
//! and there is nothing else to read: so it resolves on its own, a file says which
//! interface it holds, and nothing in it goes without a word.

#![allow(clippy::indexing_slicing, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use wit_parser::{Docs, Function, Interface, PackageId, Resolve, Span, Type, TypeDefKind, TypeId};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")
}

fn contract() -> Result<(Resolve, PackageId)> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(folder())?;
    Ok((resolve, package))
}

/// The interfaces of the contract itself, without those of WASI.
fn interfaces(resolve: &Resolve, package: PackageId) -> impl Iterator<Item = (&str, &Interface)> {
    let interfaces = &resolve.packages[package].interfaces;
    interfaces
        .iter()
        .map(|(name, id)| (name.as_str(), &resolve.interfaces[*id]))
}

#[test]
fn it_is_roost_telemetry_0_1_0_and_needs_only_wasi() -> Result<()> {
    let (resolve, package) = contract()?;
    assert_eq!(
        resolve.packages[package].name.to_string(),
        "roost:telemetry@0.1.0"
    );
    for (id, other) in &resolve.packages {
        let wasi = other.name.namespace == "wasi"
            && other.name.version.as_ref().unwrap().to_string() == "0.2.12";
        assert!(id == package || wasi, "{} is not WASI 0.2.12", other.name);
    }
    Ok(())
}

#[test]
fn an_interface_has_a_file_of_its_name() -> Result<()> {
    let (resolve, package) = contract()?;
    let mut expected = BTreeSet::from(["world.wit".to_owned()]);
    for (name, interface) in interfaces(&resolve, package) {
        let file = file(&resolve, interface.span);
        assert_eq!(file, format!("{name}.wit"), "interface {name} is in {file}");
        expected.insert(file);
    }
    for (name, world) in &resolve.packages[package].worlds {
        let file = file(&resolve, resolve.worlds[*world].span);
        assert_eq!(file, "world.wit", "world {name} is in {file}");
    }
    let present: BTreeSet<String> = std::fs::read_dir(folder())?
        .map(|entry| Ok(entry?.file_name().into_string().unwrap()))
        .filter(|name: &Result<String>| name.as_ref().is_ok_and(|name| name.ends_with(".wit")))
        .collect::<Result<_>>()?;
    assert_eq!(present, expected);
    Ok(())
}

fn file(resolve: &Resolve, span: Span) -> String {
    let location = resolve.source_map.render_location(span);
    let path = location.split(':').next().unwrap();
    Path::new(path)
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned()
}

#[test]
fn every_item_is_documented() -> Result<()> {
    let (resolve, package) = contract()?;
    let mut reader = Reader::new(&resolve);
    reader.look(
        &resolve.packages[package].docs,
        "the package",
        Span::default(),
    );
    for world in resolve.packages[package].worlds.values() {
        let world = &resolve.worlds[*world];
        reader.look(&world.docs, &format!("world {}", world.name), world.span);
    }
    for (name, interface) in interfaces(&resolve, package) {
        reader.read(name, interface);
    }
    reader.verdict()
}

#[test]
fn every_function_that_can_fail_says_how() -> Result<()> {
    let (resolve, package) = contract()?;
    let mut silent = Vec::new();
    for (name, interface) in interfaces(&resolve, package) {
        for function in interface.functions.values().filter(|f| fails(&resolve, f)) {
            let docs = function.docs.contents.as_deref().unwrap_or_default();
            if !docs.contains("\n\nErrors: ") {
                let place = resolve.source_map.render_location(function.span);
                silent.push(format!("{place}: {name}.{}", function.name));
            }
        }
    }
    anyhow::ensure!(
        silent.is_empty(),
        "no paragraph `Errors: ` in the documentation:\n{}",
        silent.join("\n")
    );
    Ok(())
}

/// Whether a function returns `result<_, error>` with the `error` of `types.wit`.
fn fails(resolve: &Resolve, function: &Function) -> bool {
    let Some(Type::Id(result)) = function.result else {
        return false;
    };
    let TypeDefKind::Result(result) = &resolve.types[result].kind else {
        return false;
    };
    let Some(Type::Id(error)) = result.err else {
        return false;
    };
    file(resolve, resolve.types[origin(resolve, error)].span) == "types.wit"
}

/// The type that a name stands for, through any number of `use`.
fn origin(resolve: &Resolve, mut id: TypeId) -> TypeId {
    while let TypeDefKind::Type(Type::Id(next)) = resolve.types[id].kind {
        id = next;
    }
    id
}

/// Reads the contract and notes what has nothing to say for itself.
struct Reader<'a> {
    resolve: &'a Resolve,
    undocumented: Vec<String>,
    seen: usize,
}

impl<'a> Reader<'a> {
    fn new(resolve: &'a Resolve) -> Self {
        Self {
            resolve,
            undocumented: Vec::new(),
            seen: 0,
        }
    }

    fn look(&mut self, docs: &Docs, item: &str, span: Span) {
        self.seen += 1;
        if docs
            .contents
            .as_deref()
            .is_none_or(|text| text.trim().is_empty())
        {
            let place = self.resolve.source_map.render_location(span);
            self.undocumented.push(format!("{place}: {item}"));
        }
    }

    fn read(&mut self, name: &str, interface: &Interface) {
        self.look(
            &interface.docs,
            &format!("interface {name}"),
            interface.span,
        );
        for (function_name, function) in &interface.functions {
            self.look(
                &function.docs,
                &format!("{name}.{function_name}"),
                function.span,
            );
        }
        for (type_name, id) in &interface.types {
            // Brought in by `use`: documented where it is from.
            if origin(self.resolve, *id) == *id {
                self.read_type(&format!("{name}.{type_name}"), *id);
            }
        }
    }

    fn read_type(&mut self, name: &str, id: TypeId) {
        let resolve = self.resolve;
        let definition = &resolve.types[id];
        self.look(&definition.docs, name, definition.span);
        match &definition.kind {
            TypeDefKind::Record(record) => {
                for field in &record.fields {
                    self.look(&field.docs, &format!("{name}.{}", field.name), field.span);
                }
            }
            TypeDefKind::Variant(variant) => {
                for case in &variant.cases {
                    self.look(&case.docs, &format!("{name}.{}", case.name), case.span);
                }
            }
            TypeDefKind::Enum(cases) => {
                for case in &cases.cases {
                    self.look(&case.docs, &format!("{name}.{}", case.name), case.span);
                }
            }
            TypeDefKind::Flags(flags) => {
                for flag in &flags.flags {
                    self.look(&flag.docs, &format!("{name}.{}", flag.name), flag.span);
                }
            }
            _ => {}
        }
    }

    fn verdict(self) -> Result<()> {
        // So that a reader that overlooks most of it does not pass for a clean contract.
        anyhow::ensure!(self.seen > 300, "only {} items were read", self.seen);
        anyhow::ensure!(
            self.undocumented.is_empty(),
            "no documentation:\n{}",
            self.undocumented.join("\n")
        );
        Ok(())
    }
}
