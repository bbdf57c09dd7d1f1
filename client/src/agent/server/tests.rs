use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::*;
use crate::agent::client::AgentClient;
use crate::agent::protocol::{AGENT, StreamCall};
use crate::browser::Caller;
use crate::exit::Exit;
use crate::profile::tests::{paths, profile};

struct Running {
    agent: Arc<Agent>,
    paths: Paths,
    _scratch: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.agent.stop.cancel();
    }
}

fn running() -> Running {
    let scratch = tempfile::tempdir().unwrap();
    let paths = paths(scratch.path());
    let agent = Agent::new(paths.clone(), CancellationToken::new());
    let listener = UnixListener::bind(paths.socket()).unwrap();
    let served = agent.clone();
    agent
        .tasks
        .spawn(async move { serve(&served, &listener).await });
    Running {
        agent,
        paths,
        _scratch: scratch,
    }
}

impl Running {
    async fn call(&self, profile: &str, name: &str, body: Value) -> Result<Value, Failure> {
        let mut client = AgentClient::connect(&self.paths.socket())
            .await
            .unwrap()
            .unwrap();
        client
            .call(profile, name, &body, |_| {})
            .await
            .map(|answered| answered.value)
    }
}

#[tokio::test]
async fn a_call_is_answered_and_an_unknown_one_refused() {
    let running = running();
    let status = running.call(AGENT, "status", Value::Null).await.unwrap();
    assert_eq!(status["pid"], std::process::id());
    let unknown = running
        .call(AGENT, "nonsense", Value::Null)
        .await
        .unwrap_err();
    assert_eq!(unknown.exit, Exit::Denied);
    let missing = running
        .call("nobody", "status", Value::Null)
        .await
        .unwrap_err();
    assert!(missing.message.contains("nobody"), "{missing}");
    assert!(running.call("..", "status", Value::Null).await.is_err());
}

#[tokio::test]
async fn an_agent_that_is_told_to_stop_answers_and_stops() {
    let running = running();
    running.call(AGENT, "stop", Value::Null).await.unwrap();
    running.agent.stop.cancelled().await;
}

#[tokio::test]
async fn an_agent_that_nobody_uses_leaves_to_another() {
    let running = running();
    let asked = running.call(AGENT, "hand-over", Value::Null).await;
    assert_eq!(asked.unwrap()["leaving"], true);
    running.agent.leaving.cancelled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn l1_the_endpoint_of_a_profile_is_described_and_its_files_are_private() {
    use adit_transport::key::PrivateKey;
    let running = running();
    let name: ProfileName = "one".parse().unwrap();
    // Nobody answers there, and nobody has to.
    let profile = Profile {
        gateway: "127.0.0.1:9".parse().unwrap(),
        ..profile()
    };
    profile.save(&running.paths, &name).unwrap();
    let key = PrivateKey::generate(&ring::rand::SystemRandom::new()).unwrap();
    key.store(&crate::profile::key_file(&running.paths, &name))
        .unwrap();
    let described = running.call("one", "listener", Value::Null).await.unwrap();
    assert!(
        described["certificate_pem"]
            .as_str()
            .unwrap()
            .contains("BEGIN CERTIFICATE")
    );
    let moved = running
        .call("one", "move-listener", Value::Null)
        .await
        .unwrap();
    assert_ne!(moved["port"], described["port"]);
    assert_eq!(moved["certificate_pem"], described["certificate_pem"]);
    let seat = running.agent.seat(&name).await.unwrap();
    for entry in std::fs::read_dir(seat.directory()).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
    seat.close().await;
}

#[tokio::test]
async fn a_stream_that_cannot_be_opened_says_why() {
    let running = running();
    let call = |target: &str| StreamCall {
        target: target.to_owned(),
        caller: Caller::this_process(false),
    };
    let stream = async |call: StreamCall| {
        let client = AgentClient::connect(&running.paths.socket()).await;
        let client = client.unwrap().unwrap();
        let nobody = "nobody".parse().unwrap();
        client.stream(&nobody, &call, |_| {}).await.unwrap_err()
    };
    let unknown = stream(call("service/prod/db")).await;
    assert!(unknown.message.contains("nobody"), "{unknown}");
    let malformed = stream(call("prod")).await;
    assert!(malformed.message.contains("target"), "{malformed}");
    let long = stream(call(&"x".repeat(20 << 10))).await;
    assert!(long.message.contains("cannot be read"), "{long}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_that_was_removed_is_left_and_does_not_come_back() {
    use adit_transport::key::PrivateKey;
    let running = running();
    let name: ProfileName = "one".parse().unwrap();
    let profile = Profile {
        gateway: "127.0.0.1:9".parse().unwrap(),
        ..profile()
    };
    profile.save(&running.paths, &name).unwrap();
    let key = PrivateKey::generate(&ring::rand::SystemRandom::new()).unwrap();
    key.store(&crate::profile::key_file(&running.paths, &name))
        .unwrap();
    let described = running.call("one", "listener", Value::Null).await.unwrap();
    let removed = crate::profile::Removed::take(&running.paths, &name).unwrap();
    let leave = json!({"profile": "one"});
    let left = running.call(AGENT, "leave", leave.clone()).await.unwrap();
    assert_eq!(left["ended"], true);
    removed.erase().unwrap();
    let port = u16::try_from(described["port"].as_u64().unwrap()).unwrap();
    let dialled = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
    assert!(dialled.is_err(), "the local endpoint is closed");
    assert!(running.call("one", "listener", Value::Null).await.is_err());
    let again = running.call(AGENT, "leave", leave).await.unwrap();
    assert_eq!(again["ended"], false);
}
