//! What passes a host, as it is on the wire, and what of it can be read with whose keys.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::netns::Host;
use crate::process::{Launch, Process};
use crate::scratch::scratch;
use crate::stack::BOUND;

/// The fields of `tshark` that [`Recording::read`] asks for, in this order.
const FIELDS: [&str; 4] = [
    "udp.payload",
    "quic.frame_type",
    "quic.stream_data",
    "tls.handshake.random",
];

/// What `tshark` prints for a field that is there and empty.
const NOTHING: &str = "<MISSING>";

/// A capture that goes on.
#[derive(Debug)]
pub struct Capture {
    process: Process,
    file: PathBuf,
}

/// A capture that has ended.
#[derive(Debug)]
pub struct Recording {
    file: PathBuf,
}

/// One datagram that was captured.
#[derive(Debug, Clone)]
pub struct Datagram {
    /// What is on the wire.
    pub payload: Vec<u8>,
    /// Whether frames of QUIC could be read in it.
    pub read: bool,
    /// What its frames say in streams.
    pub streams: Vec<u8>,
    /// The random values of the hellos in it, by which secrets are found in a key log.
    pub randoms: Vec<String>,
}

impl Capture {
    /// Captures UDP on the one device of `host`.
    ///
    /// # Errors
    /// When `dumpcap` does not start.
    pub fn start(host: &Host) -> Result<Self> {
        let file = scratch()?.folder("capture")?.join("packets.pcapng");
        let mut process = host
            .netns()
            .launch("dumpcap")
            .args(["-q", "-i", "eth0", "-f", "udp", "-w"])
            .arg(&file)
            .spawn()?;
        process.until_line("File: ", BOUND)?;
        Ok(Self { process, file })
    }

    /// Ends it.
    ///
    /// # Errors
    /// When `dumpcap` does not end in order.
    pub fn finish(self) -> Result<Recording> {
        self.process.stop()?.ok()?;
        Ok(Recording { file: self.file })
    }
}

impl Recording {
    /// Only what comes from or goes to `host`. What a relay passes on is in its capture twice, once on each leg, and
    /// `tshark` loses its place when it meets a packet of a connection again.
    ///
    /// # Errors
    /// When `tshark` fails.
    pub fn leg(&self, host: &Host) -> Result<Self> {
        let file = scratch()?.folder("capture")?.join("leg.pcapng");
        let tshark = Launch::new("tshark").arg("-r").arg(&self.file);
        let chosen = format!("ip.addr == {}", host.address());
        tshark.args(["-Y", &chosen, "-w"]).arg(&file).run()?.ok()?;
        Ok(Self { file })
    }

    /// Reads the datagrams from and to `port` as QUIC, with the secrets in the file `keys`.
    ///
    /// # Errors
    /// When `tshark` fails or prints what is not understood.
    pub fn read(&self, keys: &Path, port: u16) -> Result<Vec<Datagram>> {
        let mut launch = Launch::new("tshark").arg("-r").arg(&self.file).args([
            "-o".to_owned(),
            format!("tls.keylog_file:{}", keys.display()),
            "-d".to_owned(),
            format!("udp.port=={port},quic"),
            "-Y".to_owned(),
            format!("udp.port=={port}"),
            "-T".to_owned(),
            "fields".to_owned(),
        ]);
        for field in FIELDS {
            launch = launch.args(["-e", field]);
        }
        launch.run()?.ok()?.lines().map(parse).collect()
    }
}

fn parse(line: &str) -> Result<Datagram> {
    let mut fields = line.split('\t');
    let mut next = || {
        fields
            .next()
            .with_context(|| format!("a field in {line:?}"))
    };
    let (payload, frames, streams, randoms) = (next()?, next()?, next()?, next()?);
    Ok(Datagram {
        payload: bytes(payload)?,
        read: !frames.is_empty(),
        streams: streams
            .split(',')
            .map(bytes)
            .collect::<Result<Vec<_>>>()?
            .concat(),
        randoms: randoms
            .split(',')
            .filter(|one| !one.is_empty())
            .map(|one| one.replace(':', ""))
            .collect(),
    })
}

/// Hexadecimal digits, perhaps with colons.
fn bytes(text: &str) -> Result<Vec<u8>> {
    if text == NOTHING {
        return Ok(Vec::new());
    }
    let digits: Vec<_> = text
        .chars()
        .filter(|letter| *letter != ':')
        .map(|letter| {
            letter
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        })
        .collect::<Option<_>>()
        .with_context(|| format!("{text:?} is not hexadecimal"))?;
    let (pairs, rest) = digits.as_chunks::<2>();
    anyhow::ensure!(rest.is_empty(), "half a byte in {text:?}");
    Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_fields_are_read() {
        let datagram = parse("40a1\t6,8\t61:62,<MISSING>,63\t0a:0b").unwrap();
        assert_eq!(datagram.payload, [0x40, 0xa1]);
        assert!(datagram.read);
        assert_eq!(datagram.streams, b"abc");
        assert_eq!(datagram.randoms, ["0a0b"]);
        assert!(!parse("40a1\t\t\t").unwrap().read);
        assert!(parse("4\t\t\t").is_err());
    }
}
