use std::sync::atomic::{AtomicUsize, Ordering};

use adit_proto::roster::Subject;
use adit_proto::testing::{Log, TestKey};
use bytes::Bytes;
use futures_util::future::{BoxFuture, join_all};
use http::StatusCode;
use serde_json::Value;

use super::*;
use crate::api::Answer;

/// A gateway that opens sessions with the key that it is told to name.
struct FakeGateway {
    key: Mutex<PublicKey>,
    opened: AtomicUsize,
}

impl Api for FakeGateway {
    fn send<'a>(
        &'a self,
        _: Method,
        _: &'a str,
        _: Option<Value>,
    ) -> BoxFuture<'a, Result<Answer, Failure>> {
        let number = self.opened.fetch_add(1, Ordering::SeqCst);
        let id = SessionId::from_parts(UnixMillis(1), [u8::try_from(number).unwrap(); 10]);
        let body = json!({
            "session_id": id.to_string(),
            "cluster_key": STANDARD.encode(self.key.lock().spki()),
            "instance": STANDARD.encode([9; 16]),
            "route": "8000000000000001",
            "expires_ms": clock::now().after(Duration::from_mins(1)).0,
        });
        let body = Bytes::from(body.to_string());
        Box::pin(async {
            Ok(Answer {
                status: StatusCode::OK,
                body,
            })
        })
    }
}

struct Stage {
    gateway: Arc<FakeGateway>,
    roster: Arc<Followed>,
    sessions: Sessions,
    log: Log,
    target: Target,
    _scratch: tempfile::TempDir,
}

fn stage() -> Stage {
    let scratch = tempfile::tempdir().unwrap();
    let mut log = Log::new();
    let cluster = log.add_cluster("prod");
    let roster = Arc::new(Followed::load(scratch.path(), log.genesis()).unwrap());
    roster.take(&log.client_view()).unwrap();
    let gateway = Arc::new(FakeGateway {
        key: Mutex::new(cluster.key.public().clone()),
        opened: AtomicUsize::new(0),
    });
    let sessions = Sessions::new(gateway.clone(), roster.clone(), TaskTracker::new());
    let target = "cluster/prod".parse().unwrap();
    Stage {
        gateway,
        roster,
        sessions,
        log,
        target,
        _scratch: scratch,
    }
}

#[tokio::test]
async fn forty_at_once_open_one_session_and_a_forgotten_one_is_opened_again() {
    let stage = stage();
    let forty = join_all((0..40).map(|_| stage.sessions.get(&stage.target))).await;
    let first = forty[0].as_ref().unwrap();
    assert!(forty.iter().all(|one| one.as_ref().unwrap().id == first.id));
    assert_eq!(stage.gateway.opened.load(Ordering::SeqCst), 1);
    stage.sessions.forget(first.id, Reason::SessionIdle);
    assert!(first.over.is_cancelled());
    assert_eq!(first.ended(), Some(Reason::SessionIdle));
    assert_ne!(
        stage.sessions.get(&stage.target).await.unwrap().id,
        first.id
    );
}

#[tokio::test(start_paused = true)]
async fn c15_a_cluster_key_that_the_roster_does_not_have_is_refused() {
    let stage = stage();
    *stage.gateway.key.lock() = TestKey::generate().public().clone();
    let refused = stage.sessions.get(&stage.target).await.unwrap_err();
    assert_eq!(refused.reason(), Some(Reason::EvidenceInvalid));
    assert!(stage.sessions.held().is_empty());
    let unknown = "cluster/dev".parse().unwrap();
    let refused = stage.sessions.get(&unknown).await.unwrap_err();
    assert_eq!(refused.reason(), Some(Reason::EvidenceInvalid));
}

#[tokio::test]
async fn the_session_of_a_revoked_cluster_ends() {
    let mut stage = stage();
    let session = stage.sessions.get(&stage.target).await.unwrap();
    stage.sessions.judge_by_roster();
    assert!(!session.over.is_cancelled());
    let cluster = stage
        .roster
        .current()
        .unwrap()
        .cluster(stage.target.cluster())
        .unwrap()
        .id;
    stage.log.revoke(Subject::Cluster(cluster));
    stage.roster.take(&stage.log.client_view()).unwrap();
    stage.sessions.judge_by_roster();
    assert!(session.over.is_cancelled());
    assert!(stage.sessions.held().is_empty());
}
