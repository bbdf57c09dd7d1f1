//! `adit ping`: how long bytes take to the gateway and to a cluster's connector, on the connections that are used.

use std::time::Duration;

use adit_proto::Reason;
use adit_proto::target::{Name, Target};
use adit_proto::wire::link::Ping;
use adit_proto::wire::link::stream_header::Kind;
use quinn::Connection;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::Seat;
use crate::exit::Failure;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// One connection of this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// Who is at its other end: an address, or a connector's instance in hexadecimal.
    pub to: String,
    /// The round-trip time in microseconds.
    pub rtt_us: u64,
    /// The largest datagram in bytes that is known to pass.
    pub mtu: u16,
    /// How datagrams travel.
    pub way: String,
}

/// What one round found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinged {
    /// To the gateway, as QUIC measures it.
    pub gateway: Leg,
    /// Through the gateway to the connector and back: bytes on a stream of the link.
    pub connector: Leg,
}

impl Seat {
    /// Sends bytes to a cluster's connector and waits for them.
    ///
    /// # Errors
    /// A failure that says what to do.
    pub async fn ping(&self, cluster: &Name) -> Result<Pinged, Failure> {
        let control = self.control.line().await?.connection;
        let address = control.remote_address().to_string();
        let gateway = leg(&control, address, control.rtt());
        let session = self.sessions.get(&Target::Cluster(cluster.clone())).await?;
        let link = self.links.connection(&session).await?;
        let mut stream = self.links.stream(&session, Kind::Ping(Ping {})).await?;
        stream.end().pass_through();
        let silent = || {
            let message = format!("the connector of {cluster} does not answer");
            Failure::of(Reason::TargetOffline, message)
        };
        let mut rtt = Duration::MAX;
        // The first one opens the stream too.
        for _ in 0..2 {
            let begun = Instant::now();
            let echoed = timeout(PATIENCE, async {
                stream.write_all(b"ping").await?;
                let mut back = [0; 4];
                stream.read_exact(&mut back).await
            });
            echoed.await.map_err(|_| silent())?.map_err(|_| silent())?;
            rtt = begun.elapsed();
        }
        Ok(Pinged {
            gateway,
            connector: leg(&link, hexadecimal(&session.instance), rtt),
        })
    }
}

fn leg(connection: &Connection, to: String, rtt: Duration) -> Leg {
    Leg {
        to,
        rtt_us: u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX),
        mtu: connection.stats().path.current_mtu,
        // The only way of this version.
        way: "UDP".to_owned(),
    }
}

fn hexadecimal(instance: &[u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(*instance))
}
