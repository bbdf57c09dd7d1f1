//! How the connector proves to the API server who it is, and which server it believes.

mod token;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use kube::config::{AuthInfo, Cluster, Kubeconfig};
use ring::digest::{Context, SHA256};
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::Upstream;
use super::upstream::{Access, Server};
use crate::config::{Credentials, Kubernetes};

pub(super) use token::Token;

/// Why the API server cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// A file cannot be read.
    #[error("{} cannot be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The kubeconfig cannot be read.
    #[error("{} is no kubeconfig", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<kube::config::KubeconfigError>,
    },
    /// The kubeconfig lacks something, or has what is not taken from it.
    #[error("{}: {what}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What.
        what: &'static str,
    },
    /// Not `https://host[:port][/path]`.
    #[error("{0} is no https address of an API server")]
    Server(String),
    /// Not PEM, or not what it should be.
    #[error("the {0} is not what it should be")]
    Pem(&'static str),
    /// rustls refuses the certificate, the key or the authority.
    #[error("the certificate, key or authority is refused")]
    Tls(#[source] rustls::Error),
}

/// What a connection to the API server needs, as the files say it now.
pub(super) struct Material {
    pub(super) server: Server,
    authorities: Vec<u8>,
    certificate: Option<(Vec<u8>, Zeroizing<Vec<u8>>)>,
    pub(super) bearer: Bearer,
}

/// What a request carries to say who asks.
pub(super) enum Bearer {
    /// Nothing: the client certificate says it.
    Certificate,
    /// A token, if the file holds one that can be sent.
    Token(Option<Arc<Token>>),
    /// A token, and its file cannot be read.
    Unreadable(CredentialsError),
}

/// Reads what the configuration names and makes the pool. Opens no connection.
///
/// # Errors
/// [`CredentialsError`]. A token that is not there yet is none: requests are refused until it is.
pub fn load(kubernetes: &Kubernetes, connections: usize) -> Result<Upstream, CredentialsError> {
    let access = Access::new(material(kubernetes)?)?;
    let access = ArcSwap::from_pointee(access);
    Ok(Upstream::new(kubernetes.clone(), access, connections))
}

/// Reads what the configuration names.
///
/// # Errors
/// [`CredentialsError`], but not for a token: see [`Bearer`].
pub(super) fn material(kubernetes: &Kubernetes) -> Result<Material, CredentialsError> {
    let (server, ca_file, credentials) = match kubernetes {
        Kubernetes::Kubeconfig { file, context } => {
            return from_kubeconfig(file, context.as_deref());
        }
        Kubernetes::Direct {
            server,
            ca_file,
            credentials,
        } => (server, ca_file, credentials),
    };
    let (certificate, bearer) = match credentials {
        Credentials::Token { file } => (None, token_in(file)),
        Credentials::Certificate {
            cert_file,
            key_file,
        } => {
            let pair = (read(cert_file)?, Zeroizing::new(read(key_file)?));
            (Some(pair), Bearer::Certificate)
        }
    };
    Ok(Material {
        server: address(server)?,
        authorities: read(ca_file)?,
        certificate,
        bearer,
    })
}

fn token_in(file: &Path) -> Bearer {
    match read(file).map(Zeroizing::new) {
        Ok(bytes) => {
            let text = std::str::from_utf8(&bytes).unwrap_or_default();
            Bearer::Token(Token::parse(text).map(Arc::new))
        }
        Err(error) => Bearer::Unreadable(error),
    }
}

impl Material {
    /// Tells whether authorities, certificate and key are those of another moment.
    pub(super) fn print(&self) -> [u8; 32] {
        let mut context = Context::new(&SHA256);
        let (certificate, key) = match &self.certificate {
            Some((certificate, key)) => (certificate.as_slice(), key.as_slice()),
            None => (&[][..], &[][..]),
        };
        for part in [self.authorities.as_slice(), certificate, key] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut print = [0; 32];
        print.copy_from_slice(context.finish().as_ref());
        print
    }

    /// Makes the configuration of connections.
    ///
    /// # Errors
    /// [`CredentialsError::Pem`] and [`CredentialsError::Tls`].
    pub(super) fn tls(&self) -> Result<rustls::ClientConfig, CredentialsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&self.authorities, "authority of the API server")? {
            roots.add(certificate).map_err(CredentialsError::Tls)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(CredentialsError::Tls)?
            .with_root_certificates(roots);
        let Some((chain, key)) = &self.certificate else {
            return Ok(builder.with_no_client_auth());
        };
        let chain = certificates(chain, "client certificate")?;
        let key =
            PrivateKeyDer::from_pem_slice(key).map_err(|_| CredentialsError::Pem("client key"))?;
        builder
            .with_client_auth_cert(chain, key)
            .map_err(CredentialsError::Tls)
    }
}

fn address(server: &str) -> Result<Server, CredentialsError> {
    let refused = || CredentialsError::Server(server.to_owned());
    let uri: Uri = server.parse().map_err(|_| refused())?;
    match (uri.scheme_str(), uri.authority(), uri.query()) {
        (Some("https"), Some(authority), None) if !authority.as_str().contains('@') => {
            let prefix = uri.path().trim_end_matches('/').to_owned();
            let authority = authority.clone();
            Ok(Server { authority, prefix })
        }
        _ => Err(refused()),
    }
}

fn certificates(
    pem: &[u8],
    what: &'static str,
) -> Result<Vec<CertificateDer<'static>>, CredentialsError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    certificates
        .ok()
        .filter(|certificates| !certificates.is_empty())
        .ok_or(CredentialsError::Pem(what))
}

