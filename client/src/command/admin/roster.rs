//! `adit admin roster`: the statements, verified here.

use adit_proto::roster::Roster;
use adit_proto::statement::Kind;
use adit_proto::time::UnixMillis;
use adit_proto::wire::roster::{Body, Statement, statement::Content};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use futures_util::future::BoxFuture;
use http::{Method, StatusCode};
use prost::Message;
use serde_json::{Value, json};

use super::show;
use crate::api::{Answer, Api};
use crate::cli::Global;
use crate::command::request;
use crate::exit::Failure;
use crate::profile::{self, Profile};
use crate::statement::VerifiedLog;
use crate::timestamp;

/// Which statements.
#[derive(Debug, Args)]
pub struct RosterArgs {
    /// Only those signed by this key (SHA256:…)
    #[arg(long, value_name = "KEY")]
    signer: Option<String>,
    /// Only those from this number on
    #[arg(long, value_name = "N", default_value_t = 1)]
    since: u64,
}

impl RosterArgs {
    /// Fetches the whole log, verifies it, and lists it.
    ///
    /// # Errors
    /// What the gateway said, or which statement does not verify.
    pub async fn run(self, global: &Global) -> Result<(), Failure> {
        let paths = global.paths()?;
        let name = profile::choose(&paths, global.profile.as_ref()).map_err(Failure::new)?;
        let profile = Profile::load(&paths, &name).map_err(Failure::new)?;
        let log = VerifiedLog::fetch(&ThroughAgent(global), &profile.genesis).await?;
        let rows: Vec<Value> = log
            .statements
            .iter()
            .map(|statement| row(&log.roster, statement))
            .filter(|row| {
                let signer = row.get("signer").and_then(Value::as_str);
                let number = row.get("number").and_then(Value::as_u64);
                number >= Some(self.since)
                    && self
                        .signer
                        .as_deref()
                        .is_none_or(|wanted| signer == Some(wanted))
            })
            .collect();
        let columns = [
            ("NUMBER", "/number"),
            ("KIND", "/kind"),
            ("SIGNED BY", "/signed_by"),
            ("TIME", "/time"),
            ("SIGNER", "/signer"),
        ];
        show(
            global,
            &json!({ "statements": rows }),
            "statements",
            &columns,
        )
    }
}

fn row(roster: &Roster, statement: &Statement) -> Value {
    let kind = Kind::try_from(statement.kind)
        .map_or_else(|error| error.to_string(), |kind| kind.to_string());
    let signer: [u8; 32] = statement.signer.as_slice().try_into().unwrap_or_default();
    let signer = adit_proto::key::Fingerprint(signer);
    let device = roster.device_by_key(&signer);
    let owner = device.and_then(|device| roster.user(device.owner));
    let invited = roster.invitation_by_key(&signer);
    let signed_by = match (owner, invited) {
        (Some(owner), _) => owner.name.clone(),
        (None, Some(invitation)) => format!("invitation {}", invitation.id),
        (None, None) => "-".to_owned(),
    };
    let time = match &statement.content {
        Some(Content::Body(bytes)) => Body::decode(&bytes[..]).map_or(0, |body| body.time_ms),
        Some(Content::BodyHash(_)) | None => 0,
    };
    let hash = roster
        .hash_at(statement.number)
        .map(|hash| STANDARD.encode(hash));
    json!({"number": statement.number, "kind": kind, "signed_by": signed_by, "hash": hash,
        "time": timestamp::rfc3339(UnixMillis(time)), "time_ms": time, "signer": signer.to_string()})
}

/// The API, through the agent's socket.
struct ThroughAgent<'a>(&'a Global);

impl Api for ThroughAgent<'_> {
    fn send<'a>(
        &'a self,
        method: Method,
        path: &'a str,
        body: Option<Value>,
    ) -> BoxFuture<'a, Result<Answer, Failure>> {
        Box::pin(async move {
            let value = request(self.0, method.as_str(), path, body).await?;
            let body = value.to_string().into();
            Ok(Answer {
                status: StatusCode::OK,
                body,
            })
        })
    }
}
