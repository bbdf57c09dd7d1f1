//! A plain TCP relay hop: what a gateway costs that reads and writes every byte in clear.

use std::net::SocketAddr;

use anyhow::Result;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

/// Relays each connection on `listen` to `to`.
pub(crate) fn relay(listen: SocketAddr, to: SocketAddr) -> Result<()> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = TcpListener::bind(listen).await?;
        println!("ready");
        let tasks = TaskTracker::new();
        loop {
            let (mut near, _) = listener.accept().await?;
            tasks.spawn(async move {
                let mut far = TcpStream::connect(to).await?;
                copy_bidirectional(&mut near, &mut far).await
            });
        }
    })
}
