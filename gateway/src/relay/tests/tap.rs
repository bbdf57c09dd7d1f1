//! A box between a party and the gateway: it forwards, records, injects, and changes its outer address like a NAT.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

pub(super) struct Tap {
    inner: Arc<UdpSocket>,
    gateway: SocketAddr,
    shared: Arc<Shared>,
    before: Option<Arc<UdpSocket>>,
    back: JoinSet<()>,
    _forth: JoinSet<()>,
}

struct Shared {
    outer: Mutex<Arc<UdpSocket>>,
    party: Mutex<Option<SocketAddr>>,
    recorded: Mutex<Vec<Vec<u8>>>,
}

async fn socket() -> Arc<UdpSocket> {
    Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap())
}

impl Tap {
    pub(super) async fn before(gateway: SocketAddr) -> Self {
        let inner = socket().await;
        let outer = socket().await;
        let shared = Arc::new(Shared {
            outer: Mutex::new(outer.clone()),
            party: Mutex::new(None),
            recorded: Mutex::new(Vec::new()),
        });
        let mut forth = JoinSet::new();
        forth.spawn({
            let (inner, shared) = (inner.clone(), shared.clone());
            async move {
                let mut buf = vec![0; 65_536];
                while let Ok((length, from)) = inner.recv_from(&mut buf).await {
                    *shared.party.lock() = Some(from);
                    shared.recorded.lock().push(buf[..length].to_vec());
                    let outer = shared.outer.lock().clone();
                    let _ = outer.send_to(&buf[..length], gateway).await;
                }
            }
        });
        let mut tap = Self {
            inner,
            gateway,
            shared,
            before: None,
            back: JoinSet::new(),
            _forth: forth,
        };
        tap.listen(outer);
        tap
    }

    /// Where the party dials.
    pub(super) fn addr(&self) -> SocketAddr {
        self.inner.local_addr().unwrap()
    }

    /// Where the gateway sees the party.
    pub(super) fn outer_addr(&self) -> SocketAddr {
        self.shared.outer.lock().local_addr().unwrap()
    }

    /// What the party sent so far.
    pub(super) fn recorded(&self) -> Vec<Vec<u8>> {
        self.shared.recorded.lock().clone()
    }

    /// Sends to the gateway from where the party seems to be.
    pub(super) async fn inject(&self, datagram: &[u8]) {
        let outer = self.shared.outer.lock().clone();
        outer.send_to(datagram, self.gateway).await.unwrap();
    }

    /// Changes the outer address behind the party's back; the old one forwards nothing any more.
    pub(super) async fn rebind(&mut self) {
        let outer = socket().await;
        let before = std::mem::replace(&mut *self.shared.outer.lock(), outer.clone());
        self.before = Some(before);
        self.listen(outer);
    }

    /// Sends everything that the party sent once more, from its address before the last rebinding.
    pub(super) async fn replay_from_before(&self) {
        let before = self.before.as_ref().unwrap();
        for datagram in self.recorded() {
            before.send_to(&datagram, self.gateway).await.unwrap();
        }
    }

    fn listen(&mut self, outer: Arc<UdpSocket>) {
        self.back.abort_all();
        let (inner, shared) = (self.inner.clone(), self.shared.clone());
        self.back.spawn(async move {
            let mut buf = vec![0; 65_536];
            while let Ok((length, _)) = outer.recv_from(&mut buf).await {
                let party = *shared.party.lock();
                if let Some(party) = party {
                    let _ = inner.send_to(&buf[..length], party).await;
                }
            }
        });
    }
}
