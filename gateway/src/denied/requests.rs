//! A request for each call, about what belongs to somebody.

use std::time::Duration;

use adit_proto::Reason;
use adit_proto::id::{SessionId, SignInId};
use adit_proto::label::sha256;
use adit_proto::roster::Roster;
use adit_proto::statement::Kind;
use adit_proto::testing::Person;
use adit_proto::wire::roster as wire;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use prost::Message;
use serde_json::{Value, json};

use super::scene::{Scene, Somebody};
use crate::ceremony::tests::browser::{assertion_json, asserts, registers};
use crate::ceremony::{CeremonyId, KnownPasskey, Next, RegisterAsk, Returns, SignInAsk, TouchAsk};
use crate::roster_log::TurnId;

const VERIFIER: &str = "0123456789-0123456789-0123456789-0123456789";
const CALLBACK: &str = "http://127.0.0.1:4711/callback";
const STATE: &str = "0123456789abcdef";

/// A request, and what it leaves to tidy up.
#[derive(Clone)]
pub(super) struct Request {
    method: &'static str,
    path: String,
    body: Option<Value>,
    turn: Option<TurnId>,
    session: Option<SessionId>,
    /// What it appends to the roster.
    pub(super) statement: Option<wire::Statement>,
}

impl Request {
    /// Opens a session with a target.
    pub(super) fn session_with(target: &str) -> Self {
        Self {
            method: "POST",
            path: "/v1/sessions".to_owned(),
            body: Some(json!({"target": target})),
            turn: None,
            session: None,
            statement: None,
        }
    }

    /// The request of a row about an id that nothing has; the id of this one, and that one.
    pub(super) fn about_nothing(&self, row: &str) -> (Self, String, String) {
        let at = row.split('/').position(|part| part == "{id}").unwrap();
        let id = self.path.split('/').nth(at).unwrap().to_owned();
        // In all alphabets of ids, and where each letter counts.
        let letter = id.len() - 3;
        let other = if id.as_bytes()[letter] == b'0' {
            "1"
        } else {
            "0"
        };
        let mut none = id.clone();
        none.replace_range(letter..=letter, other);
        let path = self.path.replace(&id, &none);
        let about_nothing = Self {
            path,
            ..self.clone()
        };
        (about_nothing, id, none)
    }

    /// Appends another statement in the turn.
    pub(super) fn append(&mut self, statement: wire::Statement, registration: Value) {
        let sent = STANDARD.encode(statement.encode_to_vec());
        if let Some(body) = &mut self.body {
            body["statement"] = sent.into();
            body["registration_id"] = registration;
        }
        self.statement = Some(statement);
    }

    pub(super) fn body(&self) -> Bytes {
        let text = self.body.as_ref().map(Value::to_string);
        text.unwrap_or_default().into()
    }

    pub(super) fn http<B>(&self, body: B) -> http::Request<B> {
        http::Request::builder()
            .method(self.method)
            .uri(&self.path)
            .header("host", "adit")
            .header("content-type", "application/json")
            .body(body)
            .unwrap()
    }
}

