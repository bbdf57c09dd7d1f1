//! Sign-ins: device first, owner only, code and PKCE on the same device.

use adit_proto::label::sha256;
use adit_proto::roster::{Device, Roster, Subject};

use super::browser::{assertion_json, asserts};
use super::*;
use crate::store::sign_ins::SignIn;
use crate::store::tests::on_both;

on_both! {
    a_sign_in_leaves_evidence_that_verifies => whole;
    l8_a_code_is_good_once_and_with_its_verifier => code;
    another_device_does_not_finish_a_sign_in => device;
    h1_another_persons_assertion_is_refused => person;
    h4_a_sign_in_without_user_verification_is_refused => unverified;
    h6_an_altered_assertion_is_refused => altered;
    h15_a_sign_in_of_a_revoked_user_is_not_finished => revoked;
}

const VERIFIER: &str = "0123456789-0123456789-0123456789-0123456789";

fn ask() -> SignInAsk {
    SignInAsk {
        pkce_challenge: sha256(VERIFIER.as_bytes()),
        returns: Returns::To {
            callback: "http://127.0.0.1:4711/callback".parse().unwrap(),
            state: "0123456789abcdef".parse().unwrap(),
            tab: None,
        },
        source: "192.0.2.1".parse().unwrap(),
    }
}

fn device_of<'a>(roster: &'a Roster, person: &Person) -> &'a Device {
    roster.device_by_key(&person.device.fingerprint()).unwrap()
}

fn id_of(url: &str) -> CeremonyId {
    url.rsplit('/').next().unwrap().parse().unwrap()
}

/// Signs in up to the code that comes back to the loopback port.
async fn code_of(ceremonies: &Ceremonies, roster: &Roster, ann: &Person) -> Finish {
    let begun = ceremonies
        .begin_sign_in(roster, device_of(roster, ann), ask())
        .await
        .unwrap();
    let ceremony = id_of(&begun.url);
    let page = ceremonies.page(ceremony).await.unwrap();
    assert_eq!(page.shown.matching_code, begun.matching_code);
    assert_eq!(page.shown.owner, ann.name);
    assert_eq!(page.shown.device, format!("{}'s laptop", ann.name));
    let answer = assertion_json(&asserts(ann, &page.options));
    let next = ceremonies
        .answer(ceremony, &answer, Some(roster))
        .await
        .unwrap();
    let Next::Go(place) = next else {
        panic!("{next:?}")
    };
    let rest = place
        .strip_prefix("http://127.0.0.1:4711/callback?code=")
        .unwrap();
    let (code, state) = rest.split_once("&state=").unwrap();
    assert_eq!(state, "0123456789abcdef");
    Finish {
        id: begun.id,
        code: Some(code.to_owned()),
        verifier: VERIFIER.to_owned(),
    }
}

async fn finish(
    ceremonies: &Ceremonies,
    roster: &Roster,
    person: &Person,
    finish: &Finish,
) -> Result<SignIn, CeremonyError> {
    ceremonies
        .finish_sign_in(roster, device_of(roster, person), finish)
        .await
}

async fn whole(store: Store) {
    let (ceremonies, _) = ceremonies(store.clone(), true);
    let log = Log::new();
    let (ann, roster) = (log.admin, log.roster);
    let code = code_of(&ceremonies, &roster, &ann).await;
    let sign_in = finish(&ceremonies, &roster, &ann, &code).await.unwrap();
    assert_eq!((sign_in.user, sign_in.device), (ann.user, ann.device_id));
    assert_eq!(sign_in.expires, NOW.after(Duration::from_hours(12)));
    let stored = store.sign_in_of(ann.device_id, NOW, None).await.unwrap();
    assert_eq!(stored, Ok(sign_in));
}

