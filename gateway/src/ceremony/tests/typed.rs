//! Sign-ins from a machine without a browser.

use adit_proto::label::sha256;
use adit_proto::roster::{Device, Roster};
use adit_proto::sign_in::SignInRequest;

use super::browser::{assertion_json, asserts};
use super::*;
use crate::store::sign_ins::SignIn;
use crate::store::tests::on_both;

on_both! {
    a_typed_code_leaves_a_marked_sign_in_of_an_hour => whole;
    without_the_code_there_is_no_challenge_and_a_wrong_one_uses_the_page_up => wrong;
    another_device_learns_nothing_and_finishes_nothing => device;
    what_returns_to_the_agent_is_not_finished_without_its_code => other;
    it_can_be_switched_off_and_what_was_signed_in_ends => off;
}

const VERIFIER: &str = "0123456789-0123456789-0123456789-0123456789";

fn device_of<'a>(roster: &'a Roster, person: &Person) -> &'a Device {
    roster.device_by_key(&person.device.fingerprint()).unwrap()
}

fn ask(returns: Returns) -> SignInAsk {
    SignInAsk {
        pkce_challenge: sha256(VERIFIER.as_bytes()),
        returns,
        source: "192.0.2.1".parse().unwrap(),
    }
}

async fn begin(
    ceremonies: &Ceremonies,
    roster: &Roster,
    ann: &Person,
    returns: Returns,
) -> (BegunSignIn, CeremonyId) {
    let begun = ceremonies.begin_sign_in(roster, device_of(roster, ann), ask(returns));
    let begun = begun.await.unwrap();
    let ceremony = begun.url.rsplit('/').next().unwrap().parse().unwrap();
    (begun, ceremony)
}

async fn finishes(
    ceremonies: &Ceremonies,
    roster: &Roster,
    person: &Person,
    begun: &BegunSignIn,
) -> Result<SignIn, CeremonyError> {
    let device = device_of(roster, person);
    let finish = finish(begun);
    ceremonies.finish_sign_in(roster, device, &finish).await
}

fn finish(begun: &BegunSignIn) -> Finish {
    Finish {
        id: begun.id,
        code: None,
        verifier: VERIFIER.to_owned(),
    }
}

async fn whole(store: Store) {
    let (ceremonies, clock) = ceremonies(store, true);
    let log = Log::new();
    let (ann, roster) = (log.admin, log.roster);
    let print = ann.device.fingerprint();
    let (begun, ceremony) = begin(&ceremonies, &roster, &ann, Returns::Typed).await;
    let early = ceremonies.answered(begun.id, print, soon()).await;
    assert!(matches!(early, Err(CeremonyError::TimedOut)), "{early:?}");
    let typed = begun.matching_code.to_lowercase().replace('-', " ");
    let page = ceremonies.options(ceremony, Some(&typed)).await.unwrap();
    let answer = assertion_json(&asserts(&ann, &page.options));
    let next = ceremonies.answer(ceremony, &answer, Some(&roster)).await;
    assert_eq!(
        next.unwrap(),
        Next::Done,
        "nothing goes to the other machine"
    );
    ceremonies.answered(begun.id, print, soon()).await.unwrap();
    let device = device_of(&roster, &ann);
    let sign_in = finishes(&ceremonies, &roster, &ann, &begun).await.unwrap();
    let hour = NOW.after(Duration::from_hours(1));
    assert_eq!(sign_in.expires, hour);
    let request = SignInRequest::parse(&sign_in.evidence.sent().request).unwrap();
    assert!(request.headless);
    assert!(ceremonies.holds(&roster, device, &sign_in).is_ok());
    clock.set(hour);
    let ended = ceremonies.holds(&roster, device, &sign_in);
    assert_eq!(ended, Err(Reason::SignInExpired));
}

