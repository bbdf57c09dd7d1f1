//! What is said on a control connection.

use std::sync::Arc;
use std::time::Duration;

use adit_proto::Reason;
use adit_proto::frame::Limit;
use adit_proto::statement::Head;
use adit_proto::wire::control::frame::Message;
use adit_proto::wire::control::{Frame, Probe, Register, Registered, RosterFetch};
use adit_transport::cid::RouteId;
use adit_transport::frame::{FrameIoError, FrameReader, FrameWriter};
use adit_transport::party::Party;
use quinn::{Connection, RecvStream, SendStream};
use tokio::time::{Instant, timeout};

use super::{Control, Dialler, Line, State};
use crate::exit::Failure;
use crate::reset;

/// How long the gateway may take to register us.
const REGISTERING: Duration = Duration::from_secs(10);

/// Registers, and serves the line until it is lost. `Some` where the gateway said why, or spoke nonsense.
pub(super) async fn hold(
    control: &Control,
    dialler: &Dialler,
    party: Arc<Party>,
    connection: Connection,
) -> Option<Failure> {
    let spoken = speak(control, dialler, party, &connection).await;
    let failure = spoken.err().and_then(|broken| broken.said(&connection));
    connection.close(0_u32.into(), b"");
    failure
}

/// Why the line ended.
enum Broken {
    /// It was lost.
    Lost(FrameIoError),
    /// The gateway said goodbye, or something that cannot be.
    Said(Failure),
}

impl From<FrameIoError> for Broken {
    fn from(error: FrameIoError) -> Self {
        Self::Lost(error)
    }
}

impl Broken {
    fn said(self, connection: &Connection) -> Option<Failure> {
        let error = match self {
            Self::Said(failure) => return Some(failure),
            Self::Lost(error) => error,
        };
        let closed = connection.close_reason();
        let closed = closed.as_ref().and_then(|error| reset::reason(error));
        let reason = closed.or_else(|| reset::reason(&error))?;
        Some(Failure::of(
            reason,
            format!("the gateway closed the connection ({reason})"),
        ))
    }
}

fn nonsense(what: &str) -> Broken {
    Broken::Said(Failure::of(Reason::VersionUnsupported, what))
}

struct Ends {
    reader: FrameReader<RecvStream>,
    writer: FrameWriter<SendStream>,
}

async fn speak(
    control: &Control,
    dialler: &Dialler,
    party: Arc<Party>,
    connection: &Connection,
) -> Result<(), Broken> {
    let lost = |error: quinn::ConnectionError| Broken::Lost(FrameIoError::Stream(error.into()));
    let (send, recv) = connection.open_bi().await.map_err(lost)?;
    let mut ends = Ends {
        reader: FrameReader::new(recv, Limit::PARTY),
        writer: FrameWriter::new(send, Limit::PARTY),
    };
    let registered = timeout(REGISTERING, register(dialler, &mut ends))
        .await
        .map_err(|_| nonsense("the gateway did not register this device in time"))??;
    let route = RouteId::from_bits(registered.route)
        .ok_or_else(|| nonsense("the gateway gave no route"))?;
    let mut nudges = party
        .registered(connection, route)
        .map_err(|error| Broken::Said(Failure::new(error)))?;
    for lost in &registered.lost_sessions {
        let reason = lost.reason.parse().unwrap_or(Reason::SessionExpired);
        let detail = "it ended while the gateway was not reached";
        dialler
            .heard
            .session_ended(&lost.session_id, reason, detail);
    }
    check_head(dialler, &registered);
    let line = Line {
        party: party.clone(),
        connection: connection.clone(),
        since: Instant::now(),
    };
    control.state.send_replace(State::Registered(line));
    tracing::info!("Registered at the gateway.");
    loop {
        tokio::select! {
            frame = ends.reader.read::<Frame>() => {
                let frame = frame?.ok_or(Broken::Lost(FrameIoError::Truncated))?;
                take(control, dialler, &party, frame)?;
            }
            Some(()) = nudges.recv() => say(&mut ends, Message::Probe(Probe {})).await?,
            () = control.fetch.notified() => {
                let from_number = dialler.roster.head().number + 1;
                say(&mut ends, Message::RosterFetch(RosterFetch { from_number })).await?;
            }
        }
    }
}

async fn say(ends: &mut Ends, message: Message) -> Result<(), Broken> {
    let frame = Frame {
        critical: false,
        message: Some(message),
    };
    Ok(ends.writer.write(&frame).await?)
}

async fn register(dialler: &Dialler, ends: &mut Ends) -> Result<Registered, Broken> {
    let sessions = dialler.heard.sessions();
    let routes = dialler.heard.routes();
    let register = Register {
        instance: dialler.instance.to_vec(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        roster_number: dialler.roster.head().number,
        sessions: sessions.iter().map(ToString::to_string).collect(),
        peer_routes: routes.into_iter().map(RouteId::bits).collect(),
        ..Register::default()
    };
    say(ends, Message::Register(register)).await?;
    loop {
        let frame = ends.reader.read::<Frame>().await?;
        match frame.and_then(|frame| frame.message) {
            Some(Message::Registered(registered)) => return Ok(registered),
            Some(Message::Goodbye(goodbye)) => {
                return Err(farewell(&goodbye.reason, &goodbye.detail));
            }
            Some(_) => {}
            None => return Err(Broken::Lost(FrameIoError::Truncated)),
        }
    }
}

/// Says so when the gateway shows an older log than is held here: a backup was restored, or it holds back.
fn check_head(dialler: &Dialler, registered: &Registered) {
    let held = dialler.roster.head();
    let shown = registered.head.as_ref().map(Head::try_from);
    if let Some(Ok(shown)) = shown
        && shown.number < held.number
    {
        tracing::warn!(
            held = held.number,
            shown = shown.number,
            "The gateway shows an older roster than this machine has seen."
        );
    }
}

fn farewell(reason: &str, detail: &str) -> Broken {
    let reason = reason.parse().unwrap_or(Reason::GatewayUnreachable);
    let detail: String = detail
        .chars()
        .filter(|c| !c.is_control())
        .take(200)
        .collect();
    let message = match detail.as_str() {
        "" => "the gateway said goodbye".to_owned(),
        detail => format!("the gateway said goodbye: {detail}"),
    };
    Broken::Said(Failure::of(reason, message))
}

fn take(control: &Control, dialler: &Dialler, party: &Party, frame: Frame) -> Result<(), Broken> {
    match frame.message {
        Some(Message::RosterStatements(sent)) => {
            if let Err(error) = dialler.roster.take(&sent.statements) {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "Statements of the gateway are refused."
                );
            }
        }
        Some(Message::Pair(pair)) => {
            if let Some(route) = RouteId::from_bits(pair.route) {
                if pair.withdrawn {
                    party.withdrawn(route);
                } else {
                    party.announced(route);
                }
            }
        }
        Some(Message::SessionEnded(ended)) => {
            let reason = ended.reason.parse().unwrap_or(Reason::SessionExpired);
            dialler
                .heard
                .session_ended(&ended.session_id, reason, &ended.detail);
        }
        Some(Message::Lease(lease)) if lease.roster_number > dialler.roster.head().number => {
            control.fetch_statements();
        }
        Some(Message::Goodbye(goodbye)) => return Err(farewell(&goodbye.reason, &goodbye.detail)),
        None if frame.critical => return Err(nonsense("the gateway relies on a newer version")),
        // For connectors, or of a later version.
        Some(_) | None => {}
    }
    Ok(())
}
