//! Certificates and keys of one control plane, and kubeconfig files that name them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use super::API_PORT;

/// Names under which the API server and the kubelet are addressed.
const SERVER_NAMES: [&str; 6] = [
    super::node::NAME,
    "127.0.0.1",
    "localhost",
    "10.96.0.1",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
];

/// An authority and what it signed, in one folder.
#[derive(Debug)]
pub(super) struct Certificates {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Certificates {
    /// Makes the authorities, the API server's certificate, the front proxy's and the key of the service accounts.
    pub(super) fn make(cluster: &Path) -> Result<Self> {
        let folder = cluster.join("certificates");
        fs::create_dir(&folder)?;
        let made = Self {
            issuer: authority(&folder, "ca")?,
            folder,
        };
        made.leaf("apiserver", "kube-apiserver", None)?;
        // What the API server shows to kubelets.
        made.leaf("kubelet-client", "kube-apiserver", Some("system:masters"))?;
        // The API server wants request-header flags to serve `authentication.kubernetes.io` configuration.
        let proxy = authority(&made.folder, "front-proxy-ca")?;
        issue(
            &made.folder,
            &proxy,
            Leaf {
                file: "front-proxy",
                common_name: "front-proxy-client",
                group: None,
            },
        )?;
        let accounts = KeyPair::generate()?;
        fs::write(made.path("accounts.key"), accounts.serialize_pem())?;
        fs::write(made.path("accounts.pub"), accounts.public_key_pem())?;
        Ok(made)
    }

    /// A file in the folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The authority's certificate.
    pub(super) fn authority(&self) -> PathBuf {
        self.path("ca.crt")
    }

    /// Issues `FILE.crt` and `FILE.key` for a user, or for a user in a group.
    fn leaf(&self, file: &str, common_name: &str, group: Option<&str>) -> Result<()> {
        issue(
            &self.folder,
            &self.issuer,
            Leaf {
                file,
                common_name,
                group,
            },
        )
    }

    /// Writes a kubeconfig for a user of Kubernetes who shows a client certificate, and returns its path.
    pub(super) fn kubeconfig(
        &self,
        file: &str,
        user: &str,
        group: Option<&str>,
    ) -> Result<PathBuf> {
        self.leaf(file, user, group)?;
        let [certificate, key] = ["crt", "key"].map(|end| self.path(&format!("{file}.{end}")));
        let credential = format!(
            "client-certificate: {}\n    client-key: {}",
            certificate.display(),
            key.display()
        );
        self.write_kubeconfig(file, &credential)
    }

    /// Writes a kubeconfig for a holder of a token, and returns its path.
    pub(super) fn token_kubeconfig(&self, file: &str, token: &Path) -> Result<PathBuf> {
        self.write_kubeconfig(file, &format!("tokenFile: {}", token.display()))
    }

    fn write_kubeconfig(&self, file: &str, credential: &str) -> Result<PathBuf> {
        let path = self.path(&format!("{file}.kubeconfig"));
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
             clusters:\n- name: test\n  cluster:\n    server: https://127.0.0.1:{API_PORT}\n    \
             certificate-authority: {}\n\
             users:\n- name: {file}\n  user:\n    {credential}\n\
             contexts:\n- name: test\n  context: {{cluster: test, user: {file}}}\n",
            self.authority().display()
        );
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    }
}

#[derive(Clone, Copy)]
struct Leaf<'a> {
    file: &'a str,
    common_name: &'a str,
    group: Option<&'a str>,
}

fn authority(folder: &Path, file: &str) -> Result<Issuer<'static, KeyPair>> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, file);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    let key = KeyPair::generate()?;
    fs::write(
        folder.join(format!("{file}.crt")),
        params.self_signed(&key)?.pem(),
    )?;
    // The controller manager signs with it too.
    fs::write(folder.join(format!("{file}.key")), key.serialize_pem())?;
    Ok(Issuer::new(params, key))
}

fn issue(folder: &Path, issuer: &Issuer<'static, KeyPair>, leaf: Leaf<'_>) -> Result<()> {
    let mut params = CertificateParams::new(SERVER_NAMES.map(ToOwned::to_owned))?;
    params
        .distinguished_name
        .push(DnType::CommonName, leaf.common_name);
    if let Some(group) = leaf.group {
        params
            .distinguished_name
            .push(DnType::OrganizationName, group);
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ClientAuth,
        ExtendedKeyUsagePurpose::ServerAuth,
    ];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    fs::write(
        folder.join(format!("{}.crt", leaf.file)),
        params.signed_by(&key, issuer)?.pem(),
    )?;
    fs::write(
        folder.join(format!("{}.key", leaf.file)),
        key.serialize_pem(),
    )?;
    Ok(())
}
