//! The node that the other tests stand on: real pods, reached by kubectl directly, with nothing of ours in between.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use adit_harness::cluster::{BUSYBOX, Cluster, Node};
use adit_harness::kubectl::Kubectl;
use adit_harness::scratch::scratch;

const BOUND: Duration = Duration::from_secs(30);

fn cluster() -> (&'static Cluster, &'static Node, Kubectl) {
    let cluster = Cluster::shared().unwrap();
    (cluster, cluster.node().unwrap(), cluster.kubectl().unwrap())
}

#[test]
fn pod_logs_and_is_proxied_and_reaches_the_api_server() {
    let (_cluster, node, kubectl) = cluster();
    node.run_server("talker").unwrap();
    let logs = kubectl.ok(&["logs", "talker"]).unwrap();
    assert!(logs.contains("Started HTTP server on port 8080"), "{logs}");
    let connect = "exec talker -- /agnhost connect --timeout=10s 10.96.0.1:443";
    let args: Vec<_> = connect.split(' ').collect();
    kubectl.ok(&args).unwrap();
    let raw = |path: &str| kubectl.ok(&["get", "--raw", path]).unwrap();
    assert_eq!(
        raw("/api/v1/namespaces/default/pods/talker:8080/proxy/hostname"),
        "talker"
    );
    assert_eq!(raw("/api/v1/nodes/10.98.0.1/proxy/healthz"), "ok");
    node.delete_pod("default", "talker").unwrap();
}

#[test]
fn exec_keeps_streams_apart_and_carries_the_exit_code() {
    let (cluster, node, kubectl) = cluster();
    node.run_pod("runner", &["pause"]).unwrap();
    let command = [
        "exec",
        "-i",
        "runner",
        "--",
        "sh",
        "-c",
        "cat; echo no >&2; exit 42",
    ];
    let older = Kubectl::older(cluster.admin_kubeconfig())
        .unwrap()
        .within(cluster.netns());
    let spdy = kubectl
        .clone()
        .env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "false");
    for kubectl in [kubectl, older, spdy] {
        let finished = kubectl.launch(&command).input("yes\n").run().unwrap();
        assert_eq!(finished.code, Some(42), "{finished:?}");
        assert_eq!(finished.stdout, "yes\n");
        assert!(finished.stderr.starts_with("no\n"), "{finished:?}");
    }
}

#[test]
fn pod_that_ends_has_an_exit_code() {
    let (_cluster, node, _kubectl) = cluster();
    node.apply_pod(&serde_json::json!({
        "metadata": {"name": "short"},
        "spec": {"restartPolicy": "Never", "containers": [
            {"name": "main", "image": BUSYBOX, "command": ["sh", "-c", "exit 3"]},
        ]},
    }))
    .unwrap();
    assert_eq!(node.wait_ended("default", "short").unwrap(), 3);
}

#[test]
fn port_forward_reaches_a_server_in_the_pod() {
    let (cluster, node, kubectl) = cluster();
    node.run_server("server").unwrap();
    let mut forward = kubectl
        .launch(&["port-forward", "pod/server", ":8080"])
        .spawn()
        .unwrap();
    let line = forward
        .until_line("Forwarding from 127.0.0.1:", BOUND)
        .unwrap();
    let address = line.split_whitespace().nth(2).unwrap();
    let mut stream = cluster
        .netns()
        .enter(|| TcpStream::connect(address))
        .unwrap()
        .unwrap();
    stream
        .write_all(b"GET /hostname HTTP/1.0\r\nHost: server\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("\r\n\r\nserver"), "{answer}");
}

#[test]
fn copy_of_twenty_megabytes_comes_back_the_same() {
    let (_cluster, node, kubectl) = cluster();
    node.run_pod("store", &["pause"]).unwrap();
    let folder = scratch().unwrap().folder("copy").unwrap();
    let (there, back) = (folder.join("there"), folder.join("back"));
    let mut bytes = vec![0; 20 << 20];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes).unwrap();
    std::fs::write(&there, &bytes).unwrap();
    kubectl
        .ok(&["cp", there.to_str().unwrap(), "store:/tmp/file"])
        .unwrap();
    kubectl
        .ok(&["cp", "store:/tmp/file", back.to_str().unwrap()])
        .unwrap();
    assert!(std::fs::read(&back).unwrap() == bytes, "not the same bytes");
}
