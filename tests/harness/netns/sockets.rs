//! What `ss` prints.

use anyhow::{Context, Result};

/// A line of `ss -lntu`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// `LISTEN` or `UNCONN`.
    pub state: String,
    /// Local address and port.
    pub local: String,
}

/// Reads the output of `ss -H -lntu`.
pub(super) fn parse(text: &str) -> Result<Vec<Socket>> {
    text.lines()
        .map(|line| socket(line).with_context(|| format!("unknown line of ss: {line}")))
        .collect()
}

fn socket(line: &str) -> Option<Socket> {
    let mut words = line.split_whitespace();
    let protocol = words.next()?.to_owned();
    let state = words.next()?.to_owned();
    // Between them stand the lengths of the two queues.
    let local = words.nth(2)?.to_owned();
    Some(Socket {
        protocol,
        state,
        local,
    })
}
