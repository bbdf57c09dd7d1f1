//! The calls of the agent's socket, declared once.

use std::sync::Arc;

use adit_proto::Reason;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::protocol::{
    AGENT, AgentStatus, ApiCall, ClusterKeyCall, CredentialCall, ExplainedCall, ForwardCall,
    LeaveCall, OpenCall, PingCall, SeatStatus, SignInCall, StatementsCall,
};
use super::server::Agent;
use crate::api::Api;
use crate::exit::Failure;
use crate::profile::ProfileName;
use crate::seat::{Forward, Seat};
use crate::sign_in::Browser;
use crate::statement::AgentDesk;
use crate::talk::Talk;

/// One call, about to be answered.
pub(super) struct Call {
    pub(super) agent: Arc<Agent>,
    pub(super) talk: Talk,
    pub(super) body: Bytes,
}

impl Call {
    /// Answers the call `name` for `profile`.
    pub(super) async fn answer(self, profile: &str, name: &str) -> Result<Value, Failure> {
        if profile == AGENT {
            return self.about_the_agent(name).await;
        }
        let profile: ProfileName = profile.parse().map_err(Failure::new)?;
        let seat = self.agent.seat(&profile).await?;
        match name {
            "api" => self.api(&seat).await,
            "sign-in" => self.sign_in(&seat).await,
            "sign-out" => sign_out(&seat).await,
            "credential" => self.credential(&seat).await,
            "explain" => self.explain(&seat).await,
            "explained" => self.explained(&seat),
            "cluster-key" => self.cluster_key(&seat).await,
            "ping" => self.ping(&seat).await,
            "forward" => self.forward(seat).await,
            "open" => self.open(&seat).await,
            "statements" => self.statements(&seat).await,
            "listener" => json_of(&seat.endpoint().described().await?),
            "move-listener" => json_of(&seat.endpoint().move_away().await?),
            "status" => json_of(&status(&seat).await),
            _ => Err(unknown()),
        }
    }

    async fn about_the_agent(&self, name: &str) -> Result<Value, Failure> {
        match name {
            "status" => json_of(&AgentStatus {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                pid: std::process::id(),
            }),
            "leave" => {
                let asked: LeaveCall = self.read()?;
                Ok(json!({"ended": self.agent.leave(&asked.profile).await}))
            }
            "stop" => {
                self.agent.stop.cancel();
                Ok(Value::Null)
            }
            "hand-over" => Ok(json!({"leaving": self.agent.hand_over()})),
            _ => Err(unknown()),
        }
    }

    fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Failure::new(format!("the call cannot be read: {error}")))
    }

    async fn api(&self, seat: &Seat) -> Result<Value, Failure> {
        let asked: ApiCall = self.read()?;
        let method: Method = asked.method.parse().map_err(Failure::new)?;
        if !asked.path.starts_with("/v1/") {
            let message = "a path of the API begins with /v1/";
            return Err(Failure::of(Reason::RequestMalformed, message));
        }
        let api = seat.api();
        let send = || async {
            let answered = api
                .send(method.clone(), &asked.path, asked.body.clone())
                .await;
            answered?.into_json()
        };
        match &asked.caller {
            Some(caller) => seat.signed_in(caller, &self.talk, send).await,
            None => send().await,
        }
    }

    async fn sign_in(&self, seat: &Seat) -> Result<Value, Failure> {
        let asked: SignInCall = self.read()?;
        let browser = match (asked.headless, asked.ceremony_id) {
            (true, _) => Browser::Elsewhere,
            (false, Some(tab)) => Browser::Tab(tab),
            (false, None) => Browser::Here,
        };
        json_of(&seat.sign_in(&asked.caller, browser, &self.talk).await?)
    }

    async fn credential(&self, seat: &Seat) -> Result<Value, Failure> {
        let asked: CredentialCall = self.read()?;
        let cluster = asked.cluster()?;
        json_of(&seat.credential(&cluster, &asked.caller, &self.talk).await?)
    }

    async fn explain(&self, seat: &Seat) -> Result<Value, Failure> {
        let asked: CredentialCall = self.read()?;
        let cluster = asked.cluster()?;
        json_of(&seat.explain(&cluster, &asked.caller, &self.talk).await?)
    }

    fn explained(&self, seat: &Seat) -> Result<Value, Failure> {
        json_of(&seat.explained(&self.read::<ExplainedCall>()?.id)?)
    }

    async fn statements(&self, seat: &Seat) -> Result<Value, Failure> {
        let asked: StatementsCall = self.read()?;
        let api = seat.api();
        let propose = || async {
            let desk = AgentDesk {
                api: &api,
                caller: &asked.caller,
                directory: seat.directory(),
                talk: &self.talk,
                roster: seat.founded().await?,
                follower: seat.roster(),
            };
            seat.statements()
                .propose(&asked.proposal, &desk, &self.talk)
                .await
        };
        json_of(&seat.signed_in(&asked.caller, &self.talk, propose).await?)
    }

    async fn cluster_key(&self, seat: &Seat) -> Result<Value, Failure> {
        let cluster = self.read::<ClusterKeyCall>()?.cluster()?;
        // Whatever the roster has by now is what there is.
        seat.founded().await?;
        let key = seat.roster().cluster_key(&cluster).ok_or_else(|| {
            let message = format!("the roster has no cluster {cluster} that is trusted");
            Failure::of(Reason::UnknownOrForbidden, message)
        })?;
        Ok(json!({"spki": STANDARD.encode(key.spki())}))
    }

    async fn ping(&self, seat: &Seat) -> Result<Value, Failure> {
        let asked: PingCall = self.read()?;
        let cluster = asked.cluster()?;
        let pinged = seat.signed_in(&asked.caller, &self.talk, || seat.ping(&cluster));
        json_of(&pinged.await?)
    }

    async fn open(&self, seat: &Seat) -> Result<Value, Failure> {
        let asked: OpenCall = self.read()?;
        let target = asked.target()?;
        // Opened first, so that a refusal is told here and not in the browser.
        seat.signed_in(&asked.caller, &self.talk, || seat.session(&target))
            .await?;
        let origin = seat.open(&target, asked.move_port, &asked.caller, &self.talk);
        Ok(json!({"address": origin.await?}))
    }

    async fn forward(self, seat: Arc<Seat>) -> Result<Value, Failure> {
        let asked: ForwardCall = self.read()?;
        let mut serving = JoinSet::new();
        for wanted in &asked.forwards {
            let target = wanted.target()?;
            // Opened first, so that a refusal is told at once.
            seat.signed_in(&asked.caller, &self.talk, || seat.session(&target))
                .await?;
            let forward = Forward::listen(target.clone(), wanted.listen).await?;
            let address = forward.address()?;
            self.talk.say(format!("Forwarding {address} to {target}"));
            serving.spawn(forward.serve(seat.clone(), self.talk.clone()));
        }
        // Until the caller leaves, which drops this.
        serving.join_all().await;
        Ok(Value::Null)
    }
}

async fn sign_out(seat: &Seat) -> Result<Value, Failure> {
    let answered = seat
        .api()
        .send(Method::DELETE, "/v1/sign-ins/current", None)
        .await;
    // Whatever the gateway says: nothing is to be used here any more.
    seat.signed_out();
    match answered?.into_json() {
        Ok(_) => Ok(json!({"signed_out": true})),
        Err(failure) if failure.wants_sign_in() => Ok(json!({"signed_out": false})),
        Err(failure) => Err(failure),
    }
}

async fn status(seat: &Seat) -> SeatStatus {
    // A short wait, so that the first look after a start is not "not yet".
    let trouble = seat.control().line().await.err();
    let described = seat.endpoint().described().await;
    let sessions = seat.sessions();
    SeatStatus {
        profile: seat.name().to_string(),
        gateway: seat.profile().gateway.to_string(),
        connected: trouble.is_none(),
        trouble,
        roster_number: seat.roster().head().number,
        sessions: sessions
            .iter()
            .map(|session| session.target.to_string())
            .collect(),
        links: seat.links(),
        port: described.as_ref().ok().map(|described| described.port),
        port_trouble: described.err(),
    }
}

fn json_of<T: Serialize>(value: &T) -> Result<Value, Failure> {
    serde_json::to_value(value).map_err(Failure::new)
}

fn unknown() -> Failure {
    Failure::of(
        Reason::VersionUnsupported,
        "the agent does not know this call",
    )
    .repaired_by("run `adit agent stop`, so that the next command starts the new agent")
}