impl Scene {
    /// The request of a row, about what belongs to `owner`. A call that is declared and not here turns the table red.
    #[expect(clippy::too_many_lines, reason = "an arm for each call")]
    pub(super) async fn request(&mut self, row: &'static str, owner: &Somebody) -> Request {
        let (method, path) = row.split_once(' ').unwrap();
        let mut request = Request {
            method,
            path: path.to_owned(),
            body: None,
            turn: None,
            session: None,
            statement: None,
        };
        let named = |id: &dyn std::fmt::Display| path.replace("{id}", &id.to_string());
        match row {
            "POST /v1/sign-ins" => {
                let challenge = URL_SAFE_NO_PAD.encode(sha256(VERIFIER.as_bytes()));
                let tab = self.touch(owner).await.to_string();
                request.body = Some(json!({"pkce_challenge": challenge, "callback": CALLBACK,
                    "state": STATE, "ceremony_id": tab}));
            }
            "POST /v1/sign-ins/{id}/finish" => {
                let (id, code) = self.code(owner).await;
                request.path = named(&id);
                request.body = Some(json!({"code": code, "verifier": VERIFIER}));
            }
            "GET /v1/sign-ins/{id}" => request.path = named(&self.typed(owner).await),
            "POST /v1/sessions" => request.body = Some(json!({"target": "cluster/prod"})),
            "GET /v1/sessions" => request.session = self.session(owner).await,
            "DELETE /v1/sessions/{id}" => {
                request.session = self.session(owner).await;
                let none = SessionId::from_parts(self.rig.clock.now(), [7; 10]);
                request.path = named(&request.session.unwrap_or(none));
            }
            "POST /v1/passkeys/registrations" => {
                request.body = Some(json!({"nonce": STANDARD.encode([6; 32])}));
            }
            "GET /v1/passkeys/registrations/{id}" => {
                request.path = named(&self.registered(owner).await.0);
            }
            "POST /v1/touches" => {
                let signer = STANDARD.encode(owner.person.device.fingerprint().0);
                let hash = STANDARD.encode([5; 32]);
                request.body = Some(json!({"kind": 4, "signer": signer, "body_hash": hash}));
            }
            "GET /v1/touches/{id}" => {
                let touch = self.touch(owner).await;
                self.answer(owner, touch).await;
                request.path = named(&touch);
            }
            "POST /v1/roster/statements" => self.append(owner, &mut request).await,
            "GET /v1/roster/statements" => {
                "/v1/roster/statements?from=1".clone_into(&mut request.path);
            }
            "PUT /v1/admin/policies" | "POST /v1/admin/policies/check" => {
                request.body = Some(json!({"text": "permit(principal, action, resource);"}));
            }
            "GET /v1/admin/policies/{number}" => {
                "/v1/admin/policies/1".clone_into(&mut request.path);
            }
            "POST /v1/admin/devices/{id}/suspend" => {
                request.path = named(&self.bystander.device_id);
                request.body = Some(json!({"reason": "says the test"}));
            }
            "POST /v1/admin/devices/{id}/resume" => request.path = named(&self.bystander.device_id),
            "GET /v1/whoami"
            | "GET /v1/openapi.json"
            | "DELETE /v1/sign-ins/current"
            | "GET /v1/clusters"
            | "GET /v1/services"
            | "GET /v1/devices"
            | "GET /v1/passkeys"
            | "POST /v1/roster/turns"
            | "GET /v1/admin/policies/current"
            | "GET /v1/admin/users"
            | "GET /v1/admin/devices"
            | "GET /v1/admin/invitations"
            | "GET /v1/admin/clusters"
            | "GET /v1/admin/sessions"
            | "GET /v1/admin/audit" => {}
            other => panic!("no request is known for {other}"),
        }
        request
    }

    /// Makes what a request is about expired, used or ended.
    pub(super) async fn is_over(&self, request: &Request) {
        if let Some(turn) = request.turn {
            self.rig.services.roster.give_up(turn);
        }
        if let Some(session) = request.session {
            let broker = &self.rig.services.broker;
            assert!(broker.end(session, Reason::SessionExpired, "").await);
        }
        self.goes_on(Duration::from_mins(6));
    }

    /// Leaves nothing behind that the next request would stumble over.
    pub(super) fn tidy(&mut self, request: &Request, answer: &super::scene::Answer) {
        let answered: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        let given = answered["turn_id"]
            .as_str()
            .map(|turn| turn.parse().unwrap());
        for turn in [request.turn, given].into_iter().flatten() {
            self.rig.services.roster.give_up(turn);
        }
        if let (Some(statement), "allowed") = (&request.statement, answer.outcome().as_str()) {
            self.rig.log.push(statement.clone());
        }
    }

    fn roster(&self) -> std::sync::Arc<Roster> {
        self.rig.services.roster.snapshot().unwrap()
    }

    async fn touch(&self, owner: &Somebody) -> CeremonyId {
        let (roster, device) = (self.roster(), owner.person.device.fingerprint());
        let passkeys = roster.passkeys_of(owner.person.user);
        let ask = TouchAsk {
            device,
            device_name: "laptop".to_owned(),
            owner: owner.person.name.clone(),
            source_address: "192.0.2.1".to_owned(),
            passkeys: passkeys.map(KnownPasskey::from).collect(),
            relying_party: roster.relying_party().clone(),
            genesis: roster.genesis(),
            kind: 4,
            signer: device,
            body_hash: [5; 32],
            goes_on: false,
        };
        let ceremonies = &self.rig.services.ceremonies;
        let begun = ceremonies.begin_touch(ask, Duration::from_mins(1)).await;
        begun.unwrap().id
    }

    /// A further passkey of somebody, up to the browser's answer.
    pub(super) async fn registered(&self, owner: &Somebody) -> (CeremonyId, Person) {
        let (ceremonies, roster) = (&self.rig.services.ceremonies, self.roster());
        let device = roster.device(owner.person.device_id).unwrap();
        let source = "192.0.2.1".parse().unwrap();
        let begun = ceremonies.begin_further(&roster, device, &[6; 32], source);
        let (begun, _) = begun.await.unwrap();
        let options = ceremonies.page(begun.id).await.unwrap().options;
        let fresh = self.rig.log.with_new_passkey(&owner.person);
        let answer = registers(&fresh, &options).json();
        let answered = ceremonies.answer(begun.id, &answer, Some(&roster)).await;
        answered.unwrap();
        (begun.id, fresh)
    }

