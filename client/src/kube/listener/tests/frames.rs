//! An HTTP/2 client that sends any frame, also ones that no library would send.

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

use super::*;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
/// The first stream of a client.
pub(super) const STREAM: u32 = 1;

/// One frame (RFC 9113, section 4.1).
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Headers as literals that are not indexed, byte for byte (RFC 7541, section 6.2.2).
pub(super) fn block<N: AsRef<[u8]>, V: AsRef<[u8]>>(headers: &[(N, V)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in headers {
        bytes.push(0);
        string(&mut bytes, name.as_ref());
        string(&mut bytes, value.as_ref());
    }
    bytes
}

/// A string as it is (RFC 7541, sections 5.1 and 5.2).
pub(super) fn string(to: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text.len();
    if rest < 127 {
        to.push(u8::try_from(rest).unwrap());
    } else {
        to.push(127);
        rest -= 127;
        while rest >= 128 {
            to.push(u8::try_from(rest % 128).unwrap() | 128);
            rest /= 128;
        }
        to.push(u8::try_from(rest).unwrap());
    }
    to.extend(text);
}

/// What a stream came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// An answer with this body.
    Answer(String),
    /// The stream was reset, with this code.
    StreamError(u32),
    /// The connection was given up, with the code of `GOAWAY` if there was one.
    ConnectionError(Option<u32>),
}

/// A connection.
pub(super) struct Raw {
    read: ReadHalf<TlsStream<TcpStream>>,
    write: WriteHalf<TlsStream<TcpStream>>,
}

impl Raw {
    pub(super) async fn connect(local: &Local) -> Self {
        let (read, write) = tokio::io::split(local.connect("h2").await);
        let mut raw = Self { read, write };
        assert!(raw.send(PREFACE).await);
        assert!(raw.send(&frame(SETTINGS, 0, 0, &[])).await);
        raw
    }

    /// Sends bytes; says whether the other end still takes any.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> bool {
        self.write.write_all(bytes).await.is_ok() && self.write.flush().await.is_ok()
    }

    /// Sends `again` until the other end has had enough, at most `times`.
    pub(super) async fn flood(
        &mut self,
        times: usize,
        mut again: impl FnMut(usize) -> Vec<u8>,
    ) -> Came {
        let (read, write) = (&mut self.read, &mut self.write);
        let flood = async {
            for time in 0..times {
                if write.write_all(&again(time)).await.is_err() {
                    break;
                }
            }
            let _ = write.flush().await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = flood => unreachable!("it never ends"),
            came = came(read, None) => came,
        }
    }

    /// Waits until it is known what becomes of a stream.
    pub(super) async fn outcome(&mut self, stream: u32) -> Came {
        came(&mut self.read, Some(stream)).await
    }
}

/// Reads until the connection is given up, or it is known what becomes of the stream `of`.
async fn came(read: &mut (impl AsyncReadExt + Unpin), of: Option<u32>) -> Came {
    let reading = async {
        let mut body = Vec::new();
        while let Some((kind, flags, stream, payload)) = next(read).await {
            let code = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
            match kind {
                GOAWAY => return Came::ConnectionError(Some(code(4))),
                _ if Some(stream) != of => {}
                RST_STREAM => return Came::StreamError(code(0)),
                DATA | HEADERS => {
                    if kind == DATA {
                        body.extend(&payload);
                    }
                    if flags & END_STREAM != 0 {
                        return Came::Answer(String::from_utf8(body).unwrap());
                    }
                }
                _ => {}
            }
        }
        Came::ConnectionError(None)
    };
    let patience = Duration::from_secs(20);
    timeout(patience, reading).await.expect("something comes")
}

async fn next(read: &mut (impl AsyncReadExt + Unpin)) -> Option<(u8, u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    read.read_exact(&mut head).await.ok()?;
    let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = head;
    let mut payload = vec![0; usize::try_from(u32::from_be_bytes([0, l0, l1, l2])).ok()?];
    read.read_exact(&mut payload).await.ok()?;
    Some((kind, flags, u32::from_be_bytes([s0, s1, s2, s3]), payload))
}