fn from_kubeconfig(file: &Path, context: Option<&str>) -> Result<Material, CredentialsError> {
    let unusable = |what| CredentialsError::Unusable {
        path: file.to_owned(),
        what,
    };
    let config = Kubeconfig::read_from(file).map_err(|source| CredentialsError::Kubeconfig {
        path: file.to_owned(),
        source: Box::new(source),
    })?;
    let (cluster, user) = entries(&config, context).map_err(unusable)?;
    if cluster.insecure_skip_tls_verify == Some(true) {
        return Err(unusable(
            "insecure-skip-tls-verify: an API server that is not verified is not asked",
        ));
    }
    if cluster.tls_server_name.is_some() || cluster.proxy_url.is_some() {
        return Err(unusable("tls-server-name and proxy-url are not supported"));
    }
    if user.exec.is_some() || user.auth_provider.is_some() || user.impersonate.is_some() {
        return Err(unusable(
            "exec, auth-provider and impersonation are not supported: use a token or a certificate",
        ));
    }
    let authorities = bytes_of(
        cluster.certificate_authority_data.as_deref(),
        cluster.certificate_authority.as_deref(),
    )?
    .ok_or_else(|| unusable("the cluster names no certificate authority"))?;
    let key = user
        .client_key_data
        .as_ref()
        .map(ExposeSecret::expose_secret);
    let certificate = bytes_of(
        user.client_certificate_data.as_deref(),
        user.client_certificate.as_deref(),
    )?
    .zip(bytes_of(key, user.client_key.as_deref())?)
    .map(|(certificate, key)| (certificate, Zeroizing::new(key)));
    let bearer = match (&user.token, &user.token_file) {
        (Some(token), _) => {
            let token = Token::parse(token.expose_secret());
            Bearer::Token(token.map(Arc::new))
        }
        (None, Some(path)) => token_in(Path::new(path)),
        (None, None) if certificate.is_some() => Bearer::Certificate,
        (None, None) => {
            return Err(unusable(
                "the user has neither a token nor a client certificate with its key",
            ));
        }
    };
    let server = cluster
        .server
        .as_deref()
        .ok_or_else(|| unusable("the cluster names no server"))?;
    Ok(Material {
        server: address(server)?,
        authorities,
        certificate,
        bearer,
    })
}

/// The cluster and the user of a context.
fn entries<'a>(
    config: &'a Kubeconfig,
    context: Option<&str>,
) -> Result<(&'a Cluster, &'a AuthInfo), &'static str> {
    let name = context
        .or(config.current_context.as_deref())
        .ok_or("it has no current context: set kubernetes.context")?;
    let context = config
        .contexts
        .iter()
        .find(|entry| entry.name == name)
        .and_then(|entry| entry.context.as_ref())
        .ok_or("it has no such context")?;
    let cluster = config
        .clusters
        .iter()
        .find(|entry| entry.name == context.cluster)
        .and_then(|entry| entry.cluster.as_ref())
        .ok_or("it lacks the context's cluster")?;
    let user = config
        .auth_infos
        .iter()
        .find(|entry| Some(&entry.name) == context.user.as_ref())
        .and_then(|entry| entry.auth_info.as_ref())
        .ok_or("it lacks the context's user")?;
    Ok((cluster, user))
}

/// What a kubeconfig has inline in base64, or in a file. `kube` has made the path absolute.
fn bytes_of(inline: Option<&str>, file: Option<&str>) -> Result<Option<Vec<u8>>, CredentialsError> {
    match (inline, file) {
        (Some(inline), _) => STANDARD
            .decode(inline)
            .map(Some)
            .map_err(|_| CredentialsError::Pem("base64 of a kubeconfig")),
        (None, Some(file)) => read(Path::new(file)).map(Some),
        (None, None) => Ok(None),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CredentialsError> {
    std::fs::read(path).map_err(|source| CredentialsError::File {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_addresses_are_taken() {
        for server in [
            "http://a:1",
            "https://",
            "a:1",
            "https://user@a:1",
            "https://a/?q",
        ] {
            assert!(address(server).is_err(), "{server}");
        }
        let Server { authority, prefix } = address("https://a:6443/k8s/x/").unwrap();
        assert_eq!((authority.as_str(), prefix.as_str()), ("a:6443", "/k8s/x"));
        assert_eq!(address("https://a").unwrap().prefix, "");
    }

    #[test]
    fn a_kubeconfig_that_skips_verification_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        let text = "apiVersion: v1\nkind: Config\ncurrent-context: x\n\
            contexts: [{name: x, context: {cluster: c, user: u}}]\n\
            clusters: [{name: c, cluster: {server: 'https://a', insecure-skip-tls-verify: true}}]\n\
            users: [{name: u, user: {token: t}}]\n";
        std::fs::write(&path, text).unwrap();
        let refused = from_kubeconfig(&path, None).err().unwrap().to_string();
        assert!(refused.contains("insecure-skip-tls-verify"), "{refused}");
        std::fs::write(
            &path,
            text.replace(
                "insecure-skip-tls-verify: true",
                "certificate-authority-data: AAAA",
            ),
        )
        .unwrap();
        let taken = from_kubeconfig(&path, None).unwrap();
        assert!(matches!(taken.bearer, Bearer::Token(Some(_))));
        assert!(from_kubeconfig(&path, Some("y")).is_err());
    }
}
