//! A [`DeviceSigner`] as rustls wants to see it.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{Error, OtherError, SignatureAlgorithm, SignatureScheme};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::key::{DeviceSigner, SignError};

/// Wraps a signer so that its SubjectPublicKeyInfo goes where a certificate would (RFC 7250, section 3).
pub(super) fn raw_key(signer: Arc<dyn DeviceSigner>) -> Arc<CertifiedKey> {
    let spki = CertificateDer::from(signer.public_key().spki().to_vec());
    Arc::new(CertifiedKey::new(vec![spki], Arc::new(P256Signer(signer))))
}

#[derive(Debug, Clone)]
struct P256Signer(Arc<dyn DeviceSigner>);

impl SigningKey for P256Signer {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered
            .contains(&SignatureScheme::ECDSA_NISTP256_SHA256)
            .then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(SubjectPublicKeyInfoDer::from(self.0.public_key().spki()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for P256Signer {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        unhurried(|| self.0.sign(message))
            .map_err(|error| Error::Other(OtherError(Arc::new(error))))
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_NISTP256_SHA256
    }
}

/// rustls signs synchronously inside quinn's driver: a signer that waits for hardware must not hold up a worker.
fn unhurried(sign: impl FnOnce() -> Result<Vec<u8>, SignError>) -> Result<Vec<u8>, SignError> {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(sign),
        _ => sign(),
    }
}
