//! What answers say of users, devices and clusters that are somebody else's.
//!
//! No page and no call of those who are no admins takes the name of a user: who signs in is known from the device's key,
//! and what a passkey is asked for from a ceremony whose id nobody guesses. What is left are ids and targets.

use super::requests::Request;
use super::scene::{Answer, Scene, Somebody};

/// Status and body, with the one name that was asked for taken out.
fn shape(answer: &Answer, name: &str) -> String {
    let body = String::from_utf8_lossy(answer.body());
    format!("{} {}", answer.outcome(), body.replace(name, "NAME"))
}

impl Scene {
    async fn answers(&mut self, who: &Somebody, request: &Request, name: &str) -> String {
        let answer = self.call(&who.connection, request).await;
        self.tidy(request, &answer);
        shape(&answer, name)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h11_what_is_somebody_elses_answers_exactly_as_what_does_not_exist() {
    let mut scene = Scene::new().await;
    let (ada, eve, auditor) = (scene.ada.clone(), scene.eve.clone(), scene.auditor.clone());
    for (row, who) in [
        ("GET /v1/sign-ins/{id}", &eve),
        ("POST /v1/sign-ins/{id}/finish", &eve),
        ("GET /v1/passkeys/registrations/{id}", &eve),
        ("DELETE /v1/sessions/{id}", &eve),
        ("GET /v1/touches/{id}", &eve),
        ("POST /v1/admin/devices/{id}/suspend", &eve),
        ("POST /v1/admin/devices/{id}/suspend", &auditor),
        ("POST /v1/admin/devices/{id}/resume", &eve),
        ("POST /v1/admin/devices/{id}/resume", &auditor),
    ] {
        for somebody in [&ada, who] {
            scene.sign_in(&somebody.person).await;
        }
        let hers = scene.request(row, &ada).await;
        let (nobodys, id, none) = hers.about_nothing(row);
        let existing = scene.answers(who, &hers, &id).await;
        let nothing = scene.answers(who, &nobodys, &none).await;
        assert_eq!(existing, nothing, "{row}");
        assert!(!existing.starts_with("allowed"), "{row}: {existing}");
    }
    for target in ["cluster/NAME", "service/NAME/db"] {
        let mut seen = Vec::new();
        for name in ["prod", "nope"] {
            let request = Request::session_with(&target.replace("NAME", name));
            seen.push(scene.answers(&eve, &request, name).await);
        }
        assert_eq!(seen[0], seen[1], "{target}");
        assert!(seen[0].starts_with("unknown_or_forbidden"), "{}", seen[0]);
    }
    scene.rig.stop().await;
}
