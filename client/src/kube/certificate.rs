//! The listener's certificate: self-signed, for 127.0.0.1 alone, no CA. It stands in the kubeconfig.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::private_file::{self, PrivateFileError};

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// Key or certificate cannot be made.
    #[error("no certificate can be made for the local endpoint")]
    Make(#[from] rcgen::Error),
    /// Its files cannot be used.
    #[error("the local endpoint's certificate cannot be used")]
    File(#[from] PrivateFileError),
    /// What is in its files is none.
    #[error(
        "the local endpoint's key or certificate is damaged: remove listener.key and listener.cert, then run `adit kube`"
    )]
    Damaged,
    /// The TLS library refuses it.
    #[error("the local endpoint's certificate is refused")]
    Refused(#[from] rustls::Error),
}

/// Certificate and key of the local listener.
#[derive(Debug)]
pub struct Certificate {
    pem: String,
    key_pem: zeroize::Zeroizing<String>,
}

impl Certificate {
    /// Reads the certificate of the profile in `directory`, and makes it if there is none.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn load_or_create(directory: &Path) -> Result<Self, CertificateError> {
        let (cert, key) = (
            directory.join("listener.cert"),
            directory.join("listener.key"),
        );
        if private_file::read(&cert)?.is_none() {
            let made = make()?;
            private_file::replace(&key, made.key_pem.as_bytes())?;
            // Written last: whoever is killed in between starts anew.
            private_file::replace(&cert, made.pem.as_bytes())?;
        }
        let text = |path: &Path| {
            let bytes = private_file::read(path)?.ok_or(CertificateError::Damaged)?;
            String::from_utf8(bytes).map_err(|_| CertificateError::Damaged)
        };
        let (pem, key_pem) = (text(&cert)?, text(&key)?.into());
        Ok(Self { pem, key_pem })
    }

    /// The certificate in PEM, as the kubeconfig carries it.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The TLS configuration: HTTP/2 and HTTP/1.1, no tickets.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, CertificateError> {
        let damaged = |_| CertificateError::Damaged;
        let cert = CertificateDer::from_pem_slice(self.pem.as_bytes()).map_err(damaged)?;
        let key = PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).map_err(damaged)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![cert], key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn make() -> Result<Certificate, CertificateError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST))];
    params
        .distinguished_name
        .push(DnType::CommonName, "adit agent");
    params.is_ca = IsCa::NoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let pem = params.self_signed(&key)?.pem();
    let key_pem = key.serialize_pem().into();
    Ok(Certificate { pem, key_pem })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificate_is_made_once_and_its_key_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let scratch = tempfile::tempdir().unwrap();
        let one = Certificate::load_or_create(scratch.path()).unwrap();
        let two = Certificate::load_or_create(scratch.path()).unwrap();
        assert_eq!(one.pem(), two.pem());
        assert!(one.server_config().is_ok());
        let mode = std::fs::metadata(scratch.path().join("listener.key"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o600);
    }
}
