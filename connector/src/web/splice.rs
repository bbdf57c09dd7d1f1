//! What follows a 101: raw bytes both ways between browser and application, however long.

use adit_proto::Reason;
use bytes::BytesMut;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::h1::Ending;
use crate::metered::Metered;
use crate::service::{Counter, Tally};

/// Both ends of a stream that became a WebSocket.
#[derive(Debug)]
pub(super) struct Splice {
    pub(super) client: OnUpgrade,
    pub(super) application: Metered<TcpStream, Counter>,
    /// What the application sent right behind its 101.
    pub(super) read: BytesMut,
    pub(super) tally: Tally,
}

impl Splice {
    /// Carries bytes until both ends have closed, each direction by itself.
    ///
    /// # Cancel safety
    /// Dropping it cuts both sides off.
    pub(super) async fn run(mut self, ending: &impl Ending) {
        let Ok(client) = self.client.await else {
            return;
        };
        ending.pass_through();
        let mut client = TokioIo::new(client);
        let carried = async {
            client.write_all(&self.read).await?;
            self.application.carry(&mut client).await
        };
        self.tally.whole(carried.await.is_ok());
        if self.application.is_broken() {
            ending.cut_off(Reason::TargetOffline);
            self.tally.failed(Reason::TargetOffline);
        }
    }
}
