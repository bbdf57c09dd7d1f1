//! A user who adds a passkey and removes one, in a log of which she sees a client's part.

use adit_proto::Reason;
use adit_proto::assertion::own_passkey_challenge;
use adit_proto::key::PublicKey;
use adit_proto::label::{Hash, sha256};
use adit_proto::roster::{Subject, View};
use adit_proto::statement::{Head, touch_challenge};
use adit_proto::testing::{Log, Person, TestKey};
use adit_proto::wire::roster::Statement;
use adit_transport::key::SignError;
use futures_util::future::BoxFuture;
use http::StatusCode;

use super::super::*;
use crate::api::{Answer, Api};

const THEIRS: Hash = [4; 32];

/// What the gateway does with a registration, or with the list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lie {
    None,
    /// Nobody verified the user.
    Unverified,
    /// A registration that was made for another challenge.
    OtherChallenge,
    /// A turn after a statement that the agent has not seen.
    OtherHead,
}

#[derive(Debug)]
struct Signer(TestKey);

impl DeviceSigner for Signer {
    fn public_key(&self) -> &PublicKey {
        self.0.public()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        Ok(self.0.sign(message))
    }
}

/// A gateway in memory; Ann's browser touches with `ann` and makes the passkey of `fresh`.
struct Gateway {
    log: Mutex<Log>,
    ann: Person,
    fresh: Person,
    lie: Lie,
    asked: Mutex<Value>,
    posted: Mutex<Value>,
}

impl Gateway {
    fn new(lie: Lie) -> Self {
        let mut log = Log::new();
        let ann = log.add_person_with_self_service("ann", &[]);
        log.add_person("bob", &[]);
        let fresh = log.with_new_passkey(&ann);
        // Bodies have the agent's time here.
        log.now = crate::clock::now();
        log.add_cluster("prod");
        Self {
            log: Mutex::new(log),
            ann,
            fresh,
            lie,
            asked: Mutex::new(Value::Null),
            posted: Mutex::new(Value::Null),
        }
    }

    async fn propose(&self, proposal: &Proposal, talk: &Talk) -> Result<Made, Failure> {
        let signer = Arc::new(Signer(self.ann.device.clone()));
        let genesis = self.log.lock().genesis();
        let statements = Statements::new(signer, genesis);
        statements.propose(proposal, self, talk).await
    }

    fn registration(&self, nonce: &Hash) -> Value {
        let log = self.log.lock();
        let party = log.roster.relying_party();
        let nonce = if self.lie == Lie::OtherChallenge {
            &[0; 32]
        } else {
            nonce
        };
        let device = self.ann.device.fingerprint();
        let challenge = own_passkey_challenge(&log.genesis(), &device, nonce, &THEIRS);
        let origin = &party.origins()[0];
        let made = self
            .fresh
            .passkey
            .register(party.rp_id(), origin, &challenge);
        let mut made = made.unwrap();
        if self.lie == Lie::Unverified {
            let hash = sha256(party.rp_id().as_bytes());
            let mut places = made.attestation_object.windows(32);
            let at = places.position(|it| it == hash).unwrap();
            made.attestation_object[at + 32] &= !0x04;
        }
        json!({"registration": {
            "attestation_object": STANDARD.encode(made.attestation_object),
            "client_data_json": STANDARD.encode(made.client_data_json),
        }})
    }

    fn touch(&self, asked: &Value) -> Value {
        let log = self.log.lock();
        let hash = |key: &str| -> Hash {
            let bytes = STANDARD.decode(asked[key].as_str().unwrap()).unwrap();
            bytes.try_into().unwrap()
        };
        let kind = u16::try_from(asked["kind"].as_u64().unwrap()).unwrap();
        let signer = Fingerprint(hash("signer"));
        let challenge = touch_challenge(&log.genesis(), kind, &signer, &hash("body_hash"));
        let touch = self.ann.touch(log.roster.relying_party(), &challenge);
        json!({"assertion": {
            "credential_id": STANDARD.encode(touch.credential_id),
            "client_data_json": STANDARD.encode(touch.client_data_json),
            "authenticator_data": STANDARD.encode(touch.authenticator_data),
            "signature": STANDARD.encode(touch.signature),
        }})
    }

