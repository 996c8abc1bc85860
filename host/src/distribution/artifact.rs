//! How a provider lies in a registry: as the WebAssembly working group at the CNCF has it, so that
//! `wkg` and `oras` read and write the same.
//!
//! One layer, `application/wasm`, which is the component. What OCI's annotations can say is in
//! them, and so is the signature, as one of ours.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use oci_client::annotations::{
    ORG_OPENCONTAINERS_IMAGE_DESCRIPTION, ORG_OPENCONTAINERS_IMAGE_TITLE,
    ORG_OPENCONTAINERS_IMAGE_URL, ORG_OPENCONTAINERS_IMAGE_VERSION,
};
use oci_client::client::{Config, ImageLayer};
use oci_client::manifest::{OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageManifest, OciManifest};
use serde_json::{Value, json};
use wasmparser::{Parser, Payload};

use crate::contract::ProviderInfo;

const LAYER: &str = "application/wasm";
const CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// A `.minisig` file, as base64: a line, as annotations are.
const SIGNATURE: &str = "vnd.roost.minisig";

/// A manifest that describes a component.
pub(super) struct Artifact<'a> {
    pub(super) layer: &'a OciDescriptor,
    annotations: Option<&'a BTreeMap<String, String>>,
}

impl<'a> Artifact<'a> {
    /// The error says what it is instead.
    pub(super) fn of(manifest: &'a OciManifest) -> Result<Self, String> {
        let OciManifest::Image(manifest) = manifest else {
            return Err("it is an index of several artifacts".to_owned());
        };
        match manifest.layers.as_slice() {
            [layer] if layer.media_type == LAYER => Ok(Self {
                layer,
                annotations: manifest.annotations.as_ref(),
            }),
            [layer] => Err(format!("its layer is {}, not {LAYER}", layer.media_type)),
            layers => Err(format!("it has {} layers, and not one", layers.len())),
        }
    }

    /// The bytes of the component, as the manifest says.
    pub(super) fn bytes(&self) -> usize {
        usize::try_from(self.layer.size).unwrap_or_default()
    }

    /// The text of the signature. What is no base64 is no signature either, and is handed on for
    /// the one who checks it to say so.
    pub(super) fn signature(&self) -> Option<String> {
        let encoded = self.annotation(SIGNATURE)?;
        let decoded = BASE64_STANDARD.decode(encoded).ok();
        let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        Some(decoded.unwrap_or_else(|| encoded.to_owned()))
    }

    pub(super) fn version(&self) -> Option<&'a str> {
        self.annotation(ORG_OPENCONTAINERS_IMAGE_VERSION)
    }

    pub(super) fn description(&self) -> Option<&'a str> {
        self.annotation(ORG_OPENCONTAINERS_IMAGE_DESCRIPTION)
    }

    fn annotation(&self, key: &str) -> Option<&'a str> {
        let value = self.annotations?.get(key)?;
        (!value.is_empty()).then_some(value)
    }
}

/// What is pushed as `name`: the layer, the configuration that belongs to it, and the manifest over both.
/// The same content makes the same bytes.
pub(super) fn build(
    name: &str,
    content: Bytes,
    info: &ProviderInfo,
    signature: Option<&str>,
) -> (ImageLayer, Config, OciImageManifest) {
    // What `oras` calls the file that it writes.
    let file = (
        ORG_OPENCONTAINERS_IMAGE_TITLE.to_owned(),
        format!("{name}.wasm"),
    );
    let layer = ImageLayer::new(content, LAYER.to_owned(), Some([file].into()));
    let config = json!({
        // Demanded by the format; the time of the push would make two manifests of one content.
        "created": "1970-01-01T00:00:00Z",
        "author": null,
        "architecture": "wasm",
        "os": "wasip2",
        "layerDigests": [layer.sha256_digest()],
        "component": interfaces(&layer.data),
    });
    let config = Config::new(config.to_string(), CONFIG.to_owned(), None);
    let signature = signature.map(|text| BASE64_STANDARD.encode(text));
    let annotations = [
        (ORG_OPENCONTAINERS_IMAGE_TITLE, &*info.name),
        (ORG_OPENCONTAINERS_IMAGE_VERSION, &*info.version),
        (ORG_OPENCONTAINERS_IMAGE_DESCRIPTION, &*info.summary),
        (ORG_OPENCONTAINERS_IMAGE_URL, &*info.homepage),
        (SIGNATURE, signature.as_deref().unwrap_or_default()),
    ];
    let annotations: BTreeMap<String, String> = annotations
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        // The client writes line ends into JSON as they are, which is none then.
        .map(|(key, value)| (key.to_owned(), value.replace(char::is_control, " ")))
        .collect();
    let mut manifest =
        OciImageManifest::build(std::slice::from_ref(&layer), &config, Some(annotations));
    manifest.media_type = Some(OCI_IMAGE_MEDIA_TYPE.to_owned());
    (layer, config, manifest)
}

/// What a component imports and exports, by name, so that a registry can tell without fetching it.
fn interfaces(content: &[u8]) -> Value {
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0_usize;
    // It was compiled before: what cannot be read here is not there.
    for payload in Parser::new(0).parse_all(content).map_while(Result::ok) {
        match payload {
            // What is inside has imports and exports of its own.
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                imports.extend(section.into_iter().flatten().map(|one| one.name.name));
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                exports.extend(section.into_iter().flatten().map(|one| one.name.name));
            }
            _ => {}
        }
    }
    json!({ "imports": imports, "exports": exports })
}