async fn code(store: Store) {
    let (ceremonies, _) = ceremonies(store, true);
    let log = Log::new();
    let (ann, roster) = (log.admin, log.roster);
    for wrong in ["code", "no code", "verifier", "short"] {
        let right = code_of(&ceremonies, &roster, &ann).await;
        let mut bad = right.clone();
        match wrong {
            "code" => bad.code = bad.code.map(|code| code + "x"),
            "no code" => bad.code = None,
            "verifier" => bad.verifier.push('x'),
            _ => bad.verifier.truncate(42),
        }
        let refused = finish(&ceremonies, &roster, &ann, &bad).await;
        assert!(
            matches!(refused, Err(CeremonyError::Code)),
            "{wrong}: {refused:?}"
        );
        let late = finish(&ceremonies, &roster, &ann, &right).await;
        assert!(
            matches!(late, Err(CeremonyError::Gone)),
            "{wrong}: {late:?}"
        );
    }
    let right = code_of(&ceremonies, &roster, &ann).await;
    finish(&ceremonies, &roster, &ann, &right).await.unwrap();
    let twice = finish(&ceremonies, &roster, &ann, &right).await;
    assert!(matches!(twice, Err(CeremonyError::Gone)), "{twice:?}");
}

async fn device(store: Store) {
    let (ceremonies, _) = ceremonies(store, true);
    let mut log = Log::new();
    let bob = log.add_person("bob", &[]);
    let (ann, roster) = (log.admin, log.roster);
    let code = code_of(&ceremonies, &roster, &ann).await;
    let refused = finish(&ceremonies, &roster, &bob, &code).await;
    assert!(matches!(refused, Err(CeremonyError::Gone)), "{refused:?}");
    finish(&ceremonies, &roster, &ann, &code).await.unwrap();
}

/// Begins a sign-in of Ann and answers it with what `answer` makes of its options.
async fn answered(
    store: Store,
    answer: impl FnOnce(&Person, &serde_json::Value) -> Vec<u8>,
) -> Result<Next, CeremonyError> {
    let (ceremonies, _) = ceremonies(store, true);
    let log = Log::new();
    let (ann, roster) = (log.admin, log.roster);
    let begun = ceremonies
        .begin_sign_in(&roster, device_of(&roster, &ann), ask())
        .await
        .unwrap();
    let options = ceremonies.page(id_of(&begun.url)).await.unwrap().options;
    let answer = answer(&ann, &options);
    ceremonies
        .answer(id_of(&begun.url), &answer, Some(&roster))
        .await
}

async fn person(store: Store) {
    let refused = answered(store, |_, options| {
        assertion_json(&asserts(&super::person("bob"), options))
    });
    let refused = refused.await;
    assert!(
        matches!(refused, Err(CeremonyError::Webauthn(_))),
        "{refused:?}"
    );
}

async fn unverified(store: Store) {
    let refused = answered(store, |ann, options| {
        let mut assertion = asserts(ann, options);
        assertion.authenticator_data[32] &= !0x04;
        assertion_json(&assertion)
    });
    let refused = refused.await;
    assert!(
        matches!(refused, Err(CeremonyError::Webauthn(_))),
        "{refused:?}"
    );
}

async fn altered(store: Store) {
    let refused = answered(store, |ann, options| {
        let mut assertion = asserts(ann, options);
        // A signature that is well-formed, over other bytes.
        assertion.authenticator_data[36] ^= 1;
        assertion_json(&assertion)
    });
    let refused = refused.await;
    assert!(
        matches!(refused, Err(CeremonyError::Webauthn(_))),
        "{refused:?}"
    );
}

async fn revoked(store: Store) {
    let (ceremonies, _) = ceremonies(store, true);
    let mut log = Log::new();
    let bob = log.add_person("bob", &[]);
    let before = log.roster.clone();
    let code = code_of(&ceremonies, &before, &bob).await;
    log.revoke(Subject::User(bob.user));
    let refused = finish(&ceremonies, &log.roster, &bob, &code).await;
    assert!(
        matches!(refused, Err(CeremonyError::Refused(_))),
        "{refused:?}"
    );
}
