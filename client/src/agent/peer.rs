//! Who is at the other end of the socket. The mode of the file keeps others out; this says so even where it does not.

use rustix::process::geteuid;
use tokio::net::UnixStream;

/// Proof that the other end runs as the same user. Only [`same_user`] makes it.
#[derive(Debug)]
pub(super) struct SameUser(());

/// Somebody else is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the other end of the agent's socket belongs to another user")]
pub(super) struct OtherUser;

/// Checks the other end by what the kernel says of it. Root of another user namespace has another number here.
pub(super) fn same_user(stream: &UnixStream) -> Result<SameUser, OtherUser> {
    let peer = stream.peer_cred().map_err(|_| OtherUser)?.uid();
    check(peer, geteuid().as_raw())
}

fn check(peer: u32, own: u32) -> Result<SameUser, OtherUser> {
    (peer == own).then_some(SameUser(())).ok_or(OtherUser)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn l1_only_the_same_user_is_let_in() {
        let (one, _other) = UnixStream::pair().unwrap();
        assert!(same_user(&one).is_ok());
        let own = geteuid().as_raw();
        // Another user, root for everybody else, and the number that unknown namespaces map to.
        for peer in [own + 1, 65_534] {
            assert_eq!(check(peer, own).unwrap_err(), OtherUser);
        }
        assert_eq!(check(0, 1000).unwrap_err(), OtherUser);
    }
}
