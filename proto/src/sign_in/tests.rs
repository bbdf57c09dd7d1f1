//! Sign-ins that verify, and each part of one altered.

use proptest::prelude::*;

use super::*;
use crate::Reason;
use crate::assertion::AssertionError;
use crate::key::PublicKey;
use crate::roster::Subject;
use crate::testing::{Log, Person, TestKey, random, signatures_verified};
use crate::wire::identity::SignInEvidence;

struct World {
    log: Log,
    ann: Person,
    bob: Person,
}

fn world() -> World {
    let mut log = Log::new();
    let ann = log.add_person("ann", &["dev"]);
    let bob = log.add_person("bob", &[]);
    World { log, ann, bob }
}

impl World {
    fn request(&self) -> SignInRequest {
        self.ann.sign_in_request(self.log.genesis(), self.log.now)
    }

    fn verify(&self, evidence: &SignInEvidence) -> Result<VerifiedSignIn, SignInError> {
        self.verify_at(evidence, self.log.now)
    }

    fn verify_at(
        &self,
        evidence: &SignInEvidence,
        now: UnixMillis,
    ) -> Result<VerifiedSignIn, SignInError> {
        let ceiling = SignInCeiling::default();
        let evidence = Evidence::from(evidence.clone());
        evidence.verify(&self.log.roster, self.ann.device.public(), &ceiling, now)
    }

    fn touched_by(&self, person: &Person, request: &SignInRequest) -> SignInEvidence {
        person.sign_in(self.log.roster.relying_party(), request)
    }

    fn refusal(&self, change: impl FnOnce(&mut SignInRequest)) -> SignInError {
        let mut request = self.request();
        change(&mut request);
        self.verify(&self.touched_by(&self.ann, &request))
            .unwrap_err()
    }
}

#[test]
fn a_right_sign_in_verifies_and_ends_when_it_says() {
    let world = world();
    let request = world.request();
    let verified = world
        .verify(&world.touched_by(&world.ann, &request))
        .unwrap();
    assert_eq!(verified.user_id(), world.ann.user);
    assert_eq!(verified.device_id(), world.ann.device_id);
    assert_eq!(verified.passkey_id(), world.ann.passkey_id);
    assert_eq!(verified.expires(), request.expires);
    assert_eq!(verified.source_address(), request.source_address);
}

#[test]
fn a_signature_is_verified_once_and_what_can_change_each_time() {
    let mut world = world();
    let evidence = Evidence::from(world.touched_by(&world.ann, &world.request()));
    let ceiling = SignInCeiling::default();
    let device = world.ann.device.public().clone();
    let before = signatures_verified();
    let now = world.log.now;
    let first = evidence
        .verify(&world.log.roster, &device, &ceiling, now)
        .unwrap();
    let copy = evidence.clone();
    let again = copy.verify(&world.log.roster, &device, &ceiling, now);
    assert_eq!(again.unwrap().expires(), first.expires());
    let refusal = |world: &World, device: &PublicKey, now| {
        evidence
            .verify(&world.log.roster, device, &ceiling, now)
            .unwrap_err()
    };
    let bobs = world.bob.device.public();
    assert_eq!(refusal(&world, bobs, now), SignInError::OtherDevice);
    let ended = first.expires();
    assert_eq!(refusal(&world, &device, ended), SignInError::Expired);
    assert_eq!(signatures_verified() - before, 1);
    world.log.revoke(Subject::Passkey(world.ann.passkey_id));
    assert_eq!(refusal(&world, &device, now), SignInError::PasskeyRevoked);
    world.log.revoke(Subject::Device(world.ann.device_id));
    let revoked = SignInError::Device(Reason::DeviceRevoked);
    assert_eq!(refusal(&world, &device, now), revoked);
}

#[test]
fn evidence_that_does_not_verify_is_not_remembered() {
    let world = world();
    let mut sent = world.touched_by(&world.ann, &world.request());
    sent.assertion.as_mut().unwrap().signature[8] ^= 1;
    let evidence = Evidence::from(sent);
    let (ceiling, device) = (SignInCeiling::default(), world.ann.device.public());
    for _ in 0..2 {
        let verified = evidence.verify(&world.log.roster, device, &ceiling, world.log.now);
        assert!(matches!(verified, Err(SignInError::Assertion(_))));
    }
}

#[test]
fn c7_an_altered_request_is_refused() {
    let world = world();
    let right = world.touched_by(&world.ann, &world.request());
    let original = SignInRequest::parse(&right.request).unwrap();
    let changes: [fn(&mut SignInRequest); 5] = [
        |it| it.expires = it.expires.after(Duration::from_mins(1)),
        |it| it.issued = it.issued.after(Duration::from_secs(1)),
        |it| it.source_address = [203, 0, 113, 1].into(),
        |it| it.matching_code = "AAAA-AAA".to_owned(),
        |it| it.headless = true,
    ];
    for change in changes {
        let mut request = original.clone();
        change(&mut request);
        let altered = SignInEvidence {
            request: request.encode(),
            ..right.clone()
        };
        let error = world.verify(&altered).unwrap_err();
        assert_eq!(error, SignInError::Assertion(AssertionError::Challenge));
    }
}

#[test]
fn c7_an_expiry_in_ten_years_ends_with_the_ceiling() {
    let world = world();
    let mut request = world.request();
    request.expires = request.issued.after(Duration::from_hours(24 * 3650));
    let evidence = world.touched_by(&world.ann, &request);
    let day = Duration::from_hours(24);
    assert_eq!(
        world.verify(&evidence).unwrap().expires(),
        request.issued.after(day)
    );
    let error = world
        .verify_at(&evidence, request.issued.after(day))
        .unwrap_err();
    assert_eq!(
        (error, error.reason()),
        (SignInError::Expired, Reason::SignInExpired)
    );
    request.headless = true;
    let headless = world.touched_by(&world.ann, &request);
    let hour = request.issued.after(Duration::from_hours(1));
    assert_eq!(world.verify(&headless).unwrap().expires(), hour);
    assert!(world.verify_at(&headless, hour).is_err());
}

