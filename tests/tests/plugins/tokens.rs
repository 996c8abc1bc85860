//! A server that hands out the tokens of a registry, as public registries have one: everybody may
//! pull what is below `open/`, and who has the password may do anything.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::routing::get;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use percent_encoding::percent_decode_str;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use roost_tests::Registry;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) struct Tokens {
    realm: String,
    certificate: String,
    serving: JoinHandle<()>,
}

struct Issuer {
    key: EcdsaKeyPair,
    /// The certificate, in base64.
    certificate: String,
}

impl Tokens {
    pub(crate) async fn start() -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key)?;
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let issuer = Issuer {
            key: EcdsaKeyPair::from_pkcs8(algorithm, &key.serialize_der())?,
            certificate: BASE64_STANDARD.encode(certificate.der()),
        };
        let routes = Router::new()
            .route("/token", get(answer))
            .with_state(Arc::new(issuer));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let realm = format!("http://{}/token", listener.local_addr()?);
        let serving = tokio::spawn(async move {
            axum::serve(listener, routes).await.ok();
        });
        Ok(Self {
            realm,
            certificate: certificate.pem(),
            serving,
        })
    }

    pub(crate) fn realm(&self) -> &str {
        &self.realm
    }

    /// In PEM.
    pub(crate) fn certificate(&self) -> &str {
        &self.certificate
    }
}

impl Drop for Tokens {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(
    State(issuer): State<Arc<Issuer>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> String {
    let login = format!("{}:{}", Registry::USER, Registry::PASSWORD);
    let login = format!("Basic {}", BASE64_STANDARD.encode(login));
    let is_known = headers.get("authorization").is_some_and(|it| *it == *login);
    let query = query.unwrap_or_default();
    let scope = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("scope="));
    let scope = percent_decode_str(scope.unwrap()).decode_utf8().unwrap();
    let [kind, name, actions] = scope.splitn(3, ':').collect::<Vec<_>>()[..] else {
        panic!("{scope}");
    };
    let granted = actions
        .split(',')
        .filter(|action| is_known || (*action == "pull" && name.starts_with("open/")));
    let access = json!([{ "type": kind, "name": name, "actions": granted.collect::<Vec<_>>() }]);
    json!({ "token": issuer.sign(&access) }).to_string()
}

impl Issuer {
    fn sign(&self, access: &Value) -> String {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let head = json!({ "alg": "ES256", "typ": "JWT", "x5c": [self.certificate] });
        let claims = json!({
            "iss": Registry::ISSUER, "aud": Registry::ISSUER, "sub": "", "jti": "1",
            "iat": now, "nbf": now - 60, "exp": now + 300, "access": access,
        });
        let encode = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(&head), encode(&claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes());
        let signature = BASE64_URL_SAFE_NO_PAD.encode(signature.unwrap());
        format!("{signed}.{signature}")
    }
}
