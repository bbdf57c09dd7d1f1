//! Each call of the API, by each caller.

use std::time::Duration;

use adit_proto::Reason;
use adit_proto::roster::Subject;
use adit_proto::testing::TestKey;
use adit_transport::tls::Alpn;

use super::requests::Request;
use super::scene::{Answer, Scene, Somebody};
use super::{Differences, Table, same};
use crate::api::{Needs, declare};
use crate::testing::{Connector, FakeParty};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_refuses_whoever_may_not_make_it() {
    let table = Table::read(include_str!("calls.txt"));
    let declared = declare();
    let routes = declared.routes().iter();
    table.covers(routes.map(|route| format!("{} {}", route.method, route.path)));
    let mut scene = Scene::new().await;
    // Before the clock goes on: what it is about would be gone.
    let finishing = scene.passkey_revoked().await;
    let pam = scene.pam.clone();
    let finished = scene.calls(&pam, &finishing).await;
    scene.suspend().await;
    scene.revoke().await;
    let mut differences = Differences::default();
    for cell in table.cells() {
        let (row, column, _) = cell;
        let admin = declared.routes().iter().any(|route| {
            route.needs == Needs::Admin && row == format!("{} {}", route.method, route.path)
        });
        let seen = match column {
            "passkey revoked" if row == "POST /v1/sign-ins/{id}/finish" => finished.clone(),
            _ => Box::pin(scene.perform(row, column, admin)).await,
        };
        differences.compare(cell, &seen);
    }
    differences.finish();
    scene.rig.stop().await;
}

impl Scene {
    async fn perform(&mut self, row: &'static str, column: &str, admin: bool) -> String {
        let entitled = if admin || row == "POST /v1/roster/statements" {
            self.root.clone()
        } else {
            self.ada.clone()
        };
        self.sign_in(&entitled.person).await;
        match column {
            "entitled" => self.on_his_own(row, &entitled).await,
            "unknown key" => self.unknown(row, &entitled).await,
            "signed out" => {
                self.sign_out(&entitled.person).await;
                self.on_his_own(row, &entitled).await
            }
            "another's" => {
                let eve = self.eve.clone();
                self.sign_in(&eve.person).await;
                let request = self.request(row, &entitled).await;
                let outcome = self.calls_about(&eve, &request, &entitled).await;
                self.sign_out(&eve.person).await;
                outcome
            }
            "other role" => {
                let others = [self.auditor.clone(), self.manager.clone()];
                for other in &others {
                    self.sign_in(&other.person).await;
                }
                let [auditor, manager] = &others;
                let (one, two) = (
                    self.on_his_own(row, auditor).await,
                    self.on_his_own(row, manager).await,
                );
                same(one, &two)
            }
            "connector" => self.connector_calls(row, &entitled).await,
            "expired" => self.expired(row, &entitled).await,
            "over" => {
                let request = self.request(row, &entitled).await;
                let now = self.rig.clock.now();
                self.is_over(&request).await;
                let outcome = self.calls(&entitled, &request).await;
                self.rig.clock.set(now);
                outcome
            }
            "suspended" => {
                let who = self.suspended.clone();
                self.in_flight(row, &who, &entitled).await
            }
            "revoked" => {
                let who = self.revoked.clone();
                self.in_flight(row, &who, &entitled).await
            }
            "passkey revoked" => {
                let (pam, request) = (self.pam.clone(), self.request(row, &entitled).await);
                self.calls(&pam, &request).await
            }
            other => panic!("nobody is called {other}"),
        }
    }

    async fn on_his_own(&mut self, row: &'static str, who: &Somebody) -> String {
        let request = self.request(row, who).await;
        self.calls(who, &request).await
    }

    pub(super) async fn calls(&mut self, who: &Somebody, request: &Request) -> String {
        self.noted().await;
        let answer = self.call(&who.connection, request).await;
        self.outcome(request, &answer).await
    }

