//! C7 and C14: what a gateway that holds its database and its keys, and lies, can offer.

mod altered;

use std::time::Duration;

use adit_proto::roster::Subject;
use adit_proto::testing::Person;
use adit_proto::wire::control::Offer;
use adit_proto::wire::identity::SignInEvidence;

use super::*;
use crate::clock::Clock;
use crate::testing::{World, later};

/// The offer's fate without waiting for anything.
fn verify(world: &World, offer: Offer) -> Result<Verified, Refusal> {
    let now = world.clock.wall();
    let known = world.book.known()?;
    let bounds = &world.table.parts().bounds;
    let claim = read(offer, bounds, now)?;
    admit(&claim, &known, now)?;
    decide(&claim, &known, bounds, now)
}

fn refused(world: &World, change: impl FnOnce(&mut Offer)) -> Reason {
    let mut offer = world.annas_offer();
    change(&mut offer);
    verify(world, offer).unwrap_err().reason()
}

fn facts_of(offer: &mut Offer) -> &mut adit_proto::wire::control::Facts {
    offer.facts.as_mut().unwrap()
}

#[test]
fn an_honest_offer_is_accepted_with_the_groups_of_policy_and_ceiling() {
    let world = World::new();
    let verified = verify(&world, world.annas_offer()).unwrap();
    let assumed = verified.assumed.unwrap();
    assert_eq!(assumed.groups().len(), 1);
    assert_eq!(assumed.groups()[0].as_str(), "view");
    assert_eq!(verified.permit.target().to_string(), "cluster/prod");
    let service = world.offer(&world.anna, "service/prod/db");
    assert!(verify(&world, service).unwrap().assumed.is_none());
}

#[test]
fn c14_a_user_who_never_signed_in_is_refused() {
    let world = World::new();
    assert_eq!(
        refused(&world, |offer| offer.evidence = None),
        Reason::EvidenceInvalid
    );
    assert_eq!(
        refused(&world, |offer| {
            offer.evidence = Some(SignInEvidence::default());
        }),
        Reason::EvidenceInvalid
    );
}

#[test]
fn c14_another_users_assertion_is_refused() {
    let mut world = World::new();
    let bert = world.log.add_person("bert@example.com", &["devs"]);
    world.deliver();
    let berts = world.offer(&bert, "cluster/prod");
    assert!(verify(&world, berts.clone()).is_ok());
    // Bert's evidence under Anna's name and device.
    assert_eq!(
        refused(&world, |offer| offer.evidence.clone_from(&berts.evidence)),
        Reason::EvidenceInvalid
    );
    // Bert's passkey over a request that names Anna and her device.
    let request = world
        .anna
        .sign_in_request(world.log.genesis(), world.clock.wall());
    let forged = bert.sign_in(world.log.roster.relying_party(), &request);
    assert_eq!(
        refused(&world, |offer| offer.evidence = Some(forged)),
        Reason::EvidenceInvalid
    );
    // Anna's name over everything else of Bert's.
    let mut annas = berts;
    annas.user_id = world.anna.user.to_string();
    assert_eq!(
        verify(&world, annas).unwrap_err().reason(),
        Reason::EvidenceInvalid
    );
}

#[test]
fn c14_a_device_outside_the_roster_is_refused() {
    let world = World::new();
    let stranger = Person {
        device: Person::new(
            world.anna.user,
            "anna@example.com",
            "localhost",
            world.clock.wall(),
        )
        .device,
        ..world.anna.clone()
    };
    let offer = world.offer(&stranger, "cluster/prod");
    assert_eq!(
        verify(&world, offer).unwrap_err().reason(),
        Reason::DeviceUnknown
    );
}

#[test]
fn c14_a_device_of_another_user_is_refused() {
    let mut world = World::new();
    let bert = world.log.add_person("bert@example.com", &["devs"]);
    world.deliver();
    // Anna's passkey delegates to Bert's device, with everything else right.
    let mixed = Person {
        device: bert.device.clone(),
        ..world.anna.clone()
    };
    let offer = world.offer(&mixed, "cluster/prod");
    assert_eq!(
        verify(&world, offer).unwrap_err().reason(),
        Reason::EvidenceInvalid
    );
}

#[test]
fn c14_a_sign_in_with_an_expiry_in_ten_years_ends_with_the_ceiling() {
    let world = World::new();
    let mut request = world
        .anna
        .sign_in_request(world.log.genesis(), world.clock.wall());
    request.expires = later(request.issued, 24 * 3650);
    let evidence = world
        .anna
        .sign_in(world.log.roster.relying_party(), &request);
    let offer = |world: &World| Offer {
        evidence: Some(evidence.clone()),
        expires_ms: request.expires.0,
        ..world.annas_offer()
    };
    let verified = verify(&world, offer(&world)).unwrap();
    assert_eq!(verified.sign_in.expires(), later(request.issued, 24));
    world.advance(Duration::from_hours(24));
    assert_eq!(
        verify(&world, offer(&world)).unwrap_err().reason(),
        Reason::SignInExpired
    );
}

#[test]
fn c14_groups_that_the_roster_does_not_give_are_refused() {
    let world = World::new();
    let reason = refused(&world, |offer| offer.groups.push("admins".to_owned()));
    assert_eq!(reason, Reason::GroupAboveCeiling);
}

