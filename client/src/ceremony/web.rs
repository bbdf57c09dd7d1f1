//! A plain HTTP client for the software authenticator, which has no browser.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use adit_transport::resolve::resolve;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, ORIGIN};
use http::{Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::Url;

use crate::exit::Failure;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Longest answer, in bytes.
const ANSWER_MAX: usize = 256 << 10;

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(format!("the gateway's page does not answer: {error}"))
}

/// Sends one request as a page of `url`'s origin would, and reads the JSON of the answer; `Null` where there is none.
///
/// `roots` is a PEM file of certificates for `https`; there are no others.
pub(super) async fn request(
    method: Method,
    url: &Url,
    body: Option<&Value>,
    roots: Option<&Path>,
) -> Result<Value, Failure> {
    let exchange = async {
        let host = url.host_str().ok_or_else(|| failed("no host"))?;
        let port = url.port_or_known_default().unwrap_or(80);
        let stream = connect(host, port).await.map_err(failed)?;
        if url.scheme() != "https" {
            return exchange(stream, method, url, body).await;
        }
        let name = ServerName::try_from(host.to_owned()).map_err(failed)?;
        let stream = TlsConnector::from(tls(roots)?)
            .connect(name, stream)
            .await
            .map_err(failed)?;
        exchange(stream, method, url, body).await
    };
    timeout(PATIENCE, exchange)
        .await
        .map_err(|_| failed("it took too long"))?
}

async fn connect(host: &str, port: u16) -> std::io::Result<TcpStream> {
    TcpStream::connect(resolve(host, port).await?).await
}

fn tls(roots: Option<&Path>) -> Result<Arc<ClientConfig>, Failure> {
    let mut store = RootCertStore::empty();
    let file = roots.ok_or_else(|| {
        Failure::new("the software authenticator trusts no certificate by itself")
            .repaired_by("set ADIT_AUTHENTICATOR_CA to a PEM file")
    })?;
    for certificate in CertificateDer::pem_file_iter(file).map_err(failed)? {
        store.add(certificate.map_err(failed)?).map_err(failed)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin + Send>(
    stream: S,
    method: Method,
    url: &Url,
    body: Option<&Value>,
) -> Result<Value, Failure> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    let text = body.map(Value::to_string).unwrap_or_default();
    let target = url.query().map_or_else(
        || url.path().to_owned(),
        |query| format!("{}?{query}", url.path()),
    );
    let authority = url.authority().to_owned();
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header(HOST, authority)
        .header(ORIGIN, url.origin().ascii_serialization())
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(text)))
        .map_err(failed)?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(failed)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_MAX);
        let body = body.collect().await.map_err(failed)?.to_bytes();
        let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(json);
        }
        let text = |key: &str| json.get(key).and_then(Value::as_str).map(str::to_owned);
        let mut failure = failed(text("message").unwrap_or_else(|| format!("it says {status}")));
        failure.code = text("code");
        failure.repair = text("repair");
        Err(failure)
    };
    tokio::select! {
        answer = answer => answer,
        Err(error) = async { connection.without_shutdown().await } => Err(failed(error)),
    }
}
