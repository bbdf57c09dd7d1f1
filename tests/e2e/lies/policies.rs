//! Policies that are not the newest one of the roster.

use super::*;

/// What the newest policy took back.
const EVERYBODY: &str = "permit (principal, action, resource);";

/// Mallory's offer by a policy, which is refused.
fn mallorys(stage: &Stage, policy_number: u64) -> (Offer, Reason) {
    let mut offer = stage.offer(&stage.mallory, "cluster/prod");
    offer.policy_number = policy_number;
    (offer, Reason::RosterStale)
}

#[test]
fn c14_an_older_policy_is_refused() {
    let mut stage = Stage::with(&Beginning {
        policy: EVERYBODY,
        ..Beginning::default()
    });
    let before = stage.offer(&stage.mallory, "cluster/prod");
    assert_eq!(told(&stage.line.offer(&before)), None);

    // The admin takes it back; the gateway sends the statement and holds the text back.
    assert_eq!(stage.log.set_policy(POLICY), 2);
    stage.line.statements(&stage.log.statements);
    let ended = stage.line.session_ended(&before.session_id);
    assert_eq!(ended, Reason::RosterStale.as_str());
    let refuse_all = |stage: &mut Stage| {
        for (offer, reason) in [mallorys(stage, 1), mallorys(stage, 2)] {
            assert_eq!(told(&stage.line.offer(&offer)), Some(reason));
            assert_eq!(stage.decided(&offer.session_id).reason, reason.as_str());
        }
    };
    refuse_all(&mut stage);
    // It sends the old text, as what it is and as the new one.
    stage.line.policy(1, EVERYBODY);
    refuse_all(&mut stage);
    stage.line.policy(2, EVERYBODY);
    refuse_all(&mut stage);

    // With the right text, what rests on the old one is refused all the same.
    stage.line.policy(2, POLICY);
    let old = [mallorys(&stage, 1)];
    stage.refuses(old);
    let new = mallorys(&stage, 2).0;
    assert_eq!(
        told(&stage.line.offer(&new)),
        Some(Reason::UnknownOrForbidden)
    );
    assert_eq!(
        stage.decided(&new.session_id).reason,
        Reason::PolicyDenied.as_str()
    );
}

#[test]
fn c14_an_altered_policy_text_is_refused() {
    let mut stage = Stage::silent(&Beginning::default());
    stage.line.statements(&stage.log.statements);
    stage.line.lease(stage.log.roster.number());
    let altered = [
        EVERYBODY.to_owned(),
        POLICY.replace("engineers", "visitors"),
        format!("{POLICY}{EVERYBODY}"),
        format!("{POLICY}\n"),
    ];
    for text in altered {
        stage.line.policy(1, &text);
        let (offer, reason) = mallorys(&stage, 1);
        assert_eq!(told(&stage.line.offer(&offer)), Some(reason), "{text}");
        assert_eq!(stage.decided(&offer.session_id).reason, reason.as_str());
    }
    stage.line.policy(1, POLICY);
    stage.accepts();
    // A policy that the roster does not name is none.
    stage.line.policy(2, EVERYBODY);
    let unnamed = [mallorys(&stage, 2)];
    stage.refuses(unnamed);
}
