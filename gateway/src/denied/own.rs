//! Statements that add a passkey: only one that this gateway saw made, by the device that asked.

use std::time::Duration;

use adit_proto::statement::Kind;
use adit_proto::testing::Person;
use serde_json::json;

use super::scene::{Scene, Somebody};
use crate::ceremony::CeremonyId;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passkey_that_no_browser_made_for_this_device_is_not_added() {
    let mut scene = Scene::new().await;
    let (ada, eve) = (scene.ada.clone(), scene.eve.clone());
    scene.sign_in(&ada.person).await;
    scene.sign_in(&eve.person).await;
    let (mine, fresh) = scene.registered(&ada).await;
    let (hers, _) = scene.registered(&eve).await;
    let other = scene.rig.log.with_new_passkey(&ada.person);
    for (registration, passkey, outcome) in [
        (None, &fresh, "request_malformed+"),
        (Some(hers), &fresh, "touch_expired+"),
        (Some(mine), &other, "evidence_invalid+"),
        (Some(mine), &fresh, "allowed"),
        // Seen by the gateway, and in the roster already.
        (Some(mine), &fresh, "request_malformed+"),
    ] {
        let seen = scene.adds(&ada, registration, passkey).await;
        assert_eq!(seen, outcome);
    }
    let roster = scene.rig.services.roster.snapshot().unwrap();
    assert_eq!(roster.passkeys_of(ada.person.user).count(), 2);
    let (late, fresh) = scene.registered(&ada).await;
    scene.goes_on(Duration::from_mins(6));
    let seen = scene.adds(&ada, Some(late), &fresh).await;
    assert_eq!(seen, "touch_expired+");
    scene.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_add_to_himself_makes_no_passkey_for_nothing() {
    let mut scene = Scene::new().await;
    let pam = scene.pam.clone();
    scene.sign_in(&pam.person).await;
    let request = scene.request("POST /v1/passkeys/registrations", &pam).await;
    assert_eq!(scene.calls(&pam, &request).await, "policy_denied+");
    scene.rig.stop().await;
}

impl Scene {
    /// Has somebody add the passkey of `with`, and says what comes of it.
    async fn adds(
        &mut self,
        who: &Somebody,
        registration: Option<CeremonyId>,
        with: &Person,
    ) -> String {
        self.rig.log.now = self.rig.clock.now();
        let body = self.rig.log.own_passkey(with);
        let statement = self.rig.log.sealed(&who.person, Kind::Own, &body);
        let mut request = self.request("POST /v1/roster/statements", who).await;
        let id = registration.map(|id| id.to_string());
        request.append(statement, json!(id));
        self.calls(who, &request).await
    }
}