#[test]
fn c14_groups_above_the_ceiling_are_refused() {
    let world = World::new();
    for group in ["system:masters", "cluster-admin"] {
        let reason = refused(&world, |offer| offer.kube_groups.push(group.to_owned()));
        assert_eq!(reason, Reason::GroupAboveCeiling);
    }
}

#[test]
fn c14_a_group_that_policy_gives_above_the_ceiling_is_not_assumed() {
    let text = r#"
permit(principal, action == Action::"connect", resource in Cluster::"prod");
permit(principal, action == Action::"assume", resource);
"#;
    let world = World::with_policy(text);
    let assumed = verify(&world, world.annas_offer())
        .unwrap()
        .assumed
        .unwrap();
    let groups: Vec<_> = assumed.groups().iter().map(KubeGroupName::as_str).collect();
    assert_eq!(groups, ["view", "edit"]);
}

#[test]
fn revoked_users_devices_passkeys_and_clusters_are_refused() {
    let mut world = World::new();
    world.log.revoke(Subject::User(world.anna.user));
    world.deliver();
    assert_eq!(refused(&world, |_| {}), Reason::DeviceRevoked);
    let mut world = World::new();
    world.log.revoke(Subject::Device(world.anna.device_id));
    world.deliver();
    assert_eq!(refused(&world, |_| {}), Reason::DeviceRevoked);
    let mut world = World::new();
    world.log.revoke(Subject::Passkey(world.anna.passkey_id));
    world.deliver();
    assert_eq!(refused(&world, |_| {}), Reason::SignInRequired);
    let mut world = World::new();
    let cluster = world
        .log
        .roster
        .cluster(&"prod".parse().unwrap())
        .unwrap()
        .id;
    world.log.revoke(Subject::Cluster(cluster));
    world.deliver();
    assert_eq!(refused(&world, |_| {}), Reason::UnknownOrForbidden);
}

#[test]
fn c7_a_headless_sign_in_ends_by_the_connectors_own_limit_whatever_it_states() {
    let world = World::new();
    let now = world.clock.wall();
    let mut request = world.anna.sign_in_request(world.log.genesis(), now);
    request.headless = true;
    let offer = |world: &World, request: &adit_proto::sign_in::SignInRequest| Offer {
        evidence: Some(
            world
                .anna
                .sign_in(world.log.roster.relying_party(), request),
        ),
        expires_ms: now.after(Duration::from_hours(8)).0,
        ..world.annas_offer()
    };
    let mut stated = offer(&world, &request);
    let hour = now.after(Duration::from_hours(1));
    let verified = verify(&world, stated.clone()).unwrap();
    assert_eq!(verified.sign_in.expires(), hour);
    // Without the mark it would live for twelve hours: who takes it away has no signature.
    let mut unmarked = stated.clone();
    request.headless = false;
    if let Some(evidence) = &mut unmarked.evidence {
        evidence.request = request.encode();
    }
    let refusal = verify(&world, unmarked).unwrap_err();
    assert_eq!(refusal.reason(), Reason::EvidenceInvalid);
    world.advance(Duration::from_hours(1));
    facts_of(&mut stated).decided_ms = hour.0;
    let refusal = verify(&world, stated).unwrap_err();
    assert_eq!(refusal.reason(), Reason::SignInExpired);
}

#[test]
fn h15_a_sign_in_by_a_further_passkey_holds_until_that_one_is_removed() {
    let mut world = World::new();
    world.log.set_self_service(world.anna.user, true);
    let anna = world.anna.clone();
    let with = world.log.add_passkey(&anna);
    world.deliver();
    let by = |world: &World, person| verify(world, world.offer(person, "cluster/prod"));
    assert!(by(&world, &anna).is_ok() && by(&world, &with).is_ok());
    let unknown = world.log.with_new_passkey(&anna);
    let refusal = by(&world, &unknown).unwrap_err();
    assert_eq!(refusal.reason(), Reason::EvidenceInvalid);
    world.log.revoke(Subject::Passkey(with.passkey_id));
    world.deliver();
    let refusal = by(&world, &with).unwrap_err();
    assert_eq!(refusal.reason(), Reason::SignInRequired);
    assert!(by(&world, &anna).is_ok());
}

#[test]
fn k26_somebody_without_a_rule_is_refused_by_policy() {
    let mut world = World::new();
    let carl = world.log.add_person("carl@example.com", &["ops"]);
    world.deliver();
    let offer = world.offer(&carl, "cluster/prod");
    let refusal = verify(&world, offer).unwrap_err();
    assert_eq!(refusal.reason(), Reason::PolicyDenied);
    assert_eq!(refusal.shown(), Reason::UnknownOrForbidden);
}

#[test]
fn a_tier_that_policy_asks_for_is_named() {
    let text = r#"
permit(principal in Group::"devs", action == Action::"connect", resource in Cluster::"prod")
when { context.device.tier >= 2 };
permit(principal in Group::"devs", action == Action::"assume", resource == KubeGroup::"view");
"#;
    let world = World::with_policy(text);
    let mut offer = world.annas_offer();
    assert_eq!(
        verify(&world, offer.clone()).unwrap_err().reason(),
        Reason::TierTooLow
    );
    offer.facts.as_mut().unwrap().tier = 2;
    assert!(verify(&world, offer).is_ok());
}
