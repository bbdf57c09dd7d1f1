//! A deployment for unit tests: gateways, a first admin with device and passkey, and the log that they begin.

use adit_proto::id::{DeviceId, PasskeyId, UserId};
use adit_proto::label::Hash;
use adit_proto::roster::Roster;
use adit_proto::software_authenticator::{SOFTWARE_AAGUID, SoftwareAuthenticator};
use adit_proto::statement::{Draft, Head, Kind};
use adit_proto::wire::roster::{Body, Device, Genesis, Passkey, Statement, User};
use adit_transport::key::{DeviceSigner, PrivateKey};
use ring::rand::SystemRandom;

use crate::clock;

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
