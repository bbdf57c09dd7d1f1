//! Load over TCP: a service that takes, gives or echoes, and the measurements against it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::Instant;

const CHUNK: usize = 128 << 10;
/// Longest wait for one answer; a measurement that hangs is an error.
const PATIENCE: Duration = Duration::from_secs(30);

/// Serves the load on `listener` for the rest of the process: the first byte of a connection says what it wants.
pub(crate) fn serve(listener: TcpListener) {
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                // A client that went away ends its connection; there is nobody to tell.
                let _ = answer(stream);
            });
        }
    });
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut kind = [0];
    stream.read_exact(&mut kind)?;
    let mut buffer = vec![7; CHUNK];
    match kind {
        [b'U'] => {
            let mut total = 0_u64;
            loop {
                match stream.read(&mut buffer)? {
                    0 => return stream.write_all(&total.to_be_bytes()),
                    read => total += read as u64,
                }
            }
        }
        [b'D'] => loop {
            stream.write_all(&buffer)?;
        },
        _ => loop {
            let read = stream.read(&mut buffer)?;
            let Some(back) = buffer.get(..read).filter(|back| !back.is_empty()) else {
                return Ok(());
            };
            stream.write_all(back)?;
        },
    }
}

/// Opens a connection to the service behind `address`.
pub(crate) fn open(address: SocketAddr, kind: u8) -> Result<TcpStream> {
    let mut stream =
        TcpStream::connect(address).with_context(|| format!("connect to {address}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&[kind])?;
    Ok(stream)
}

/// Sends for `span`; MB/s that arrived.
pub(crate) fn up(address: SocketAddr, span: Duration) -> Result<f64> {
    let mut stream = open(address, b'U')?;
    let chunk = vec![3; CHUNK];
    let begun = Instant::now();
    while begun.elapsed() < span {
        stream.write_all(&chunk)?;
    }
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut total = [0; 8];
    stream
        .read_exact(&mut total)
        .context("the count of what arrived")?;
    Ok(rate(u64::from_be_bytes(total), begun.elapsed()))
}

/// Receives for `span`; MB/s.
pub(crate) fn down(address: SocketAddr, span: Duration) -> Result<f64> {
    let mut stream = open(address, b'D')?;
    let mut buffer = vec![0; CHUNK];
    let (begun, mut total) = (Instant::now(), 0_u64);
    while begun.elapsed() < span {
        total += stream.read(&mut buffer)? as u64;
    }
    Ok(rate(total, begun.elapsed()))
}

/// Sends one byte there and back `count` times on one stream; µs each.
pub(crate) fn pings(address: SocketAddr, count: usize) -> Result<Vec<f64>> {
    pings_on(&mut [open(address, b'E')?], count)
}

/// Sends one byte there and back `count` times, on one stream after the other; µs each.
pub(crate) fn pings_on(streams: &mut [TcpStream], count: usize) -> Result<Vec<f64>> {
    let mut byte = [1];
    let mut spans = Vec::with_capacity(count);
    while spans.len() < count {
        let left = count - spans.len();
        for (number, stream) in streams.iter_mut().enumerate().take(left) {
            let begun = Instant::now();
            stream.write_all(&byte)?;
            let came = stream.read_exact(&mut byte);
            came.with_context(|| format!("a byte on stream {number}"))?;
            spans.push(begun.elapsed().as_secs_f64() * 1e6);
        }
    }
    Ok(spans)
}

/// Opens a stream and waits for its first byte `count` times; µs each.
pub(crate) fn opens(address: SocketAddr, count: usize) -> Result<Vec<f64>> {
    (0..count)
        .map(|_| {
            let begun = Instant::now();
            let mut stream = open(address, b'E')?;
            stream.write_all(&[1])?;
            stream.read_exact(&mut [0])?;
            Ok(begun.elapsed().as_secs_f64() * 1e6)
        })
        .collect()
}

/// MB/s.
pub(crate) fn rate(bytes: u64, span: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a figure of three digits")]
    let bytes = bytes as f64;
    bytes / 1e6 / span.as_secs_f64()
}
