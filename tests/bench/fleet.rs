//! Machines without programs: each is a device's key, a control connection and what is opened on it.
//!
//! A thousand agents would not fit a test machine. What they say to gateway and connector is said here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use adit_client::profile::{self, Profile, ProfileName};
use adit_harness::stack::Engineer;
use adit_proto::frame::Limit;
use adit_proto::key::PublicKey;
use adit_proto::testing::random;
use adit_proto::wire::control::frame::Message;
use adit_proto::wire::control::{Frame, Register, Registered};
use adit_proto::wire::link::stream_header::Kind;
use adit_proto::wire::link::{Heads, HeadsAnswer, StreamHeader};
use adit_proto::wire::roster::Head;
use adit_transport::cid::RouteId;
use adit_transport::endpoint::Liveliness;
use adit_transport::frame::{FrameReader, FrameWriter};
use adit_transport::key::{DeviceSigner, PrivateKey};
use adit_transport::party::{Dial, Nudges, Party, PartyConfig};
use adit_transport::secret_file::Readers;
use adit_transport::stream::{self, LinkStream};
use adit_transport::tls::{Alpn, ServerPin};
use adit_transport::way::Attachment;
use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use quinn::{Connection, RecvStream, SendStream};
use ring::rand::SystemRandom;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::bench_session::paths;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A device that is enrolled and signed in, whose agent does not run.
pub(crate) struct Device {
    signer: Arc<dyn DeviceSigner>,
    gateways: ServerPin,
    gateway: SocketAddr,
}

impl Device {
    /// Takes over from the agent of an engineer.
    pub(crate) fn of(engineer: &Engineer, gateway: SocketAddr) -> Result<Self> {
        engineer.ok(&["agent", "stop"])?;
        let paths = paths(engineer)?;
        let name: ProfileName = "default".parse()?;
        let (key, next) = Profile::load(&paths, &name)?.gateways_keys;
        let key_file = profile::key_file(&paths, &name);
        Ok(Self {
            signer: PrivateKey::load(&key_file, Readers::Owner)?.into_signer(),
            gateways: ServerPin::KeyOrSuccessor(key, next),
            gateway,
        })
    }
}

/// A machine: one process of a device.
pub(crate) struct Machine {
    party: Arc<Party>,
    control: Connection,
    head: Head,
    /// The connector of the last session.
    connector: Option<(RouteId, ServerPin)>,
    link: Option<Connection>,
    /// Reads the control connection for as long as the machine is there.
    _reading: JoinSet<Result<()>>,
}

impl Machine {
    /// Dials the gateway and registers. Inside the runtime and namespace that the machine stays in.
    pub(crate) async fn register(device: Arc<Device>) -> Result<Self> {
        let config = PartyConfig {
            gateway: device.gateway,
            attachment: Attachment::Free,
            signer: device.signer.clone(),
            links_from: None,
        };
        let party = Arc::new(Party::new(config, &SystemRandom::new())?);
        let dial = Dial {
            alpn: Alpn::Control,
            pin: device.gateways,
            liveliness: Liveliness::Prompt,
            patience: Some(PATIENCE),
        };
        let control = party.dial(dial).await?;
        let (send, recv) = control.open_bi().await?;
        let mut writer = FrameWriter::new(send, Limit::PARTY);
        let mut reader = FrameReader::new(recv, Limit::PARTY);
        let register = Register {
            instance: random::<16>().to_vec(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            // As one that has every statement: what a roster costs to read is another figure.
            roster_number: u64::MAX,
            ..Register::default()
        };
        let message = Some(Message::Register(register));
        let critical = false;
        writer.write(&Frame { critical, message }).await?;
        let registered = registered(&mut reader).await?;
        let route = RouteId::from_bits(registered.route).context("a route")?;
        let nudges = party.registered(&control, route)?;
        let mut reading = JoinSet::new();
        reading.spawn(read(reader, writer, party.clone(), nudges));
        Ok(Self {
            party,
            control,
            head: registered.head.context("a head")?,
            connector: None,
            link: None,
            _reading: reading,
        })
    }

    /// Opens a session for `target`.
    pub(crate) async fn open_session(&mut self, target: &str) -> Result<()> {
        let body = json!({"target": target}).to_string();
        let mut stream = stream::open(&self.control, 0).await?;
        let request = format!(
            "POST /v1/sessions HTTP/1.1\r\nHost: adit\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.end().body_complete();
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").context("an answer")?;
        ensure!(head.starts_with("HTTP/1.1 2"), "{answer}");
        let told: Value = serde_json::from_str(body)?;
        let text = |key| told.get(key).and_then(Value::as_str).context("a session");
        let key = PublicKey::from_spki(&STANDARD.decode(text("cluster_key")?)?)?;
        let route = u64::from_str_radix(text("route")?, 16)?;
        let route = RouteId::from_bits(route).context("a route")?;
        self.connector = Some((route, ServerPin::Key(key.fingerprint())));
        Ok(())
    }

    /// Opens the link to the connector of the last session, and compares heads on it.
    pub(crate) async fn open_link(&mut self) -> Result<()> {
        let (route, pin) = self.connector.context("no session yet")?;
        let link = self.party.connect_link(route, pin, PATIENCE).await?;
        let stream: LinkStream = stream::open(&link, 0).await?;
        stream.end().body_complete();
        let head = Some(self.head.clone());
        let mut writer = FrameWriter::new(stream, Limit::PARTY);
        let header = StreamHeader {
            session_id: String::new(),
            kind: Some(Kind::Heads(Heads { head })),
        };
        writer.write(&header).await?;
        let mut reader = FrameReader::new(writer.into_inner(), Limit::PARTY);
        let answer: Option<HeadsAnswer> = reader.read().await?;
        answer.context("the connector's head")?;
        self.link = Some(link);
        Ok(())
    }

    /// Whether everything that was opened is still there.
    pub(crate) fn is_whole(&self) -> bool {
        let lost = |connection: &Connection| connection.close_reason().is_some();
        !lost(&self.control) && !self.link.as_ref().is_some_and(lost)
    }
}

async fn registered(reader: &mut FrameReader<RecvStream>) -> Result<Registered> {
    loop {
        let frame: Frame = reader.read().await?.context("a registration")?;
        if let Some(Message::Registered(registered)) = frame.message {
            return Ok(registered);
        }
    }
}

/// Takes note of pairs, as an agent does; the rest is not for machines without sessions of their own to judge.
async fn read(
    mut reader: FrameReader<RecvStream>,
    _writer: FrameWriter<SendStream>,
    party: Arc<Party>,
    _nudges: Nudges,
) -> Result<()> {
    while let Some(frame) = reader.read::<Frame>().await? {
        if let Some(Message::Pair(pair)) = frame.message
            && let Some(route) = RouteId::from_bits(pair.route)
            && !pair.withdrawn
        {
            party.announced(route);
        }
    }
    Ok(())
}
