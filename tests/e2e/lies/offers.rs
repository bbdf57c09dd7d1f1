//! The rest of an offer: groups, facts, target, and what the gateway says that it rests on.

use super::*;

#[test]
fn an_honest_offer_is_accepted_with_the_groups_of_the_ceiling() {
    let mut stage = Stage::new();
    stage.accepts();
    let service = stage.offer(&stage.ann, "service/prod/db");
    let answer = stage.line.offer(&service);
    let Answer::Accepted(accepted) = answer else {
        unreachable!("{answer:?}");
    };
    assert_eq!(accepted.instance, stage.line.register.instance);
    assert_eq!(accepted.route, stage.line.route.bits());
}

#[test]
fn c14_groups_that_the_roster_does_not_give_are_refused() {
    let mut stage = Stage::new();
    let add = |mut offer: Offer, group: &str| {
        offer.groups.push(group.to_owned());
        (offer, Reason::GroupAboveCeiling)
    };
    let lies = [
        add(stage.true_offer(), "admins"),
        add(stage.true_offer(), "system:masters"),
        add(stage.offer(&stage.mallory, "cluster/prod"), "engineers"),
    ];
    stage.refuses(lies);
    // The gateway's silence gives her nothing, either: policy sees the roster's groups.
    let mallorys = stage.offer(&stage.mallory, "cluster/prod");
    let answer = stage.line.offer(&mallorys);
    assert_eq!(told(&answer), Some(Reason::UnknownOrForbidden));
    let decided = stage.decided(&mallorys.session_id);
    assert_eq!(decided.reason, Reason::PolicyDenied.as_str());
}

#[test]
fn c14_groups_above_the_ceiling_are_refused() {
    let mut stage = Stage::new();
    let lies = ["system:masters", "adit-edit", "cluster-admin"].map(|group| {
        let lie = stage.lie(|offer| offer.kube_groups.push(group.to_owned()));
        (lie, Reason::GroupAboveCeiling)
    });
    // Policy would give her any of them, and what the connector then assumes is the ceiling's one.
    stage.refuses(lies);
}

#[test]
fn c7_each_altered_field_is_refused_with_its_reason() {
    let mut stage = Stage::new();
    stage.log.add_cluster("test");
    stage.tell_everything(POLICY);
    let mallory = stage.mallory.user.to_string();
    let facts =
        |change: fn(&mut Facts)| move |offer: &mut Offer| change(offer.facts.as_mut().unwrap());
    let lies = [
        (
            stage.lie(|it| it.user_id = mallory),
            Reason::EvidenceInvalid,
        ),
        (stage.lie(|it| it.user_id.clear()), Reason::RequestMalformed),
        (
            stage.lie(|it| it.target = "cluster/test".to_owned()),
            Reason::UnknownOrForbidden,
        ),
        (
            stage.lie(|it| it.target = "service/prod/x".to_owned()),
            Reason::UnknownOrForbidden,
        ),
        (
            stage.lie(|it| it.target = "127.0.0.1:22".to_owned()),
            Reason::RequestMalformed,
        ),
        (stage.lie(|it| it.expires_ms = 1), Reason::SessionExpired),
        (
            stage.lie(|it| it.device_key[3] ^= 1),
            Reason::RequestMalformed,
        ),
        (
            stage.lie(|it| it.device_key[30] ^= 1),
            Reason::DeviceUnknown,
        ),
        (stage.lie(|it| it.policy_number = 7), Reason::RosterStale),
        (stage.lie(|it| it.roster_number += 1), Reason::RosterStale),
        (stage.lie(|it| it.roster_hash[0] ^= 1), Reason::RosterFork),
        (stage.lie(|it| it.facts = None), Reason::RequestMalformed),
        (stage.lie(facts(|it| it.tier = 3)), Reason::EvidenceInvalid),
        (stage.lie(facts(|it| it.tier = 0)), Reason::EvidenceInvalid),
        (
            stage.lie(facts(|it| it.decided_ms -= 600_000)),
            Reason::ClockSkew,
        ),
        (
            stage.lie(facts(|it| it.source_address.clear())),
            Reason::RequestMalformed,
        ),
        (
            stage.lie(|it| it.must_understand = vec!["x".to_owned()]),
            Reason::VersionUnsupported,
        ),
    ];
    stage.refuses(lies);
}

#[test]
fn c7_a_session_keeps_its_user_device_and_target() {
    let mut stage = Stage::new();
    let first = stage.true_offer();
    assert_eq!(told(&stage.line.offer(&first)), None);
    // The same session for something else, with everything right in itself.
    let mut service = stage.offer(&stage.ann, "service/prod/db");
    service.session_id.clone_from(&first.session_id);
    let answer = stage.line.offer(&service);
    assert_eq!(told(&answer), Some(Reason::EvidenceInvalid));
    // A new sign-in carries it on.
    let mut again = stage.true_offer();
    again.session_id = first.session_id;
    assert_eq!(told(&stage.line.offer(&again)), None);
}
