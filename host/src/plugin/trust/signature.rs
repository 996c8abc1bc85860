//! Signatures in minisign's format: ed25519 over the BLAKE2b hash of a file.

use std::io;
use std::path::Path;

use minisign_verify::{PublicKey, Signature};

use super::super::refusal::Refusal;

/// Longer than any signature with its comments, in bytes.
const MAX_BYTES: u64 = 16 * 1024;

pub(super) struct Signatures {
    keys: Vec<PublicKey>,
    required: bool,
}

impl Signatures {
    /// The error says which key is none.
    pub(super) fn new(keys: &[String], required: bool) -> Result<Self, String> {
        let parse = |key: &String| {
            PublicKey::from_base64(key)
                .map_err(|error| format!("`{key}` is no minisign key: {error}"))
        };
        Ok(Self {
            keys: keys.iter().map(parse).collect::<Result<_, _>>()?,
            required,
        })
    }

    /// Check a file's content against the signature at `path`. Without keys nothing is asked,
    /// unless signatures are required.
    pub(super) fn check(&self, path: &Path, bytes: &[u8]) -> Result<(), Refusal> {
        if self.keys.is_empty() && !self.required {
            return Ok(());
        }
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let refuse = |why: String| Err(Refusal::Signature(why));
        let text = match read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return match self.required {
                    true => refuse(format!(
                        "there is no {file} beside it, and require_signatures is set; sign it with \
                         `minisign -Sm` and a key of trusted_keys"
                    )),
                    false => Ok(()),
                };
            }
            Err(error) => return refuse(format!("{file} cannot be read: {error}")),
        };
        let signature = match Signature::decode(&text) {
            Ok(signature) => signature,
            Err(error) => return refuse(format!("{file} is no minisign signature: {error}")),
        };
        // The old format hashes nothing and would have to be asked for.
        let verified = |key: &PublicKey| key.verify(bytes, &signature, false).is_ok();
        if self.keys.iter().any(verified) {
            return Ok(());
        }
        refuse(format!(
            "{file} is not of this content, or by none of the {} keys in trusted_keys",
            self.keys.len()
        ))
    }
}

fn read(path: &Path) -> io::Result<String> {
    use io::Read as _;

    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    file.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}
