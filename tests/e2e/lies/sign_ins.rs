//! Sign-ins that never were, or not so.

use adit_proto::sign_in::SignInRequest;
use adit_proto::testing::SoftwareAuthenticator;
use adit_proto::wire::identity::Assertion;
use ring::rand::SystemRandom;

use super::*;

const INVALID: Reason = Reason::EvidenceInvalid;

/// An offer of Ann with another sign-in.
fn with(stage: &Stage, evidence: SignInEvidence) -> Offer {
    stage.lie(|offer| offer.evidence = Some(evidence))
}

/// What a person's passkey signs if the page that asks for it is a lie.
fn touched(stage: &Stage, person: &Person, request: &SignInRequest) -> SignInEvidence {
    person.sign_in(stage.log.roster.relying_party(), request)
}

#[test]
fn c14_a_user_who_never_signed_in_is_refused() {
    let mut stage = Stage::new();
    let request = stage.ann.sign_in_request(stage.log.genesis(), now());
    // A passkey of the gateway's own, which calls itself Ann's.
    let own = Person {
        passkey: SoftwareAuthenticator::new("localhost", &SystemRandom::new()).unwrap(),
        ..stage.ann.clone()
    };
    let foreign = touched(&stage, &own, &request);
    let mut named = foreign.clone();
    let credential = stage.ann.passkey.credential_id().to_vec();
    named.assertion.as_mut().unwrap().credential_id = credential;
    let unsigned = SignInEvidence {
        request: request.encode(),
        assertion: None,
    };
    let empty = SignInEvidence {
        request: request.encode(),
        assertion: Some(Assertion::default()),
    };
    let lies = [
        stage.lie(|offer| offer.evidence = None),
        with(&stage, SignInEvidence::default()),
        with(&stage, unsigned),
        with(&stage, empty),
        with(&stage, foreign),
        with(&stage, named),
    ];
    stage.refuses(lies.map(|lie| (lie, INVALID)));
}

#[test]
fn c14_another_users_assertion_is_refused() {
    let mut stage = Stage::new();
    let mallorys = stage.signed_in(&stage.mallory);
    // Mallory's passkey over a request that names Ann and her device.
    let request = stage.ann.sign_in_request(stage.log.genesis(), now());
    let for_ann = touched(&stage, &stage.mallory, &request);
    // The request of Ann's sign-in with the assertion of Mallory's.
    let mut mixed = stage.signed_in(&stage.ann);
    mixed.assertion.clone_from(&mallorys.assertion);
    // Everything Mallory's but the name.
    let mut named = stage.offer(&stage.mallory, "cluster/prod");
    named.user_id = stage.ann.user.to_string();
    let lies = [
        with(&stage, mallorys),
        with(&stage, for_ann),
        with(&stage, mixed),
        named,
    ];
    stage.refuses(lies.map(|lie| (lie, INVALID)));
}

#[test]
fn c14_a_device_outside_the_roster_is_refused() {
    let mut stage = Stage::new();
    let rogue = Person {
        device: adit_proto::testing::TestKey::generate(),
        ..stage.ann.clone()
    };
    // Ann's own sign-in, and one that Ann was tricked into.
    let tricked = stage.offer(&rogue, "cluster/prod");
    let mut own = stage.true_offer();
    own.device_key = rogue.device.public().spki().to_vec();
    // The cluster's and the gateways' keys are in the roster, and no devices.
    let mut cluster = stage.true_offer();
    cluster.device_key = stage.cluster.key.public().spki().to_vec();
    let mut gateways = stage.true_offer();
    gateways.device_key = stage.log.gateways.public().spki().to_vec();
    let lies = [tricked, own, cluster, gateways];
    stage.refuses(lies.map(|lie| (lie, Reason::DeviceUnknown)));
}

#[test]
fn c14_a_device_of_another_user_is_refused() {
    let mut stage = Stage::new();
    let mallorys = stage.mallory.device.clone();
    // Ann was tricked into a sign-in on Mallory's device.
    let at_mallorys = Person {
        device: mallorys.clone(),
        ..stage.ann.clone()
    };
    let tricked = stage.offer(&at_mallorys, "cluster/prod");
    let own = stage.lie(|offer| offer.device_key = mallorys.public().spki().to_vec());
    let mut as_mallory = tricked.clone();
    as_mallory.session_id = session_id();
    as_mallory.user_id = stage.mallory.user.to_string();
    let lies = [tricked, own, as_mallory];
    stage.refuses(lies.map(|lie| (lie, INVALID)));
}