    async fn answer(&self, owner: &Somebody, ceremony: CeremonyId) -> Next {
        let ceremonies = &self.rig.services.ceremonies;
        let options = ceremonies.page(ceremony).await.unwrap().options;
        let answer = assertion_json(&asserts(&owner.person, &options));
        let roster = self.roster();
        let answered = ceremonies.answer(ceremony, &answer, Some(&roster)).await;
        answered.unwrap()
    }

    /// Begins a sign-in of somebody.
    pub(super) async fn begin_sign_in(&self, owner: &Somebody) -> (SignInId, CeremonyId) {
        let roster = self.roster();
        let device = roster.device(owner.person.device_id).unwrap();
        let ask = SignInAsk {
            pkce_challenge: sha256(VERIFIER.as_bytes()),
            returns: Returns::To {
                callback: CALLBACK.parse().unwrap(),
                state: STATE.parse().unwrap(),
                tab: None,
            },
            source: "192.0.2.1".parse().unwrap(),
        };
        let ceremonies = &self.rig.services.ceremonies;
        let begun = ceremonies
            .begin_sign_in(&roster, device, ask)
            .await
            .unwrap();
        let ceremony = begun.url.rsplit('/').next().unwrap().parse().unwrap();
        (begun.id, ceremony)
    }

    /// A sign-in of somebody on a machine without a browser, answered on another one.
    async fn typed(&self, owner: &Somebody) -> SignInId {
        let roster = self.roster();
        let device = roster.device(owner.person.device_id).unwrap();
        let ask = SignInAsk {
            pkce_challenge: sha256(VERIFIER.as_bytes()),
            returns: Returns::Typed,
            source: "192.0.2.1".parse().unwrap(),
        };
        let ceremonies = &self.rig.services.ceremonies;
        let begun = ceremonies
            .begin_sign_in(&roster, device, ask)
            .await
            .unwrap();
        let ceremony = begun.url.rsplit('/').next().unwrap().parse().unwrap();
        let code = Some(begun.matching_code.as_str());
        ceremonies.options(ceremony, code).await.unwrap();
        self.answer(owner, ceremony).await;
        begun.id
    }

    /// Begins the registration of a passkey, as an enrolment does.
    pub(super) async fn begin_registration(&self, owner: &Somebody) -> CeremonyId {
        let ask = RegisterAsk {
            device: owner.person.device.fingerprint(),
            device_name: "laptop".to_owned(),
            user_name: owner.person.name.clone(),
            user_handle: [1; 16],
            exclude: vec![],
            source_address: "192.0.2.1".to_owned(),
            challenge: [9; 32],
            relying_party: self.roster().relying_party().clone(),
            further: false,
        };
        let begun = self.rig.services.ceremonies.begin_register(ask).await;
        begun.unwrap().id
    }

    /// A sign-in of somebody up to the code that comes to the loopback port.
    async fn code(&self, owner: &Somebody) -> (SignInId, String) {
        let (id, ceremony) = self.begin_sign_in(owner).await;
        let Next::Go(place) = self.answer(owner, ceremony).await else {
            panic!("a sign-in leads back");
        };
        let (_, rest) = place.split_once("?code=").unwrap();
        let (code, _) = rest.split_once('&').unwrap();
        (id, code.to_owned())
    }

    /// A session of somebody; none if he may open none.
    pub(super) async fn session(&mut self, owner: &Somebody) -> Option<SessionId> {
        let target = "cluster/prod".parse().unwrap();
        let opening = self.rig.services.broker.open(&owner.caller, &target);
        let opened = tokio::select! {
            opened = opening => opened,
            never = super::scene::accepts(&mut self.connector) => never,
        };
        opened.ok().map(|opened| opened.session.id)
    }

    /// A statement for admins, in a turn of somebody.
    async fn append(&mut self, owner: &Somebody, request: &mut Request) {
        let log = &mut self.rig.log;
        let user = adit_proto::id::UserId::from_parts(log.now, adit_proto::testing::random());
        let entry = wire::User {
            user_id: user.to_string(),
            name: user.to_string(),
            ..wire::User::default()
        };
        let body = wire::Body {
            users: vec![entry],
            ..log.body()
        };
        let statement = log.sealed(&owner.person, Kind::User, &body);
        let holder = owner.person.device.fingerprint();
        let turn = self.rig.services.roster.turn(holder).await.unwrap().id;
        let sent = STANDARD.encode(statement.encode_to_vec());
        request.body = Some(json!({"turn_id": turn.to_string(), "statement": sent}));
        request.turn = Some(turn);
        request.statement = Some(statement);
    }
}
