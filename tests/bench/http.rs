//! A GET over and over on one TLS connection: what kubectl's client library does, and nothing besides.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use tokio::time::Instant;

use anyhow::{Context, Result, ensure};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// A kept connection to a server that speaks HTTP/1.1 over TLS.
pub(crate) struct Kept {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
    request: String,
}

impl Kept {
    /// Connects to `server` as 127.0.0.1, whose certificate `authority` (PEM) signs.
    pub(crate) fn connect(
        server: SocketAddr,
        authority: &[u8],
        path: &str,
        token: &str,
    ) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority).context("a certificate")?)?;
        let config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots)
                .with_no_client_auth();
        let name = ServerName::try_from("127.0.0.1")?;
        let tls = ClientConnection::new(Arc::new(config), name)?;
        let socket = TcpStream::connect(server)?;
        socket.set_nodelay(true)?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {server}\r\nAccept: application/json\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        Ok(Self {
            stream: BufReader::new(StreamOwned::new(tls, socket)),
            request,
        })
    }

    /// Sends the request and reads the whole answer; ms.
    pub(crate) fn get(&mut self) -> Result<f64> {
        let begun = Instant::now();
        self.stream.get_mut().write_all(self.request.as_bytes())?;
        let mut length = None;
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        ensure!(line.contains(" 200 "), "the answer is {line}");
        while line.trim() != "" {
            line.clear();
            self.stream.read_line(&mut line)?;
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = Some(value.trim().parse::<usize>()?);
            }
        }
        let mut body = vec![0; length.context("an answer with a length")?];
        self.stream.read_exact(&mut body)?;
        Ok(begun.elapsed().as_secs_f64() * 1e3)
    }
}
