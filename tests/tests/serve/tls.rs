//! TLS, with certificates made for the test.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use prost::Message;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::{Certificate, Client, Identity};
use roost_tests::{Gateway, eventually};

use crate::backend::{Backend, Mood};
use crate::client::{PROTOBUF, shop, spans};

const LONG: Duration = Duration::from_secs(60);

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        Ok(Self(issuer))
    }

    /// A certificate for this machine and its key, as PEM.
    fn issue(&self) -> Result<(String, String)> {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(names)?.signed_by(&key, &self.0)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }
}

async fn gateway(backend: &Backend, authority: &Authority, more: &str) -> Result<Gateway> {
    let (certificate, key) = authority.issue()?;
    let ca = authority.0.pem();
    let settings = format!(
        "telemetry.otlp_endpoint = \"{}\"\n\
         telemetry.batch_config.schedule_delay_millis = 20\n\
         serve.tls.certificate = \"server.pem\"\nserve.tls.key = \"server.key\"\n{more}",
        backend.endpoint()
    );
    Gateway::start(&settings, |folder: &Path| {
        std::fs::write(folder.join("server.pem"), certificate)?;
        std::fs::write(folder.join("server.key"), key)?;
        std::fs::write(folder.join("ca.pem"), ca)?;
        Ok(())
    })
    .await
}

async fn send(gateway: &Gateway, client: &Client) -> reqwest::Result<u16> {
    let answer = client
        .post(format!("https://{}/v1/traces", gateway.http()))
        .header("content-type", PROTOBUF)
        .body(shop(spans(1)).encode_to_vec())
        .send()
        .await?;
    Ok(answer.status().as_u16())
}

fn trusting(authority: &Authority) -> Result<reqwest::ClientBuilder> {
    let root = Certificate::from_pem(authority.0.pem().as_bytes())?;
    Ok(Client::builder().no_proxy().tls_certs_only([root]))
}

#[tokio::test]
async fn otlp_is_served_over_tls_and_not_beside_it() -> Result<()> {
    let backend = Backend::start(Mood::Willing).await?;
    let authority = Authority::new()?;
    let gateway = gateway(&backend, &authority, "").await?;
    assert_eq!(send(&gateway, &trusting(&authority)?.build()?).await?, 200);
    backend.wait_for(1).await?;
    let stranger = Authority::new()?;
    assert!(
        send(&gateway, &trusting(&stranger)?.build()?)
            .await
            .is_err()
    );
    let plain = Client::builder().no_proxy().build()?;
    let plain = plain.post(format!("http://{}/v1/traces", gateway.http()));
    assert!(plain.send().await.is_err());
    Ok(())
}

/// Connections that are open keep the certificate they began with; a half written one is not
/// used.
#[tokio::test]
async fn a_new_certificate_is_used_without_a_restart() -> Result<()> {
    let backend = Backend::start(Mood::Willing).await?;
    let (first, second) = (Authority::new()?, Authority::new()?);
    let gateway = gateway(&backend, &first, "").await?;
    let open = trusting(&first)?.build()?;
    assert_eq!(send(&gateway, &open).await?, 200);

    let (certificate, key) = second.issue()?;
    std::fs::write(gateway.folder().join("server.pem"), certificate)?;
    eventually("it says so", LONG, async || {
        let log = gateway.log();
        ensure!(log.contains("the new certificate cannot be used"), "{log}");
        Ok(())
    })
    .await?;
    assert_eq!(send(&gateway, &trusting(&first)?.build()?).await?, 200);
    std::fs::write(gateway.folder().join("server.key"), key)?;
    eventually("the new one serves", LONG, async || {
        let status = send(&gateway, &trusting(&second)?.build()?).await?;
        ensure!(status == 200, "{status}");
        Ok(())
    })
    .await?;
    assert!(send(&gateway, &trusting(&first)?.build()?).await.is_err());
    assert_eq!(send(&gateway, &open).await?, 200, "it never hung up");
    Ok(())
}

#[tokio::test]
async fn clients_need_a_certificate_where_an_authority_is_named() -> Result<()> {
    let backend = Backend::start(Mood::Willing).await?;
    let authority = Authority::new()?;
    let gateway = gateway(&backend, &authority, "serve.tls.client_ca = \"ca.pem\"").await?;
    assert!(
        send(&gateway, &trusting(&authority)?.build()?)
            .await
            .is_err()
    );
    let identity = |authority: &Authority| {
        let (certificate, key) = authority.issue()?;
        Ok::<_, anyhow::Error>(Identity::from_pem((certificate + &key).as_bytes())?)
    };
    let client = trusting(&authority)?
        .identity(identity(&authority)?)
        .build()?;
    assert_eq!(send(&gateway, &client).await?, 200);
    let stranger = identity(&Authority::new()?)?;
    let client = trusting(&authority)?.identity(stranger).build()?;
    assert!(send(&gateway, &client).await.is_err());
    Ok(())
}
