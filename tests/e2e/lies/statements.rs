//! Statements that nobody made, and logs that end too early.

use adit_proto::label::Hash;
use adit_proto::roster::{Subject, policy_digest};
use adit_proto::statement::{Draft, Kind};
use adit_proto::wire::audit::Refusal;
use adit_proto::wire::identity::Assertion;
use adit_proto::wire::roster::{Body, Policy, Role, Statement, User};

use super::*;

impl Stage {
    /// Sends a statement: the connector hangs up with the reason, keeps its roster, and tells of it when it is back.
    fn refuses_statement(&mut self, statement: &Statement, reason: Reason) {
        let held = self.log.roster.number();
        self.line.statements(std::slice::from_ref(statement));
        self.refused_and_back("a statement", reason);
        assert_eq!(self.line.register.roster_number, held);
        self.tell_everything(POLICY);
        self.accepts();
    }

    /// After the connector hung up: started again on its volume, it tells what it refused.
    fn refused_and_back(&mut self, subject: &str, reason: Reason) {
        assert_eq!(self.line.closed(), reason);
        self.connector.restart();
        self.line = self.gateway.accept(&self.log.roster.head());
        let refusal = self.refusal(subject);
        assert_eq!(refusal.reason, reason.as_str(), "{refusal:?}");
    }

    fn refusal(&mut self, subject: &str) -> Refusal {
        self.line.audited(subject, |event| {
            if let Event::Refusal(refusal) = event
                && refusal.subject == subject
            {
                return Some(refusal.clone());
            }
            None
        })
    }

    /// A body that makes an engineer of Mallory.
    fn promotes_mallory(&mut self) -> Body {
        let user = User {
            user_id: self.mallory.user.to_string(),
            name: self.mallory.name.clone(),
            groups: vec!["engineers".to_owned()],
            role: Role::Unspecified.into(),
            self_service: false,
        };
        Body {
            users: vec![user],
            ..self.log.body()
        }
    }

    /// A body that names a policy for everybody.
    fn opens_everything(&mut self) -> Body {
        let digest = policy_digest("permit (principal, action, resource);").to_vec();
        Body {
            policies: vec![Policy { number: 2, digest }],
            ..self.log.body()
        }
    }

    /// Signed by a device, with whatever touch.
    fn signed(
        &self,
        signer: &Person,
        (kind, body): (Kind, &Body),
        touch: impl FnOnce(&Hash) -> Option<Assertion>,
    ) -> Statement {
        let draft = Draft::new(self.log.genesis(), kind, signer.device.fingerprint(), body);
        let placed = draft.place(&self.log.roster.head());
        let signature = signer.device.sign(&placed.hash());
        placed.seal(signature, touch(&draft.touch_challenge()))
    }
}

#[test]
fn c14_an_admins_statement_without_a_touch_is_refused() {
    // A copy of the admin's device key, and no finger.
    let mut stage = Stage::new();
    let admin = stage.log.admin.clone();
    for body in [stage.promotes_mallory(), stage.opens_everything()] {
        let kind = if body.users.is_empty() {
            Kind::Policy
        } else {
            Kind::User
        };
        let statement = stage.signed(&admin, (kind, &body), |_| None);
        stage.refuses_statement(&statement, Reason::TouchRequired);
    }
}

#[test]
fn c14_an_admins_statement_with_another_touch_is_refused() {
    let mut stage = Stage::new();
    let admin = stage.log.admin.clone();
    let mallory = stage.mallory.clone();
    let relying_party = stage.log.roster.relying_party().clone();
    // An earlier touch of the admin's is in the database.
    let earlier = stage.log.statements.last().unwrap().touch.clone();
    assert!(earlier.is_some());
    let body = stage.opens_everything();
    let old = stage.signed(&admin, (Kind::Policy, &body), |_| earlier);
    stage.refuses_statement(&old, Reason::TouchInvalid);
    let body = stage.opens_everything();
    let hers = stage.signed(&admin, (Kind::Policy, &body), |challenge| {
        Some(mallory.touch(&relying_party, challenge))
    });
    stage.refuses_statement(&hers, Reason::TouchInvalid);
}