#[test]
fn c14_an_altered_sign_in_is_refused() {
    let mut stage = Stage::new();
    let evidence = stage.signed_in(&stage.ann);
    let request = SignInRequest::parse(&evidence.request).unwrap();
    let fields: [fn(&mut SignInRequest); 7] = [
        |it| it.expires = it.expires.after(Duration::from_hours(1)),
        |it| it.issued = it.issued.after(Duration::from_millis(1)),
        |it| it.source_address = [198, 51, 100, 1].into(),
        |it| it.matching_code = "AAAA-AAA".to_owned(),
        |it| it.nonce[0] ^= 1,
        |it| it.pkce_challenge[31] ^= 1,
        |it| it.headless = !it.headless,
    ];
    let mut altered: Vec<_> = fields
        .iter()
        .map(|alter| {
            let mut request = request.clone();
            alter(&mut request);
            SignInEvidence {
                request: request.encode(),
                assertion: evidence.assertion.clone(),
            }
        })
        .collect();
    let parts: [fn(&mut Assertion); 4] = [
        |it| it.signature[8] ^= 1,
        |it| it.client_data_json[20] ^= 1,
        |it| it.authenticator_data[0] ^= 1,
        |it| it.credential_id[0] ^= 1,
    ];
    altered.extend(parts.iter().map(|alter| {
        let mut evidence = evidence.clone();
        alter(evidence.assertion.as_mut().unwrap());
        evidence
    }));
    // Another genesis, signed by Ann's passkey: a sign-in of another deployment.
    let elsewhere = SignInRequest {
        genesis: [7; 32],
        ..request.clone()
    };
    altered.push(touched(&stage, &stage.ann, &elsewhere));
    // The bytes as sent are what counts: the same fields, and one more that is unknown.
    let mut longer = evidence.clone();
    longer.request.extend([0xfa, 0x3e, 0x01, 0x2a]);
    altered.push(longer);
    let lies: Vec<_> = altered.into_iter().map(|it| with(&stage, it)).collect();
    stage.refuses(lies.into_iter().map(|lie| (lie, INVALID)));
    // None of it was refused for being a second offer of the same sign-in.
    let unaltered = with(&stage, evidence);
    assert_eq!(told(&stage.line.offer(&unaltered)), None);
}

#[test]
fn c14_a_sign_in_with_an_expiry_in_ten_years_does_not_outlive_the_ceiling() {
    let ten_years = Duration::from_hours(24 * 3650);
    let mut stage = Stage::with(&Beginning {
        sign_in_max_s: 5,
        ..Beginning::default()
    });
    let mut request = stage.ann.sign_in_request(stage.log.genesis(), now());
    request.expires = request.issued.after(ten_years);
    let evidence = touched(&stage, &stage.ann, &request);
    let endless = |offer: &mut Offer| {
        offer.evidence = Some(evidence.clone());
        offer.expires_ms = request.expires.0;
        offer.idle_ms = u64::MAX;
    };
    let offer = stage.lie(endless);
    assert_eq!(told(&stage.line.offer(&offer)), None);
    let ended = stage.line.session_ended(&offer.session_id);
    assert_eq!(ended, Reason::SignInExpired.as_str());
    let again = stage.lie(endless);
    let mut headless = request.clone();
    headless.headless = true;
    headless.issued = now().before(Duration::from_hours(2));
    let headless = touched(&stage, &stage.ann, &headless);
    let headless = stage.lie(|offer| offer.evidence = Some(headless));
    // One that begins later than now would end later, too.
    let mut tomorrow = stage.ann.sign_in_request(stage.log.genesis(), now());
    tomorrow.issued = now().after(Duration::from_hours(24));
    tomorrow.expires = tomorrow.issued.after(ten_years);
    let tomorrow = touched(&stage, &stage.ann, &tomorrow);
    let tomorrow = stage.lie(|offer| offer.evidence = Some(tomorrow));
    stage.refuses([
        (again, Reason::SignInExpired),
        (headless, Reason::SignInExpired),
        (tomorrow, Reason::ClockSkew),
    ]);
}
