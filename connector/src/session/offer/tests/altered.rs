//! Honest offers in which something was changed.

use adit_proto::wire::identity::Assertion;

use super::*;

#[test]
fn c14_an_altered_sign_in_is_refused_at_every_byte() {
    let world = World::new();
    let offer = world.annas_offer();
    let length = offer.evidence.as_ref().unwrap().request.len();
    for place in 0..length {
        let mut altered = offer.clone();
        altered.evidence.as_mut().unwrap().request[place] ^= 1;
        assert!(verify(&world, altered).is_err(), "{place}");
    }
    for alter in [
        |assertion: &mut Assertion| assertion.signature[8] ^= 1,
        |assertion: &mut Assertion| assertion.client_data_json[20] ^= 1,
        |assertion: &mut Assertion| assertion.authenticator_data[1] ^= 1,
        |assertion: &mut Assertion| assertion.credential_id[0] ^= 1,
    ] {
        let mut altered = offer.clone();
        alter(
            altered
                .evidence
                .as_mut()
                .unwrap()
                .assertion
                .as_mut()
                .unwrap(),
        );
        assert_eq!(
            verify(&world, altered).unwrap_err().reason(),
            Reason::EvidenceInvalid
        );
    }
}

#[test]
fn c14_an_older_policy_is_refused() {
    let mut world = World::new();
    let denies = "forbid(principal, action, resource);";
    world.log.set_policy(denies);
    world.deliver();
    // The gateway holds the new text back.
    assert_eq!(refused(&world, |_| {}), Reason::RosterStale);
    // It sends the old one under the new number.
    world.book.policy_text(2, crate::testing::POLICY.to_owned());
    assert_eq!(
        refused(&world, |offer| offer.policy_number = 2),
        Reason::RosterStale
    );
    // It sends it, and offers by the old one.
    world.book.policy_text(2, denies.to_owned());
    assert_eq!(refused(&world, |_| {}), Reason::RosterStale);
    assert_eq!(
        refused(&world, |offer| offer.policy_number = 2),
        Reason::PolicyDenied
    );
}

#[test]
fn c14_an_altered_policy_is_refused() {
    let mut log = World::new();
    let number = log.log.set_policy("forbid(principal, action, resource);");
    log.deliver();
    log.book
        .policy_text(number, "permit(principal, action, resource);".to_owned());
    assert!(log.book.known().unwrap().awaits_policy());
    assert_eq!(
        refused(&log, |offer| offer.policy_number = number),
        Reason::RosterStale
    );
}

#[test]
fn c7_each_altered_field_is_refused_with_its_reason() {
    let mut world = World::new();
    let bert = world.log.add_person("bert@example.com", &["devs"]);
    world.log.add_cluster("test");
    world.deliver();
    let bert = bert.user.to_string();
    let altered = |reason, change: &dyn Fn(&mut Offer)| {
        assert_eq!(refused(&world, change), reason);
    };
    altered(Reason::EvidenceInvalid, &|offer| {
        offer.user_id.clone_from(&bert);
    });
    altered(Reason::RequestMalformed, &|offer| offer.user_id.clear());
    for elsewhere in ["cluster/test", "service/prod/x", "service/test/db"] {
        altered(Reason::UnknownOrForbidden, &|offer| {
            elsewhere.clone_into(&mut offer.target);
        });
    }
    altered(Reason::RequestMalformed, &|offer| {
        "10.0.0.1:22".clone_into(&mut offer.target);
    });
    altered(Reason::SessionExpired, &|offer| offer.expires_ms = 1);
    altered(Reason::RequestMalformed, &|offer| offer.device_key[3] ^= 1);
    altered(Reason::RosterStale, &|offer| offer.policy_number = 7);
    altered(Reason::EvidenceInvalid, &|offer| facts_of(offer).tier = 3);
    altered(Reason::EvidenceInvalid, &|offer| facts_of(offer).tier = 0);
    altered(Reason::ClockSkew, &|offer| {
        facts_of(offer).decided_ms -= 301_000;
    });
    altered(Reason::ClockSkew, &|offer| {
        facts_of(offer).decided_ms += 301_000;
    });
    altered(Reason::RequestMalformed, &|offer| {
        facts_of(offer).source_address.clear();
    });
    altered(Reason::VersionUnsupported, &|offer| {
        offer.must_understand.push("x".to_owned());
    });
}

#[test]
fn f31_a_gateways_clock_may_differ_by_five_minutes_and_not_by_a_millisecond_more() {
    let world = World::new();
    let judged = |by: i64| {
        let mut offer = world.annas_offer();
        let now = world.clock.wall().0;
        facts_of(&mut offer).decided_ms = now.saturating_add_signed(by);
        let verified = verify(&world, offer);
        verified.map(|_| ()).map_err(|refusal| refusal.reason())
    };
    for by in [300_000, -300_000] {
        assert_eq!(judged(by), Ok(()));
        assert_eq!(judged(by + by.signum()), Err(Reason::ClockSkew));
    }
}
