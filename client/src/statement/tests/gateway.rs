//! A gateway in memory, of a founder who is alone.

use std::sync::atomic::{AtomicUsize, Ordering};

use adit_proto::label::Hash;
use adit_proto::software_authenticator::SoftwareAuthenticator;
use adit_proto::statement::{Head, touch_challenge};
use adit_proto::wire::roster::Statement;
use futures_util::future::BoxFuture;
use http::StatusCode;

use super::super::*;
use crate::api::{Answer, Api};
use crate::testing::{Founder, touch};

/// What the gateway does with a touch.
pub(super) enum Touching {
    /// As it should be.
    Honest,
    /// Somebody else touches.
    Other(SoftwareAuthenticator),
    /// The body of another statement is touched.
    OtherBody,
    /// The same body under another kind.
    OtherKind,
}

/// A gateway in memory.
pub(super) struct Gateway<'a> {
    pub(super) founder: &'a Founder,
    pub(super) log: Mutex<(Vec<Statement>, Roster)>,
    pub(super) touched: Mutex<Option<(u16, Hash)>>,
    pub(super) toucher: Touching,
    /// How many turns are missed before one is kept.
    pub(super) missed: AtomicUsize,
    pub(super) shown: AtomicUsize,
    pub(super) followed: Option<Head>,
}

impl<'a> Gateway<'a> {
    pub(super) fn new(founder: &'a Founder, toucher: Touching) -> Self {
        Self {
            founder,
            log: Mutex::new((vec![founder.genesis.clone()], founder.roster())),
            touched: Mutex::new(None),
            toucher,
            missed: AtomicUsize::new(0),
            shown: AtomicUsize::new(0),
            followed: None,
        }
    }

    pub(super) fn statements(&self) -> Statements {
        Statements::new(self.founder.device.clone(), self.founder.roster().genesis())
    }

    pub(super) fn head(&self) -> Head {
        self.log.lock().1.head()
    }

    fn touch(&self) -> Value {
        let (kind, body) = self.touched.lock().unwrap();
        let (passkey, kind, body) = match &self.toucher {
            Touching::Honest => (&self.founder.passkey, kind, body),
            Touching::Other(passkey) => (passkey, kind, body),
            Touching::OtherBody => (&self.founder.passkey, kind, [7; 32]),
            Touching::OtherKind => (&self.founder.passkey, Kind::Revocation.number(), body),
        };
        let signer = self.founder.device.public_key().fingerprint();
        let genesis = self.founder.roster().genesis();
        let touch = touch(passkey, &touch_challenge(&genesis, kind, &signer, &body));
        json!({"assertion": {
            "credential_id": STANDARD.encode(touch.credential_id),
            "client_data_json": STANDARD.encode(touch.client_data_json),
            "authenticator_data": STANDARD.encode(touch.authenticator_data),
            "signature": STANDARD.encode(touch.signature),
        }})
    }

    fn post(&self, body: &Value) -> Result<Value, Failure> {
        if self.missed.load(Ordering::SeqCst) > 0 {
            self.missed.fetch_sub(1, Ordering::SeqCst);
            return Err(Failure::of(Reason::RosterStale, "the turn has passed"));
        }
        let bytes = STANDARD
            .decode(body["statement"].as_str().unwrap())
            .unwrap();
        let statement = Statement::decode(&bytes[..]).unwrap();
        let mut log = self.log.lock();
        let appended = log.1.append(&statement).unwrap();
        log.0.push(statement);
        Ok(json!({"number": appended.number, "hash": STANDARD.encode(appended.hash)}))
    }

    fn answer(&self, method: &Method, path: &str, body: &Value) -> Result<Value, Failure> {
        let from = path.strip_prefix("/v1/roster/statements?from=");
        if let Some(from) = from {
            let from: usize = from.parse().unwrap();
            let log = self.log.lock();
            let page = log.0.iter().skip(from - 1).take(2);
            let page: Vec<_> = page.map(|it| STANDARD.encode(it.encode_to_vec())).collect();
            return Ok(json!({ "statements": page }));
        }
        match (method.as_str(), path) {
            ("POST", "/v1/touches") => {
                let hash = STANDARD
                    .decode(body["body_hash"].as_str().unwrap())
                    .unwrap();
                let kind = u16::try_from(body["kind"].as_u64().unwrap()).unwrap();
                *self.touched.lock() = Some((kind, hash.try_into().unwrap()));
                Ok(
                    json!({"touch_id": "t", "url": "https://gw.example.org/ceremony/t",
                    "words": "", "expires_ms": u64::MAX}),
                )
            }
            ("GET", "/v1/touches/t") => Ok(self.touch()),
            ("POST", "/v1/roster/turns") => {
                let head = self.head();
                Ok(
                    json!({"turn_id": "1", "now_ms": 0, "deadline_ms": 0, "head": {
                    "genesis": STANDARD.encode(head.genesis), "number": head.number,
                    "hash": STANDARD.encode(head.hash), "time_ms": head.time.0}}),
                )
            }
            ("POST", "/v1/roster/statements") => self.post(body),
            ("PUT", "/v1/admin/policies") => {
                let digest = adit_proto::roster::policy_digest(body["text"].as_str().unwrap());
                Ok(json!({"digest": STANDARD.encode(digest)}))
            }
            other => panic!("{other:?}"),
        }
    }
}

impl Api for Gateway<'_> {
    fn send<'a>(
        &'a self,
        method: Method,
        path: &'a str,
        body: Option<Value>,
    ) -> BoxFuture<'a, Result<Answer, Failure>> {
        let (status, json) = match self.answer(&method, path, &body.unwrap_or_default()) {
            Ok(json) => (StatusCode::OK, json),
            Err(failure) => (
                StatusCode::SERVICE_UNAVAILABLE,
                serde_json::to_value(failure).unwrap(),
            ),
        };
        let body = json.to_string().into();
        Box::pin(async move { Ok(Answer { status, body }) })
    }
}

impl Desk for Gateway<'_> {
    type Page = ();

    fn api(&self) -> &dyn Api {
        self
    }

    async fn show(&self, _: &str) -> Result<(), Failure> {
        self.shown.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn goes_on(&self, _: &str) -> Result<Option<()>, Failure> {
        panic!("an admin's touch has a page of its own")
    }

    fn followed(&self) -> Option<Head> {
        self.followed
    }

    async fn follow(&self, _: u64) -> Result<Arc<Roster>, Failure> {
        panic!("an admin signs in the whole log")
    }
}
