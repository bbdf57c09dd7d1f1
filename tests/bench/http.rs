//! HTTP/1.1 over a kept TLS connection: what kubectl's client library does, and nothing besides.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tokio::time::Instant;

use crate::figure::ms;

/// Bytes that are read at once.
const BUFFER: usize = 64 << 10;

/// Where requests are sent.
pub(crate) struct End {
    /// The server, which is 127.0.0.1 to its certificate.
    pub(crate) address: SocketAddr,
    /// The certificate of its authority, PEM.
    pub(crate) authority: Vec<u8>,
    /// What comes before the API server's own paths.
    pub(crate) prefix: String,
    /// The bearer token.
    pub(crate) token: String,
}

/// A kept connection.
pub(crate) struct Kept {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
    host: SocketAddr,
    prefix: String,
    token: String,
    body: Vec<u8>,
}

/// How a body says where it ends.
enum Framing {
    Length(usize),
    Chunks,
}

impl Kept {
    /// Connects, in the namespace of the calling thread.
    pub(crate) fn connect(end: &End) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&end.authority).context("a certificate")?)?;
        let config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots)
                .with_no_client_auth();
        let name = ServerName::try_from("127.0.0.1")?;
        let tls = ClientConnection::new(Arc::new(config), name)?;
        let socket = TcpStream::connect(end.address)?;
        socket.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::with_capacity(BUFFER, StreamOwned::new(tls, socket)),
            host: end.address,
            prefix: end.prefix.clone(),
            token: end.token.clone(),
            body: Vec::new(),
        })
    }

    /// GETs the whole answer; ms.
    pub(crate) fn get(&mut self, path: &str) -> Result<f64> {
        let begun = Instant::now();
        self.fetch(path)?;
        Ok(ms(begun.elapsed()))
    }

    /// GETs the whole answer; bytes of its body.
    pub(crate) fn fetch(&mut self, path: &str) -> Result<usize> {
        self.send("GET", path, "")?;
        self.answer()
    }

    /// Merges JSON into an object and waits for the answer.
    pub(crate) fn merge(&mut self, path: &str, json: &str) -> Result<()> {
        self.send("PATCH", path, json)?;
        self.answer().map(|_| ())
    }

    /// GETs a watch, and hands each of its lines to `take` until that says that it has enough.
    pub(crate) fn watch(&mut self, path: &str, mut take: impl FnMut(&[u8]) -> bool) -> Result<()> {
        self.send("GET", path, "")?;
        ensure!(matches!(self.head()?, Framing::Chunks), "no watch");
        let mut line = Vec::new();
        while self.chunk()? {
            for part in self.body.split_inclusive(|byte| *byte == b'\n') {
                line.extend_from_slice(part);
                if line.ends_with(b"\n") {
                    if !take(&line) {
                        return Ok(());
                    }
                    line.clear();
                }
            }
        }
        bail!("the watch has ended")
    }

    fn send(&mut self, method: &str, path: &str, body: &str) -> Result<()> {
        let (prefix, host, token) = (&self.prefix, self.host, &self.token);
        let content = match body.len() {
            0 => String::new(),
            length => format!(
                "Content-Type: application/merge-patch+json\r\nContent-Length: {length}\r\n"
            ),
        };
        let request = format!(
            "{method} {prefix}{path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n\
             Authorization: Bearer {token}\r\n{content}\r\n{body}"
        );
        Ok(self.stream.get_mut().write_all(request.as_bytes())?)
    }

    fn answer(&mut self) -> Result<usize> {
        match self.head()? {
            Framing::Length(length) => {
                self.body.resize(length, 0);
                self.stream.read_exact(&mut self.body)?;
                Ok(length)
            }
            Framing::Chunks => {
                let mut total = 0;
                while self.chunk()? {
                    total += self.body.len();
                }
                Ok(total)
            }
        }
    }

    fn head(&mut self) -> Result<Framing> {
        let status = self.line()?;
        ensure!(status.contains(" 200 "), "the answer is {status}");
        let mut framing = None;
        loop {
            let line = self.line()?.to_ascii_lowercase();
            if line.is_empty() {
                return framing.context("an answer that says where it ends");
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                framing = Some(Framing::Length(value.trim().parse()?));
            } else if line.strip_prefix("transfer-encoding:").map(str::trim) == Some("chunked") {
                framing = Some(Framing::Chunks);
            }
        }
    }

    /// Reads the next chunk; `false` for the last one, which is empty.
    fn chunk(&mut self) -> Result<bool> {
        let length = usize::from_str_radix(&self.line()?, 16).context("a chunk's length")?;
        self.body.resize(length, 0);
        self.stream.read_exact(&mut self.body)?;
        ensure!(self.line()?.is_empty(), "a chunk does not end");
        Ok(length > 0)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        ensure!(line.ends_with('\n'), "the connection has ended");
        Ok(line.trim_end().to_owned())
    }
}
