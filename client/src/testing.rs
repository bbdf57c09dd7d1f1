//! A deployment for unit tests: gateways, a first admin with device and passkey, and the log that they begin.

use std::time::Duration;

use adit_proto::id::{DeviceId, InvitationId, PasskeyId, UserId};
use adit_proto::invitation::Invitation;
use adit_proto::label::Hash;
use adit_proto::roster::Roster;
use adit_proto::secret::Secret;
use adit_proto::software_authenticator::{SOFTWARE_AAGUID, SoftwareAuthenticator};
use adit_proto::statement::{Draft, Head, Kind};
use adit_proto::wire::roster::{
    Admits, Body, Device, Enrolment, Genesis, Invitation as InvitationEntry, Passkey, Statement,
    User,
};
use adit_transport::key::{DeviceSigner, PrivateKey};
use ring::rand::SystemRandom;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::task::JoinSet;

use crate::clock;
use crate::paths::Paths;

pub(crate) const RP_ID: &str = "gw.example.org";
pub(crate) const ORIGIN: &str = "https://gw.example.org";
pub(crate) const RECOVERY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti recovery";

pub(crate) fn key() -> PrivateKey {
    PrivateKey::generate(&SystemRandom::new()).unwrap()
}

pub(crate) fn passkey() -> SoftwareAuthenticator {
    SoftwareAuthenticator::new(RP_ID, &SystemRandom::new()).unwrap()
}

pub(crate) fn body() -> Body {
    crate::statement::new_body().unwrap()
}

/// The first admin.
pub(crate) struct Founder {
    pub(crate) gateways: (PrivateKey, PrivateKey),
    pub(crate) device: std::sync::Arc<PrivateKey>,
    pub(crate) passkey: SoftwareAuthenticator,
    pub(crate) genesis: Statement,
}

impl Founder {
    pub(crate) fn new() -> Self {
        let (gateways, device, passkey) = ((key(), key()), key(), passkey());
        let mut body = body();
        body.genesis.push(Genesis {
            rp_id: RP_ID.to_owned(),
            origins: vec![ORIGIN.to_owned()],
            gateways_key: gateways.0.public_key().spki().to_vec(),
            gateways_next_key: gateways.1.public_key().spki().to_vec(),
            recovery_key: RECOVERY.to_owned(),
            admin: Some(User {
                user_id: UserId::from_parts(clock::now(), [1; 10]).to_string(),
                name: "ann".to_owned(),
                ..User::default()
            }),
            device: Some(Device {
                device_id: DeviceId::from_parts(clock::now(), [1; 10]).to_string(),
                key: device.public_key().spki().to_vec(),
                name: "laptop".to_owned(),
                tier_cap: 4,
            }),
            passkey: Some(passkey_entry(&passkey)),
        });
        let draft = Draft::new(
            [0; 32],
            Kind::Genesis,
            device.public_key().fingerprint(),
            &body,
        );
        let touch = touch(&passkey, &draft.touch_challenge());
        let placed = draft.place(&Head::none());
        let signature = device.sign(&placed.hash()).unwrap();
        let genesis = placed.seal(signature, Some(touch));
        let device = std::sync::Arc::new(device);
        Self {
            gateways,
            device,
            passkey,
            genesis,
        }
    }

    pub(crate) fn roster(&self) -> Roster {
        Roster::found(&self.genesis).unwrap()
    }

    /// The statements that get the user bob with `passkey` into the log of `roster`.
    pub(crate) fn enrol_another(
        &self,
        roster: &Roster,
        passkey: &SoftwareAuthenticator,
    ) -> Vec<Statement> {
        let mut roster = roster.clone();
        let user_id = UserId::from_parts(clock::now(), [2; 10]).to_string();
        let invitation_id = InvitationId::from_parts(clock::now(), [2; 10]).to_string();
        let address = "gw.example.org:443".parse().unwrap();
        let gateways = self.gateways.0.public_key().fingerprint();
        let invitation =
            Invitation::new(Secret::new([5; 16]), &gateways, roster.genesis(), address).key();
        let (mut users, mut invitations, mut enrolments) = (body(), body(), body());
        users.users.push(User {
            user_id: user_id.clone(),
            name: "bob".to_owned(),
            ..User::default()
        });
        invitations.invitations.push(InvitationEntry {
            invitation_id: invitation_id.clone(),
            key: invitation.public().as_bytes().to_vec(),
            user_id,
            admits: Admits::Both.into(),
            tier_cap: 4,
            expires_ms: clock::now().after(Duration::from_hours(1)).0,
            approval: false,
        });
        let mut statements = Vec::new();
        for (kind, body) in [(Kind::User, users), (Kind::Invitation, invitations)] {
            let statement = self.state(&roster, kind, &body);
            roster.append(&statement).unwrap();
            statements.push(statement);
        }
        let mut passkey = passkey_entry(passkey);
        passkey.passkey_id = PasskeyId::from_parts(clock::now(), [2; 10]).to_string();
        enrolments.enrolments.push(Enrolment {
            invitation_id,
            device: Some(Device {
                device_id: DeviceId::from_parts(clock::now(), [2; 10]).to_string(),
                key: key().public_key().spki().to_vec(),
                name: "desk".to_owned(),
                tier_cap: 4,
            }),
            passkey: Some(passkey),
        });
        let signer = invitation.public().fingerprint();
        let draft = Draft::new(roster.genesis(), Kind::Enrolment, signer, &enrolments);
        let placed = draft.place(&roster.head());
        let signature = invitation.sign(&placed.hash()).to_vec();
        statements.push(placed.seal(signature, None));
        statements
    }

    /// A statement of this admin after the head of `roster`.
    pub(crate) fn state(&self, roster: &Roster, kind: Kind, body: &Body) -> Statement {
        let signer = self.device.public_key().fingerprint();
        let draft = Draft::new(roster.genesis(), kind, signer, body);
        let touch = touch(&self.passkey, &draft.touch_challenge());
        let placed = draft.place(&roster.head());
        let signature = self.device.sign(&placed.hash()).unwrap();
        placed.seal(signature, Some(touch))
    }
}

pub(crate) fn passkey_entry(passkey: &SoftwareAuthenticator) -> Passkey {
    Passkey {
        passkey_id: PasskeyId::from_parts(clock::now(), [1; 10]).to_string(),
        credential_id: passkey.credential_id().to_vec(),
        cose_key: passkey.cose_key().unwrap(),
        aaguid: SOFTWARE_AAGUID.to_vec(),
        name: String::new(),
    }
}

pub(crate) fn touch(
    passkey: &SoftwareAuthenticator,
    challenge: &Hash,
) -> adit_proto::wire::identity::Assertion {
    passkey
        .assert(RP_ID, ORIGIN, challenge, &SystemRandom::new())
        .unwrap()
}

/// An agent that gives one answer, whatever it is asked.
pub(crate) fn answering(paths: &Paths, value: &Value) -> JoinSet<String> {
    let listener = UnixListener::bind(paths.socket()).unwrap();
    let body = format!("{}\n", json!({ "done": value }));
    let mut agent = JoinSet::new();
    agent.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = vec![0; 4096];
        let read = stream.read(&mut asked).await.unwrap();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        String::from_utf8_lossy(&asked[..read]).into_owned()
    });
    agent
}
