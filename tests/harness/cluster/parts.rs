//! How each part is started.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::binaries::binary;
use super::certificates::Certificates;
use crate::netns::Netns;
use crate::process::Launch;

/// The audit log's name in the cluster's folder.
pub(super) const AUDIT_LOG: &str = "audit.log";

const ETCD: &str = "http://127.0.0.1:2379";
const ETCD_PEER: &str = "http://127.0.0.1:2380";

const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
";

/// One member. The data lives as long as the tests, so nothing has to survive a power cut.
pub(super) fn etcd(netns: &Netns, folder: &Path) -> Result<Launch> {
    Ok(netns
        .launch(binary("etcd")?)
        .arg("--unsafe-no-fsync")
        .arg("--data-dir")
        .arg(folder.join("etcd"))
        .args([
            "--listen-client-urls",
            ETCD,
            "--advertise-client-urls",
            ETCD,
        ])
        .args([
            "--listen-peer-urls",
            ETCD_PEER,
            "--initial-advertise-peer-urls",
            ETCD_PEER,
        ])
        .args(["--initial-cluster", &format!("default={ETCD_PEER}")]))
}

/// The API server, which audits every request.
///
/// Several of one cluster differ by port and log.
pub(super) fn apiserver(
    netns: &Netns,
    folder: &Path,
    certificates: &Certificates,
    (port, audit_log): (u16, &str),
) -> Result<Launch> {
    let policy = folder.join("audit-policy.yaml");
    fs::write(&policy, AUDIT_POLICY)?;
    let flag = |name: &str, path: &Path| format!("--{name}={}", path.display());
    let file = |name: &str, file: &str| flag(name, &certificates.path(file));
    Ok(netns
        .launch(binary("kube-apiserver")?)
        .args([
            format!("--secure-port={port}"),
            format!("--etcd-servers={ETCD}"),
        ])
        .args([
            "--bind-address=0.0.0.0",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
        ])
        .args([
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
        ])
        .args([
            "--service-cluster-ip-range=10.96.0.0/16",
            "--allow-privileged=true",
        ])
        .arg("--service-account-issuer=https://kubernetes.default.svc.cluster.local")
        .args([
            file("client-ca-file", "ca.crt"),
            file("tls-cert-file", "apiserver.crt"),
            file("tls-private-key-file", "apiserver.key"),
            file("service-account-key-file", "accounts.pub"),
            file("service-account-signing-key-file", "accounts.key"),
            file("requestheader-client-ca-file", "front-proxy-ca.crt"),
            file("proxy-client-cert-file", "front-proxy.crt"),
            file("proxy-client-key-file", "front-proxy.key"),
            file("kubelet-client-certificate", "kubelet-client.crt"),
            file("kubelet-client-key", "kubelet-client.key"),
            file("kubelet-certificate-authority", "ca.crt"),
            flag("audit-policy-file", &policy),
            flag("audit-log-path", &folder.join(audit_log)),
        ])
        .arg("--kubelet-preferred-address-types=InternalIP,Hostname")
        // A rotated log would hide events from a test.
        .arg("--audit-log-maxsize=0")
        .args([
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User",
        ])
        .args([
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        ]))
}

/// The controllers: default accounts, garbage collection, namespaces' end.
pub(super) fn controller_manager(netns: &Netns, certificates: &Certificates) -> Result<Launch> {
    let user = "system:kube-controller-manager";
    let kubeconfig = certificates.kubeconfig("controllers", user, None)?;
    let flag = |name: &str, path: &Path| format!("--{name}={}", path.display());
    Ok(netns
        .launch(binary("kube-controller-manager")?)
        .args([
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
        ])
        .args([
            flag("kubeconfig", &kubeconfig),
            flag(
                "service-account-private-key-file",
                &certificates.path("accounts.key"),
            ),
            flag("root-ca-file", &certificates.authority()),
            flag("cluster-signing-cert-file", &certificates.authority()),
            flag("cluster-signing-key-file", &certificates.path("ca.key")),
        ]))
}

/// The scheduler, which a cluster needs as soon as it has a node.
pub(super) fn scheduler(netns: &Netns, certificates: &Certificates) -> Result<Launch> {
    let kubeconfig = certificates.kubeconfig("scheduler", "system:kube-scheduler", None)?;
    Ok(netns
        .launch(binary("kube-scheduler")?)
        .args(["--leader-elect=false", "--bind-address=127.0.0.1"])
        .arg(format!("--kubeconfig={}", kubeconfig.display())))
}