#[test]
fn c14_another_users_assertion_is_refused() {
    let world = world();
    let evidence = world.touched_by(&world.bob, &world.request());
    assert_eq!(world.verify(&evidence).unwrap_err(), SignInError::Passkey);
    let mut stranger = world.ann.clone();
    stranger.passkey =
        crate::testing::SoftwareAuthenticator::new("localhost", &ring::rand::SystemRandom::new())
            .unwrap();
    let evidence = world.touched_by(&stranger, &world.request());
    assert_eq!(world.verify(&evidence).unwrap_err(), SignInError::Passkey);
}

#[test]
fn c14_somebody_who_never_signed_in_is_refused() {
    let world = world();
    let evidence = SignInEvidence {
        request: world.request().encode(),
        assertion: None,
    };
    assert_eq!(
        world.verify(&evidence).unwrap_err(),
        SignInError::Malformed("assertion")
    );
    let touch = world.ann.touch(world.log.roster.relying_party(), &[0; 32]);
    let evidence = SignInEvidence {
        assertion: Some(touch),
        ..evidence
    };
    let error = world.verify(&evidence).unwrap_err();
    assert_eq!(error, SignInError::Assertion(AssertionError::Challenge));
}

#[test]
fn c14_a_device_outside_the_roster_or_of_another_user_is_refused() {
    let world = world();
    let foreign = TestKey::generate();
    let mut request = world.request();
    request.device_key = foreign.public().clone();
    let evidence = Evidence::from(world.touched_by(&world.ann, &request));
    let ceiling = SignInCeiling::default();
    let (roster, now) = (&world.log.roster, world.log.now);
    let check = |key: &PublicKey| evidence.verify(roster, key, &ceiling, now).unwrap_err();
    assert_eq!(
        check(foreign.public()),
        SignInError::Device(Reason::DeviceUnknown)
    );
    assert_eq!(check(world.ann.device.public()), SignInError::OtherDevice);
    request.device_key = world.bob.device.public().clone();
    let evidence = Evidence::from(world.touched_by(&world.ann, &request));
    let bobs = world.bob.device.public();
    let error = evidence.verify(roster, bobs, &ceiling, now).unwrap_err();
    assert_eq!(error, SignInError::NotTheOwner);
}

#[test]
fn c7_another_genesis_user_or_time_is_refused() {
    let world = world();
    assert_eq!(
        world.refusal(|it| it.genesis[0] ^= 1),
        SignInError::OtherGenesis
    );
    let bob = world.bob.user;
    assert_eq!(
        world.refusal(|it| it.user_id = bob),
        SignInError::NotTheOwner
    );
    let late = Duration::from_secs(301);
    let error = world.refusal(|it| {
        it.issued = it.issued.after(late);
        it.expires = it.expires.after(late);
    });
    assert_eq!(
        (error, error.reason()),
        (SignInError::FromTheFuture, Reason::ClockSkew)
    );
    let error = world.refusal(|it| {
        it.issued = it.issued.before(Duration::from_hours(13));
        it.expires = it.expires.before(Duration::from_hours(13));
    });
    assert_eq!(error, SignInError::Expired);
    let error = world.refusal(|it| it.expires = it.issued);
    assert_eq!(error, SignInError::Malformed("expires_ms"));
}

#[test]
fn h15_a_revoked_passkey_device_or_user_signs_nobody_in() {
    for (subject, expected) in [
        (0, SignInError::PasskeyRevoked),
        (1, SignInError::Device(Reason::DeviceRevoked)),
        (2, SignInError::Device(Reason::DeviceRevoked)),
    ] {
        let mut world = world();
        let evidence = world.touched_by(&world.ann, &world.request());
        assert!(world.verify(&evidence).is_ok());
        let ann = &world.ann;
        let subjects = [
            Subject::Passkey(ann.passkey_id),
            Subject::Device(ann.device_id),
            Subject::User(ann.user),
        ];
        world.log.revoke(subjects[subject]);
        assert_eq!(world.verify(&evidence).unwrap_err(), expected);
    }
}

#[test]
fn h3_a_touch_or_registration_is_no_sign_in() {
    let world = world();
    let request = world.request().encode();
    let mut ceremony =
        crate::testing::Ceremony::get("localhost", "http://localhost:8443", &challenge(&request));
    ceremony.ceremony = "webauthn.create".to_owned();
    let assertion = Some(ceremony.sign(&world.ann.passkey));
    let error = world
        .verify(&SignInEvidence { request, assertion })
        .unwrap_err();
    assert_eq!(error, SignInError::Assertion(AssertionError::Ceremony));
}

proptest! {
    #[test]
    fn a_request_reads_back_and_no_bytes_panic(bytes: Vec<u8>, code in "[A-Z0-9-]{1,32}", ms in 0_u64..1 << 48) {
        let _ = SignInRequest::parse(&bytes);
        let key = TestKey::generate().public().clone();
        let request = SignInRequest {
            genesis: random(),
            user_id: UserId::from_parts(UnixMillis(ms), random()),
            device_key: key,
            pkce_challenge: random(),
            matching_code: code,
            source_address: std::net::Ipv6Addr::from(random::<16>()).into(),
            issued: UnixMillis(ms),
            expires: UnixMillis(ms + 1),
            nonce: random(),
            headless: ms % 2 == 0,
        };
        prop_assert_eq!(SignInRequest::parse(&request.encode()), Ok(request));
    }
}
