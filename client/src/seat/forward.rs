//! `adit forward`: a local port whose connections go to a service in a cluster, one stream each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use adit_proto::target::Target;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Seat, ServiceStream};
use crate::exit::Failure;
use crate::talk::Talk;

/// Connections at once; more wait in the kernel's queue.
const CONNECTIONS: usize = 512;

/// A port that is forwarded for as long as this is served.
#[derive(Debug)]
pub struct Forward {
    listener: TcpListener,
    target: Target,
}

impl Forward {
    /// Opens the local port.
    ///
    /// # Errors
    /// When it is taken.
    pub async fn listen(target: Target, at: SocketAddr) -> Result<Self, Failure> {
        let listener = TcpListener::bind(at)
            .await
            .map_err(|error| Failure::new(format!("cannot listen on {at}: {error}")))?;
        Ok(Self { listener, target })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the system said.
    pub fn address(&self) -> Result<SocketAddr, Failure> {
        self.listener.local_addr().map_err(Failure::new)
    }

    /// Forwards for ever. What goes wrong with a connection is said.
    ///
    /// # Cancel safety
    /// Dropping it closes the port and resets what is open.
    pub async fn serve(self, seat: Arc<Seat>, talk: Talk) {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let next = async {
                let permit = room.clone().acquire_owned().await;
                (permit, self.listener.accept().await)
            };
            let (permit, accepted) = tokio::select! {
                next = next => next,
                Some(_) = connections.join_next() => continue,
            };
            let Ok((stream, _)) = accepted else {
                // Out of descriptors: wait until something is closed instead of spinning.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let (seat, talk, target) = (seat.clone(), talk.clone(), self.target.clone());
            connections.spawn(async move {
                let _permit = permit;
                if let Err(failure) = carry(&seat, &target, stream).await {
                    talk.say(failure.to_string());
                }
            });
        }
    }
}

async fn carry(seat: &Seat, target: &Target, mut local: TcpStream) -> Result<(), Failure> {
    local.set_nodelay(true).map_err(Failure::new)?;
    let stream = ServiceStream::open(seat, target).await?;
    stream.carry(&mut local).await
}
