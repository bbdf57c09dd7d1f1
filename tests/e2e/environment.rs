//! L9: an agent and a kubectl whose environment names proxies and certificates.

use adit_harness::stack::Stack;

/// What changes whom other programs trust and talk to. Nothing answers there.
const VARIABLES: [(&str, &str); 8] = [
    ("ALL_PROXY", "http://127.0.0.1:9"),
    ("HTTPS_PROXY", "http://127.0.0.1:9"),
    ("HTTP_PROXY", "http://127.0.0.1:9"),
    ("all_proxy", "http://127.0.0.1:9"),
    ("https_proxy", "http://127.0.0.1:9"),
    ("http_proxy", "http://127.0.0.1:9"),
    ("SSL_CERT_DIR", "/nonexistent"),
    ("SSL_CERT_FILE", "/dev/null"),
];

#[test]
fn l9_proxies_and_certificates_of_the_environment_change_nobodys_trust() {
    let stack = Stack::start().unwrap();
    let ben = stack.engineer("ben@example.org").unwrap();
    let mut kubectl = ben.kubectl("prod").unwrap();
    // The next command starts another, with the environment that it has itself.
    ben.ok(&["agent", "stop"]).unwrap();
    let mut whoami = ben.adit(&["whoami"]);
    for (key, value) in VARIABLES {
        whoami = whoami.env(key, value);
        kubectl = kubectl.env(key, value);
    }
    let who = whoami.run().unwrap().ok().unwrap();
    assert!(who.contains("ben@example.org"), "{who}");
    kubectl.ok(&["get", "namespaces"]).unwrap();
}