async fn wrong(store: Store) {
    let (ceremonies, _) = ceremonies(store, true);
    let log = Log::new();
    let (ann, roster) = (log.admin, log.roster);
    for typed in [None, Some(""), Some("000-00U")] {
        let (begun, ceremony) = begin(&ceremonies, &roster, &ann, Returns::Typed).await;
        let refused = ceremonies.options(ceremony, typed).await;
        assert!(
            matches!(refused, Err(CeremonyError::TypedCode)),
            "{refused:?}"
        );
        let code = Some(begun.matching_code.as_str());
        let late = ceremonies.options(ceremony, code).await;
        assert!(matches!(late, Err(CeremonyError::Gone)), "{late:?}");
        let waited = ceremonies.answered(begun.id, ann.device.fingerprint(), soon());
        let waited = waited.await;
        assert!(
            matches!(waited, Err(CeremonyError::Refused(_))),
            "{waited:?}"
        );
        let finished = finishes(&ceremonies, &roster, &ann, &begun).await;
        assert!(finished.is_err());
    }
}

async fn device(store: Store) {
    let (ceremonies, _) = ceremonies(store, true);
    let mut log = Log::new();
    let (ann, bob) = (log.admin.clone(), log.add_person("bob", &[]));
    let roster = &log.roster;
    let (begun, ceremony) = begin(&ceremonies, roster, &ann, Returns::Typed).await;
    let code = Some(begun.matching_code.as_str());
    let page = ceremonies.options(ceremony, code).await.unwrap();
    let answer = assertion_json(&asserts(&ann, &page.options));
    ceremonies
        .answer(ceremony, &answer, Some(roster))
        .await
        .unwrap();
    let print = bob.device.fingerprint();
    let waited = ceremonies.answered(begun.id, print, soon()).await;
    assert!(matches!(waited, Err(CeremonyError::Gone)), "{waited:?}");
    let foreign = finishes(&ceremonies, roster, &bob, &begun).await;
    assert!(matches!(foreign, Err(CeremonyError::Gone)), "{foreign:?}");
    let mut bad = finish(&begun);
    bad.verifier.push('x');
    let refused = ceremonies.finish_sign_in(roster, device_of(roster, &ann), &bad);
    let refused = refused.await;
    assert!(matches!(refused, Err(CeremonyError::Code)), "{refused:?}");
}

async fn other(store: Store) {
    let (ceremonies, _) = ceremonies(store, true);
    let log = Log::new();
    let (ann, roster) = (log.admin, log.roster);
    let returns = Returns::To {
        callback: "http://127.0.0.1:4711/callback".parse().unwrap(),
        state: "0123456789abcdef".parse().unwrap(),
        tab: None,
    };
    let (begun, ceremony) = begin(&ceremonies, &roster, &ann, returns).await;
    let page = ceremonies.options(ceremony, None).await.unwrap();
    let answer = assertion_json(&asserts(&ann, &page.options));
    ceremonies
        .answer(ceremony, &answer, Some(&roster))
        .await
        .unwrap();
    let waited = ceremonies.answered(begun.id, ann.device.fingerprint(), soon());
    let waited = waited.await;
    assert!(matches!(waited, Err(CeremonyError::Gone)), "{waited:?}");
    let refused = finishes(&ceremonies, &roster, &ann, &begun).await;
    assert!(matches!(refused, Err(CeremonyError::Code)), "{refused:?}");
}

async fn off(store: Store) {
    let (ceremonies, clock) = ceremonies(store.clone(), true);
    let log = Log::new();
    let (ann, roster) = (log.admin, log.roster);
    let (begun, ceremony) = begin(&ceremonies, &roster, &ann, Returns::Typed).await;
    let code = Some(begun.matching_code.as_str());
    let page = ceremonies.options(ceremony, code).await.unwrap();
    let answer = assertion_json(&asserts(&ann, &page.options));
    ceremonies
        .answer(ceremony, &answer, Some(&roster))
        .await
        .unwrap();
    let device = device_of(&roster, &ann);
    let sign_in = finishes(&ceremonies, &roster, &ann, &begun).await.unwrap();
    let settings = Settings {
        headless: None,
        ..ceremonies.settings().clone()
    };
    let without = Ceremonies::new(store, clock, Entropy::default(), settings);
    let refused = without.begin_sign_in(&roster, device, ask(Returns::Typed));
    let refused = refused.await;
    assert!(
        matches!(refused, Err(CeremonyError::HeadlessOff)),
        "{refused:?}"
    );
    let ended = without.holds(&roster, device, &sign_in);
    assert_eq!(ended, Err(Reason::SignInExpired));
}
