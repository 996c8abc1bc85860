//! TLS to a PostgreSQL, and what its address says of it.
//!
//! A certificate is checked whenever there is one, against the name in the address: libpq's
//! `require`, which believes anybody, is no protection. So `require`, `verify-ca` and
//! `verify-full` are the same here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio_postgres_rustls::MakeRustlsConnect;

/// The address as `tokio-postgres` reads it, and the file of authorities that it names: it knows
/// neither `sslrootcert` nor the modes that verify. Of what is no URL it says itself what is wrong.
pub(super) fn of_address(address: &str) -> Result<(String, Option<PathBuf>), String> {
    let Some((server, query)) = address.split_once('?') else {
        return Ok((address.to_owned(), None));
    };
    let mut authorities = None;
    let mut kept = Vec::new();
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("sslrootcert", "system")) => {}
            Some(("sslrootcert", file)) => {
                let file = percent_encoding::percent_decode_str(file);
                let file = file.decode_utf8().map_err(|_| "sslrootcert is no path")?;
                authorities = Some(PathBuf::from(&*file));
            }
            Some(("sslmode", "verify-ca" | "verify-full")) => kept.push("sslmode=require"),
            Some(("sslmode", "allow")) => {
                return Err("sslmode=allow is not known: say disable or require".to_owned());
            }
            _ => kept.push(pair),
        }
    }
    let address = match kept.is_empty() {
        true => server.to_owned(),
        false => format!("{server}?{}", kept.join("&")),
    };
    Ok((address, authorities))
}

/// What makes TLS of a connection, with the authorities of a PEM file, or else the system's.
pub(super) fn connector(authorities: Option<&Path>) -> Result<MakeRustlsConnect, String> {
    let mut store = RootCertStore::empty();
    match authorities {
        None => {
            let system = rustls_native_certs::load_native_certs().certs;
            store.add_parsable_certificates(system);
        }
        Some(file) => {
            let wrong = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
            let found = CertificateDer::pem_file_iter(file).map_err(|error| wrong(&error))?;
            for certificate in found {
                let certificate = certificate.map_err(|error| wrong(&error))?;
                store.add(certificate).map_err(|error| wrong(&error))?;
            }
            if store.is_empty() {
                return Err(wrong(&"there is no certificate in it"));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be used: {error}"))?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_address_says_whom_to_believe() {
        let read = |address: &str| of_address(address).unwrap();
        let plain = "postgres://u:p%3F@h/d";
        assert_eq!(read(plain), (plain.to_owned(), None));
        assert_eq!(
            read("postgres://h/d?sslmode=verify-full&sslrootcert=/etc/a%20b.pem&options=x"),
            (
                "postgres://h/d?sslmode=require&options=x".to_owned(),
                Some("/etc/a b.pem".into())
            )
        );
        assert_eq!(
            read("postgres://h/d?sslrootcert=system"),
            ("postgres://h/d".to_owned(), None)
        );
        assert!(of_address("postgres://h/d?sslmode=allow").is_err());
        let missing = connector(Some(Path::new("/none.pem"))).err().unwrap();
        assert!(missing.contains("/none.pem"), "{missing}");
    }
}