#[test]
fn c14_a_users_statement_under_an_admins_kind_is_refused() {
    // Mallory signs with her own device and touches with her own passkey.
    let mut stage = Stage::new();
    let mallory = stage.mallory.clone();
    let body = stage.promotes_mallory();
    let statement = stage.log.sealed(&mallory, Kind::User, &body);
    stage.refuses_statement(&statement, Reason::PolicyDenied);
    let body = stage.opens_everything();
    let statement = stage.log.sealed(&mallory, Kind::Policy, &body);
    stage.refuses_statement(&statement, Reason::PolicyDenied);
}

#[test]
fn c14_a_users_statement_whose_kind_was_changed_is_refused() {
    // What Mallory may sign is the end of her own keys; the kind is in the hash that she signed.
    let mut stage = Stage::new();
    let mallory = stage.mallory.clone();
    let body = stage.promotes_mallory();
    let mut statement = stage.log.sealed(&mallory, Kind::Revocation, &body);
    statement.kind = Kind::User.number().into();
    stage.refuses_statement(&statement, Reason::EvidenceInvalid);
}

#[test]
fn c14_a_statement_of_the_gateways_key_is_refused() {
    let mut stage = Stage::new();
    let gateway = Person {
        device: stage.log.gateways.clone(),
        ..stage.mallory.clone()
    };
    let body = stage.promotes_mallory();
    let statement = stage.log.sealed(&gateway, Kind::User, &body);
    stage.refuses_statement(&statement, Reason::DeviceUnknown);
}

#[test]
fn c14_an_old_head_after_a_restart_with_its_volume_is_refused() {
    let mut stage = Stage::new();
    let eve = stage.log.add_person("eve@example.org", &["engineers"]);
    stage.tell_everything(POLICY);
    let old = stage.log.clone();
    let offer = stage.offer(&eve, "cluster/prod");
    assert_eq!(told(&stage.line.offer(&offer)), None);
    stage.log.revoke(Subject::User(eve.user));
    stage.tell_everything(POLICY);
    let ended = stage.line.session_ended(&offer.session_id);
    assert_eq!(ended, Reason::DeviceRevoked.as_str());

    // The gateway shows the log of before, and offers what rested on it.
    stage.connector.restart();
    stage.line = stage.gateway.accept(&old.roster.head());
    let held = stage.log.roster.number();
    assert_eq!(stage.line.register.roster_number, held);
    stage.line.statements(&old.statements);
    stage.line.policy(1, POLICY);
    stage.line.lease(old.roster.number());
    let noted = stage.refusal("roster head");
    assert_eq!(noted.reason, Reason::RosterStale.as_str());
    let new = std::mem::replace(&mut stage.log, old);
    let lie = stage.offer(&eve, "cluster/prod");
    stage.log = new;
    assert!(lie.roster_number < held);
    stage.refuses([(lie, Reason::DeviceRevoked)]);
}

#[test]
fn s3_a_log_that_ends_before_the_head_of_the_installation_is_refused() {
    let mut stage = Stage::silent(&Beginning {
        head: |log| log.roster.head(),
        ..Beginning::default()
    });
    let (last, older) = stage.log.statements.split_last().unwrap();
    let (last, older) = (last.clone(), older.to_vec());
    stage.line.statements(&older);
    stage.line.policy(1, POLICY);
    stage.line.lease(stage.log.roster.number());
    let mut offer = stage.true_offer();
    offer.roster_number = 1;
    offer.roster_hash = stage.log.genesis().to_vec();
    assert_eq!(told(&stage.line.offer(&offer)), Some(Reason::RosterStale));
    stage.line.statements(&[last]);
    stage.accepts();
}

#[test]
fn s3_another_log_is_refused_before_the_first_statement_and_later() {
    let mut stage = Stage::silent(&Beginning::default());
    let other = Log::new();
    stage.line.statements(&other.statements);
    stage.refused_and_back("a statement", Reason::RosterFork);
    assert_eq!(stage.line.register.roster_number, 0);
    stage.tell_everything(POLICY);
    stage.accepts();
    // Told of another head, it hangs up before it is told anything else.
    stage.connector.restart();
    stage.line = stage.gateway.accept(&other.roster.head());
    stage.refused_and_back("roster head", Reason::RosterFork);
    stage.tell_everything(POLICY);
    stage.accepts();
}