    async fn outcome(&mut self, request: &Request, answer: &Answer) -> String {
        self.tidy(request, answer);
        answer.outcome() + &self.noted().await
    }

    /// `own` if it is allowed and nothing of `owner` is in the answer.
    async fn calls_about(&mut self, who: &Somebody, request: &Request, owner: &Somebody) -> String {
        self.noted().await;
        let answer = self.call(&who.connection, request).await;
        let outcome = self.outcome(request, &answer).await;
        let text = String::from_utf8_lossy(answer.body());
        let of_owner = [
            owner.person.user.to_string(),
            owner.person.device_id.to_string(),
            format!("\"{}\"", self.cluster.name),
        ];
        let holds = of_owner.iter().any(|one| text.contains(one));
        if outcome == "allowed" && !holds {
            return "own".to_owned();
        }
        outcome
    }

    async fn unknown(&mut self, row: &'static str, owner: &Somebody) -> String {
        let request = self.request(row, owner).await;
        self.noted().await;
        let key = TestKey::generate();
        let (_party, connection) = FakeParty::connect(&self.rig, &key, Alpn::Control).await;
        let answer = self.call(&connection, &request).await;
        self.outcome(&request, &answer).await
    }

    async fn connector_calls(&mut self, row: &'static str, owner: &Somebody) -> String {
        let request = self.request(row, owner).await;
        self.noted().await;
        let mut other = Connector::register(&self.rig, &self.cluster).await;
        other.party.up_to_date().await;
        let answer = self.call(&other.party.connection, &request).await;
        self.outcome(&request, &answer).await
    }

    /// With a sign-in that has expired, on what is fresh.
    async fn expired(&mut self, row: &'static str, who: &Somebody) -> String {
        let now = self.rig.clock.now();
        self.goes_on(Duration::from_hours(13));
        let outcome = self.on_his_own(row, who).await;
        self.sign_out(&who.person).await;
        self.rig.clock.set(now);
        self.sign_out(&who.person).await;
        outcome
    }

    /// Calls that came just before their callers were closed. A refusal that they leave is noted for each.
    async fn in_flight(
        &mut self,
        row: &'static str,
        who: &[Somebody; 2],
        owner: &Somebody,
    ) -> String {
        let request = self.request(row, owner).await;
        let [one, two] = who;
        self.noted().await;
        let answer = self.call_in_flight(one, &request).await;
        let first = self.outcome(&request, &answer).await;
        let answer = self.call_in_flight(two, &request).await;
        let second = self.outcome(&request, &answer).await;
        same(first, &second)
    }

    /// Revokes the passkey of somebody who is signed in and in the middle of signing in again.
    pub(super) async fn passkey_revoked(&mut self) -> Request {
        let pam = self.pam.clone();
        self.sign_in(&pam.person).await;
        let finishing = self.request("POST /v1/sign-ins/{id}/finish", &pam).await;
        let passkey = Subject::Passkey(pam.person.passkey_id);
        self.rig.says(|log| log.revoke(passkey)).await;
        finishing
    }
}

/// Whoever registers while the table is at work is let in: its refusals are not a gateway that refuses all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspension_that_ends_lets_the_device_call_again() {
    let mut scene = Scene::new().await;
    scene.suspend().await;
    let [device, _] = scene.suspended.clone();
    let subject = crate::store::suspensions::Subject::Device(device.person.device_id);
    let suspensions = &scene.rig.services.suspensions;
    let root = scene.root.person.user;
    suspensions.set(subject, false, "", root).await.unwrap();
    let request = scene.request("GET /v1/whoami", &device).await;
    let answer = scene.call_in_flight(&device, &request).await;
    assert_eq!(answer.outcome(), "allowed");
    let again = crate::testing::Agent::register(&scene.rig, &device.person).await;
    let answer = scene.call(&again.party.connection, &request).await;
    assert_eq!(answer.outcome(), "allowed");
    assert_ne!(answer.outcome(), Reason::DeviceSuspended.to_string());
}
