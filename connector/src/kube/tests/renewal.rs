//! F34: what the API server is asked with is replaced while the connector runs.

use std::path::PathBuf;

use tokio::time::{pause, resume, timeout};

use super::*;

/// In which a replaced file is read.
const BOUND: Duration = Duration::from_secs(10);

impl Rig {
    fn file(&self, name: &str) -> PathBuf {
        self.world.dir.path().join(name)
    }

    /// What happens within the bound happens now.
    async fn follow(&self) {
        pause();
        let _ = timeout(BOUND, self.kube.upstream().follow()).await;
        resume();
    }

    /// Serves on at the same address with another certificate, which is returned.
    async fn serve_with_another_certificate(&mut self) -> String {
        self.server.shutdown().await;
        let (certificate, acceptor) = identity();
        self.acceptor = acceptor;
        self.serve_on().await;
        certificate
    }

    /// The Authorization header of the newest request.
    fn newest_token(&self) -> String {
        let upstream = self.upstream();
        let newest = upstream
            .lines()
            .rfind(|line| line.starts_with("authorization: "));
        newest.unwrap().to_owned()
    }
}

#[tokio::test]
async fn f34_a_token_that_is_replaced_is_sent_within_ten_seconds() {
    let rig = Rig::with(OK, "first").await;
    rig.is_answered().await;
    assert_eq!(rig.newest_token(), "authorization: Bearer first");
    std::fs::write(rig.file("token"), "second").unwrap();
    rig.follow().await;
    rig.is_answered().await;
    assert_eq!(rig.newest_token(), "authorization: Bearer second");
    // The pool stays: nothing about its connections has changed.
    assert_eq!(rig.seen.connections.lock().len(), 1);
}

#[tokio::test]
async fn f34_an_authority_that_is_replaced_is_believed_within_ten_seconds_and_the_old_one_no_more()
{
    let mut rig = Rig::new().await;
    rig.is_answered().await;
    let old = std::fs::read_to_string(rig.file("ca")).unwrap();
    let certificate = rig.serve_with_another_certificate().await;
    let got = rig.send(get("")).await;
    assert!(got.text.contains("target_offline"), "{}", got.text);

    std::fs::write(rig.file("ca"), certificate).unwrap();
    rig.follow().await;
    rig.is_answered().await;

    // Connections that the old authority vouched for are not used again either.
    std::fs::write(rig.file("ca"), old).unwrap();
    rig.follow().await;
    let got = rig.send(get("")).await;
    assert!(got.text.contains("target_offline"), "{}", got.text);
}

#[tokio::test]
async fn f34_files_that_are_gone_or_half_written_leave_what_was_read_before() {
    let rig = Rig::new().await;
    let ca = std::fs::read_to_string(rig.file("ca")).unwrap();
    let (half, _) = ca.split_at(ca.len() / 2);
    for broken in ["", half] {
        std::fs::write(rig.file("ca"), broken).unwrap();
        rig.follow().await;
        rig.is_answered().await;
    }
    std::fs::remove_file(rig.file("ca")).unwrap();
    std::fs::remove_file(rig.file("token")).unwrap();
    rig.follow().await;
    rig.is_answered().await;
    std::fs::write(rig.file("ca"), ca).unwrap();
    rig.follow().await;
    rig.is_answered().await;
    assert_eq!(rig.newest_token(), "authorization: Bearer token");

    // An empty file is one that says that there is no token.
    std::fs::write(rig.file("token"), "").unwrap();
    rig.follow().await;
    let got = rig.send(get("")).await;
    assert!(got.text.contains("no valid credential"), "{}", got.text);
}

#[tokio::test]
async fn f34_a_401_is_the_clusters_fault_and_nothing_else_is_tried() {
    let refusal =
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=a\r\nContent-Length: 0\r\n\r\n";
    let rig = Rig::answering(refusal).await;
    let got = rig.send(get("Authorization: Bearer canary\r\n")).await;
    assert!(got.text.starts_with("HTTP/1.1 503 "), "{}", got.text);
    assert!(got.text.contains("target_offline"), "{}", got.text);
    assert!(!got.text.to_lowercase().contains("www-"), "{}", got.text);
    let upstream = rig.upstream();
    assert_eq!(upstream.matches("GET ").count(), 1, "{upstream}");
    assert_eq!(rig.newest_token(), "authorization: Bearer token");
    let impersonation = "impersonate-user: anna@example.com";
    assert!(upstream.contains(impersonation), "{upstream}");
}