    fn list(&self) -> Value {
        let log = self.log.lock();
        let hers = log.roster.passkeys().filter(|it| it.owner == self.ann.user);
        let rows = hers.map(|it| {
            json!({"id": it.id.to_string(), "name": it.name, "signed_in": false,
                "credential_id": STANDARD.encode(&it.credential_id),
                "cose_key": STANDARD.encode(&it.cose_key),
                "revoked": it.revoked.as_ref().map(|it| it.reason.clone())})
        });
        json!({"passkeys": rows.collect::<Vec<_>>()})
    }

    fn turn(&self) -> Value {
        let head = self.log.lock().roster.head();
        let hash = if self.lie == Lie::OtherHead {
            [1; 32]
        } else {
            head.hash
        };
        json!({"turn_id": "1", "now_ms": 0, "deadline_ms": 0, "head": {
            "genesis": STANDARD.encode(head.genesis), "number": head.number,
            "hash": STANDARD.encode(hash), "time_ms": head.time.0}})
    }

    fn append(&self, body: &Value) -> Value {
        *self.posted.lock() = body.clone();
        let bytes = STANDARD.decode(body["statement"].as_str().unwrap());
        let statement = Statement::decode(&bytes.unwrap()[..]).unwrap();
        self.log.lock().push(statement);
        json!({})
    }

    fn answer(&self, method: &Method, path: &str, body: &Value) -> Value {
        match (method.as_str(), path) {
            ("GET", "/v1/passkeys") => self.list(),
            ("POST", "/v1/passkeys/registrations") => {
                *self.asked.lock() = body.clone();
                json!({"registration_id": "r", "url": "https://gw.example.org/ceremony/r",
                    "matching_code": "K7Q-2MX", "nonce": STANDARD.encode(THEIRS),
                    "expires_ms": u64::MAX})
            }
            ("GET", "/v1/passkeys/registrations/r") => {
                let asked = self.asked.lock()["nonce"].as_str().unwrap().to_owned();
                let nonce = STANDARD.decode(asked).unwrap();
                self.registration(&nonce.try_into().unwrap())
            }
            ("POST", "/v1/touches") => {
                *self.asked.lock() = body.clone();
                json!({"touch_id": "t", "url": "https://gw.example.org/ceremony/t",
                    "words": "", "expires_ms": u64::MAX})
            }
            ("GET", "/v1/touches/t") => self.touch(&self.asked.lock().clone()),
            ("POST", "/v1/roster/turns") => self.turn(),
            ("POST", "/v1/roster/statements") => self.append(body),
            other => panic!("{other:?}"),
        }
    }
}

impl Api for Gateway {
    fn send<'a>(
        &'a self,
        method: Method,
        path: &'a str,
        body: Option<Value>,
    ) -> BoxFuture<'a, Result<Answer, Failure>> {
        let answer = self.answer(&method, path, &body.unwrap_or_default());
        let (status, body) = (StatusCode::OK, answer.to_string().into());
        Box::pin(async move { Ok(Answer { status, body }) })
    }
}

impl Desk for Gateway {
    type Page = ();

    fn api(&self) -> &dyn Api {
        self
    }

    async fn show(&self, _: &str) -> Result<(), Failure> {
        Ok(())
    }

    async fn goes_on(&self, _: &str) -> Result<Option<()>, Failure> {
        Ok(None)
    }

    fn followed(&self) -> Option<Head> {
        Some(self.log.lock().roster.head())
    }

    async fn follow(&self, _: u64) -> Result<Arc<Roster>, Failure> {
        let mut statements = self.log.lock().client_view().into_iter();
        let mut seen = Roster::found_as(&statements.next().unwrap(), View::Client).unwrap();
        for statement in statements {
            seen.append(&statement).unwrap();
        }
        Ok(Arc::new(seen))
    }
}

