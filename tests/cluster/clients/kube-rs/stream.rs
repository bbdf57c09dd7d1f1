//! What goes both ways: exec, attach and port-forward.

use std::future::pending;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::Api;
use kube::api::{AttachParams, AttachedProcess, TerminalSize};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy, copy_bidirectional};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

/// Runs a program in a pod and returns its exit code.
pub(crate) async fn exec(pods: &Api<Pod>, words: &[&str]) -> Result<ExitCode> {
    let end = words.iter().position(|word| *word == "--");
    let (options, command) = words.split_at(end.context("-- COMMAND")?);
    let (pod, options) = options.split_last().context("a pod")?;
    let on_terminal = options.contains(&"-it");
    let with_input = on_terminal || options.contains(&"-i");
    let terminal = on_terminal.then(Raw::begin).transpose()?;
    let command: Vec<_> = command.iter().skip(1).copied().collect();
    let attached = pods
        .exec(pod, command, &params(with_input, on_terminal))
        .await?;
    carry(attached, terminal).await
}

/// Attaches to the program that runs in a pod, on a terminal.
pub(crate) async fn attach(pods: &Api<Pod>, pod: &str) -> Result<ExitCode> {
    let terminal = Raw::begin()?;
    eprint!("If you don't see a command prompt, try pressing enter.\r\n");
    let attached = pods.attach(pod, &params(true, true)).await?;
    carry(attached, Some(terminal)).await
}

fn params(with_input: bool, on_terminal: bool) -> AttachParams {
    AttachParams::default()
        .stdin(with_input)
        .stdout(true)
        .stderr(!on_terminal)
        .tty(on_terminal)
}

/// Carries input and both outputs until the program has ended.
async fn carry(mut attached: AttachedProcess, terminal: Option<Raw>) -> Result<ExitCode> {
    let status = attached.take_status().context("a status")?;
    let (input, sizes) = (attached.stdin(), attached.terminal_size());
    let (output, failures) = (attached.stdout(), attached.stderr());
    let typed = async {
        if let Some(mut input) = input {
            copy(&mut tokio::io::stdin(), &mut input).await?;
            input.shutdown().await?;
        }
        pending::<Result<ExitCode>>().await
    };
    let resized = async {
        let Some(mut sizes) = sizes else {
            return pending().await;
        };
        let mut changes = signal(SignalKind::window_change())?;
        loop {
            let size = tcgetwinsize(std::io::stdin())?;
            sizes.try_send(TerminalSize {
                width: size.ws_col,
                height: size.ws_row,
            })?;
            changes.recv().await.context("no more signals")?;
        }
    };
    let written = async {
        tokio::try_join!(
            written(output, tokio::io::stdout()),
            written(failures, tokio::io::stderr())
        )?;
        code(&status.await.context("the program ended without a status")?)
    };
    let ended = tokio::select! {
        ended = written => ended,
        ended = typed => ended,
        ended = resized => ended,
    };
    drop(terminal);
    ended
}

async fn written(
    from: Option<impl AsyncRead + Unpin>,
    mut to: impl AsyncWrite + Unpin,
) -> Result<()> {
    if let Some(mut from) = from {
        let mut piece = [0; 4096];
        loop {
            let read = tokio::io::AsyncReadExt::read(&mut from, &mut piece).await?;
            let Some(piece) = piece.get(..read).filter(|piece| !piece.is_empty()) else {
                break;
            };
            to.write_all(piece).await?;
            to.flush().await?;
        }
    }
    Ok(())
}

/// The exit code that a status tells.
fn code(status: &Status) -> Result<ExitCode> {
    if status.status.as_deref() == Some("Success") {
        return Ok(ExitCode::SUCCESS);
    }
    let causes = status.details.iter().flat_map(|it| &it.causes).flatten();
    let code = causes
        .filter(|cause| cause.reason.as_deref() == Some("ExitCode"))
        .find_map(|cause| cause.message.as_deref()?.parse::<u8>().ok());
    match code {
        Some(code) => Ok(code.into()),
        None => bail!("the program failed: {status:?}"),
    }
}

/// A port on loopback; each connection to it is a stream of its own.
pub(crate) async fn port_forward(pods: &Api<Pod>, pod: &str, port: u16) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("Forwarding from {} -> {port}", listener.local_addr()?);
    let mut connections = JoinSet::new();
    loop {
        let (mut here, _) = listener.accept().await?;
        let mut forwarder = pods.portforward(pod, &[port]).await?;
        let mut there = forwarder.take_stream(port).context("a stream")?;
        connections.spawn(async move {
            if let Err(error) = copy_bidirectional(&mut here, &mut there).await {
                eprintln!("a connection broke: {error}");
            }
            drop(there);
            if let Err(error) = forwarder.join().await {
                eprintln!("a forward broke: {error}");
            }
        });
    }
}

/// A terminal that passes on what is typed as it is, until this is dropped.
struct Raw(Termios);

impl Raw {
    fn begin() -> Result<Self> {
        let before = tcgetattr(std::io::stdin()).context("a terminal")?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(std::io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // Without a terminal there is nothing to put back.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
    }
}
