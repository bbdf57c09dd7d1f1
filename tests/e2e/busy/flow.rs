//! `adit forward` to a service that gives back what it gets, with known bytes in both directions all the time.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use adit_harness::netns::Host;
use adit_harness::process::Process;
use adit_harness::stack::{BOUND, Engineer};
use adit_harness::wait;
use anyhow::{Context, Result, anyhow, ensure};
use ring::digest::{SHA256, digest};

/// Where the echo service listens, in the cluster's namespace.
pub(crate) const SERVICE: &str = "127.0.0.1:9000";
/// Where the forward listens, in the client's namespace.
const FORWARD: &str = "127.0.0.1:9003";
/// Bytes that are sent at once.
const CHUNK: usize = 4096;
/// How far the sender may be ahead of the reader: it is paced by what comes back, and leaves the machine to others.
const AHEAD: u64 = 16 * 1024;

/// Serves the echo service on this host, until the test process ends.
pub(crate) fn serve_echo(host: &Host) -> Result<()> {
    let listener = host.netns().enter(|| TcpListener::bind(SERVICE))??;
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            thread::spawn(move || {
                // A forward that was cut off shows at its other end.
                let _ = std::io::copy(&mut &stream, &mut &stream);
                let _ = stream.shutdown(Shutdown::Write);
            });
        }
    });
    Ok(())
}

/// A forward, and one connection through it.
pub(crate) struct BusyForward {
    process: Process,
    returned: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    sender: Option<JoinHandle<Result<u64>>>,
    reader: Option<JoinHandle<Result<u64>>>,
}

impl BusyForward {
    /// Starts the forward of `engineer` and sends through it.
    pub(crate) fn start(engineer: &Engineer, host: &Host) -> Result<Self> {
        let mut process = engineer
            .adit(&["forward", "prod/echo", "--listen", FORWARD])
            .spawn()?;
        process.until_line(FORWARD, BOUND)?;
        let stream = host.netns().enter(|| TcpStream::connect(FORWARD))??;
        let (returned, stop) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let sender = thread::spawn({
            let (stream, returned, stop) = (stream.try_clone()?, returned.clone(), stop.clone());
            move || send(stream, &returned, &stop)
        });
        let reader = thread::spawn({
            let returned = returned.clone();
            move || compare(stream, &returned)
        });
        let forward = Self {
            process,
            returned,
            stop,
            sender: Some(sender),
            reader: Some(reader),
        };
        forward.goes_on(BOUND)?;
        Ok(forward)
    }

    /// Waits until bytes have come back that were sent from now on.
    pub(crate) fn goes_on(&self, bound: Duration) -> Result<()> {
        let before = self.returned.load(Ordering::Acquire);
        wait::until("bytes through the forward", bound, || {
            let broken = self.reader.as_ref().is_none_or(JoinHandle::is_finished);
            ensure!(
                !broken,
                "the connection is cut off: {}",
                self.process.stderr()
            );
            let now = self.returned.load(Ordering::Acquire);
            Ok((now > before + 2 * AHEAD).then_some(()))
        })
    }

    /// Ends the connection in order: every byte that was sent has come back, and nothing else.
    pub(crate) fn whole(mut self) -> Result<()> {
        self.stop.store(true, Ordering::Release);
        let sent = join(self.sender.take()).context("the sender")?;
        let returned = join(self.reader.take()).context("the reader")?;
        ensure!(sent == returned, "{returned} of {sent} bytes came back");
        Ok(())
    }

    /// Waits until the connection is cut off, and returns what the command said.
    pub(crate) fn cut_off(mut self, bound: Duration) -> Result<String> {
        wait::until("the end of the connection", bound, || {
            let over = self.reader.as_ref().is_none_or(JoinHandle::is_finished);
            Ok(over.then_some(()))
        })?;
        self.stop.store(true, Ordering::Release);
        // Whole or not: what is asked is that it ended.
        let _ = (join(self.sender.take()), join(self.reader.take()));
        let process = &mut self.process;
        process.until("what the command says", BOUND, |it| {
            let said = it.stderr();
            let over = said.contains("has ended") || said.contains("was cut off");
            Ok(over.then_some(said))
        })
    }
}

impl Drop for BusyForward {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

fn join(thread: Option<JoinHandle<Result<u64>>>) -> Result<u64> {
    let thread = thread.context("joined twice")?;
    thread.join().map_err(|_| anyhow!("a thread panicked"))?
}

fn send(mut stream: TcpStream, returned: &AtomicU64, stop: &AtomicBool) -> Result<u64> {
    let mut sent = 0;
    while !stop.load(Ordering::Acquire) {
        if sent < returned.load(Ordering::Acquire) + AHEAD {
            stream.write_all(&known(sent))?;
            sent += CHUNK as u64;
        } else {
            // The rate of the load, not a synchronisation: the reader moves on without this thread.
            thread::park_timeout(Duration::from_millis(2));
        }
    }
    stream.shutdown(Shutdown::Write)?;
    Ok(sent)
}

fn compare(mut stream: TcpStream, returned: &AtomicU64) -> Result<u64> {
    let mut at = 0;
    loop {
        let mut chunk = [0; CHUNK];
        match stream.read_exact(&mut chunk) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(at),
            Err(error) => return Err(error).context("read"),
        }
        ensure!(chunk[..] == known(at)[..], "bytes from {at} on are others");
        at += CHUNK as u64;
        returned.store(at, Ordering::Release);
    }
}

/// The known bytes from `at` on, one chunk: no two chunks are alike.
fn known(at: u64) -> Vec<u8> {
    digest(&SHA256, &at.to_be_bytes())
        .as_ref()
        .repeat(CHUNK / 32)
}