fn add() -> Proposal {
    let name = "blue key".to_owned();
    Proposal::AddPasskey { name }
}

fn remove(passkey: &str) -> Proposal {
    Proposal::RemovePasskey {
        passkey: passkey.to_owned(),
        reason: "lost".to_owned(),
    }
}

#[tokio::test]
async fn a_user_adds_a_passkey_and_removes_one_by_name_or_id() {
    let gateway = Gateway::new(Lie::None);
    let talk = Talk::default();
    let made = gateway.propose(&add(), &talk).await.unwrap();
    let added = made.passkey.unwrap();
    assert_eq!(
        (made.statements[0].kind.as_str(), added.name.as_str()),
        ("own", "blue key")
    );
    assert_eq!(gateway.posted.lock()["registration_id"], "r");
    let said = talk.listen().rest().join("\n");
    for part in [
        "K7Q-2MX",
        "a further passkey of yours, blue key",
        "in the same tab",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    {
        let log = gateway.log.lock();
        let id = gateway.fresh.passkey.credential_id();
        let passkey = log.roster.active_passkey(id).unwrap();
        assert_eq!(
            (passkey.owner, passkey.id.to_string()),
            (gateway.ann.user, added.id.clone())
        );
    }
    let made = gateway.propose(&remove("blue key"), &talk).await.unwrap();
    assert_eq!(made.statements[0].kind, "revocation");
    assert!(gateway.posted.lock()["registration_id"].is_null());
    let log = gateway.log.lock();
    let subject = Subject::Passkey(added.id.parse().unwrap());
    assert!(log.roster.is_revoked(subject));
}

#[tokio::test]
async fn s4_the_last_passkey_and_what_is_not_hers_are_not_removed() {
    let gateway = Gateway::new(Lie::None);
    let talk = Talk::default();
    let before = gateway.log.lock().roster.number();
    let only = gateway.ann.passkey_id.to_string();
    let refused = gateway.propose(&remove(&only), &talk).await.unwrap_err();
    assert_eq!(refused.reason(), Some(Reason::PolicyDenied), "{refused}");
    gateway.propose(&add(), &talk).await.unwrap();
    let admins = gateway.log.lock().admin.passkey_id.to_string();
    let refused = gateway.propose(&remove(&admins), &talk).await.unwrap_err();
    assert!(refused.message.contains(&admins), "{refused}");
    gateway.propose(&remove(&only), &talk).await.unwrap();
    assert_eq!(gateway.log.lock().roster.number(), before + 2);
}

#[tokio::test]
async fn h4_a_registration_without_user_verification_or_for_another_challenge_signs_nothing() {
    for lie in [Lie::Unverified, Lie::OtherChallenge] {
        let gateway = Gateway::new(lie);
        let refused = gateway.propose(&add(), &Talk::default()).await.unwrap_err();
        assert_eq!(refused.reason(), Some(Reason::EvidenceInvalid), "{refused}");
        assert!(gateway.posted.lock().is_null());
    }
}

#[tokio::test]
async fn s3_a_turn_after_another_statement_than_was_seen_is_not_signed() {
    let gateway = Gateway::new(Lie::OtherHead);
    let refused = gateway.propose(&add(), &Talk::default()).await.unwrap_err();
    assert_eq!(refused.reason(), Some(Reason::RosterFork), "{refused}");
    assert!(gateway.posted.lock().is_null());
}

#[tokio::test]
async fn k3_a_name_that_would_mislead_is_refused_before_anybody_touches() {
    let gateway = Gateway::new(Lie::None);
    for name in ["", " key", "a\u{202e}b", "a\nb"] {
        let name = name.to_owned();
        let proposal = Proposal::AddPasskey { name };
        let refused = gateway.propose(&proposal, &Talk::default()).await;
        assert!(refused.is_err());
        assert!(gateway.asked.lock().is_null());
    }
}
