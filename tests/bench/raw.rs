//! The baseline: the same load over one raw quinn connection, with the same transport settings and no gateway.

use std::net::SocketAddr;
use std::sync::Arc;

use adit_transport::cid::{ControlIds, ResetKey};
use adit_transport::endpoint;
use adit_transport::key::PrivateKey;
use adit_transport::tls::{self, Alpn, ClientGate, SERVER_NAME, ServerPin};
use anyhow::{Context, Result};
use quinn::{Connection, RecvStream, Runtime, SendStream, TokioRuntime};
use ring::rand::SystemRandom;
use tokio::io::{AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

/// Same socket buffers as a way's, in bytes.
const SOCKET_BUFFER: usize = 4 << 20;

/// Accepts streams on `listen` (UDP) and connects each to `service` (TCP). Prints the key's fingerprint first.
pub(crate) async fn accept(listen: SocketAddr, service: SocketAddr) -> Result<()> {
    let rng = SystemRandom::new();
    let signer = PrivateKey::generate(&rng)?.into_signer();
    println!("key {}", signer.public_key().fingerprint());
    let server = endpoint::link_server(tls::server(signer, &[Alpn::Link], ClientGate::AnyKey)?);
    let endpoint = endpoint::endpoint(
        socket(listen)?,
        ControlIds::ephemeral(&rng)?,
        ResetKey::ephemeral(&rng)?,
        Some(server),
    )?;
    let tasks = TaskTracker::new();
    while let Some(incoming) = endpoint.accept().await {
        let connection = incoming.await?;
        let streams = tasks.clone();
        tasks.spawn(async move {
            while let Ok((send, recv)) = connection.accept_bi().await {
                streams.spawn(async move {
                    let stream = TcpStream::connect(service).await?;
                    splice(stream, send, recv).await
                });
            }
        });
    }
    Ok(())
}

/// Forwards TCP connections on `listen` as streams to the acceptor at `remote`, whose key `fingerprint` names.
pub(crate) async fn forward(
    listen: SocketAddr,
    remote: SocketAddr,
    fingerprint: &str,
) -> Result<()> {
    let connection = connect(remote, fingerprint).await?;
    let listener = TcpListener::bind(listen).await?;
    println!("ready {}", listener.local_addr()?);
    let tasks = TaskTracker::new();
    loop {
        let (stream, _) = listener.accept().await?;
        let connection = connection.clone();
        tasks.spawn(async move {
            let (send, recv) = connection.open_bi().await?;
            splice(stream, send, recv).await
        });
    }
}

async fn connect(remote: SocketAddr, fingerprint: &str) -> Result<Connection> {
    let rng = SystemRandom::new();
    let signer = PrivateKey::generate(&rng)?.into_signer();
    let pin = ServerPin::Key(fingerprint.parse().context("a fingerprint")?);
    let ids = ControlIds::ephemeral(&rng)?;
    let first = ids.clone();
    let config = endpoint::link_client(
        tls::client(signer, Alpn::Link, pin)?,
        Arc::new(move || first.make()),
    );
    let local: SocketAddr = "0.0.0.0:0".parse()?;
    let endpoint = endpoint::endpoint(socket(local)?, ids, ResetKey::ephemeral(&rng)?, None)?;
    Ok(endpoint.connect_with(config, remote, SERVER_NAME)?.await?)
}

async fn splice(mut stream: TcpStream, mut send: SendStream, mut recv: RecvStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let (mut read, mut write) = stream.split();
    let there = async {
        copy(&mut read, &mut send).await?;
        send.shutdown().await
    };
    let back = async {
        copy(&mut recv, &mut write).await?;
        write.shutdown().await
    };
    tokio::try_join!(there, back)?;
    Ok(())
}

fn socket(address: SocketAddr) -> Result<Arc<dyn quinn::AsyncUdpSocket>> {
    let socket = std::net::UdpSocket::bind(address)?;
    rustix::net::sockopt::set_socket_recv_buffer_size(&socket, SOCKET_BUFFER)?;
    rustix::net::sockopt::set_socket_send_buffer_size(&socket, SOCKET_BUFFER)?;
    Ok(TokioRuntime.wrap_udp_socket(socket)?)
}
