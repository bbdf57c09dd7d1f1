//! Who calls, as a proof that a handler takes.
//!
//! Each proof has private fields and is made by the check that [`super::declared`] puts in front of a route. A handler
//! that asks for more than its route checks gets nothing and refuses.

use std::future::Future;

use adit_proto::Reason;
use adit_proto::roster::{Device, Roster, User};
use adit_proto::wire::audit::record::Event;
use adit_proto::wire::audit::{Actor, Refusal as Refused};
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::refused::Refusal;
use crate::caller::Caller;
use crate::services::{Services, Standing};
use crate::store::sign_ins::SignIn;

/// Characters of a refused call's path that the audit log keeps; those of every declared route and its ids are fewer.
const PATH_SHOWN: usize = 128;

/// The least that a caller must be, for the table of denials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Needs {
    /// A device that the roster trusts and that is not suspended.
    Device,
    /// Its owner is signed in on it.
    SignIn,
    /// And is an admin.
    Admin,
}

/// A role that a route can need.
pub(super) trait Role: Clone + Send + Sync + 'static {
    /// What it is in the table.
    const NEEDS: Needs;

    /// Checks a caller anew.
    fn check(
        services: &Services,
        caller: Caller,
    ) -> impl Future<Output = Result<Self, Refusal>> + Send;
}

/// A device that the roster trusts at this moment.
#[derive(Clone, Debug)]
pub struct Enrolled {
    caller: Caller,
    standing: Standing,
}

/// The device's owner is signed in on it.
#[derive(Clone, Debug)]
pub struct SignedIn {
    enrolled: Enrolled,
    sign_in: SignIn,
}

/// An admin who is signed in on this device.
#[derive(Clone, Debug)]
pub struct Admin(SignedIn);

impl Enrolled {
    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    pub(super) fn roster(&self) -> &Roster {
        self.standing.roster()
    }

    pub(super) fn device(&self) -> &Device {
        self.standing.device()
    }

    pub(super) fn user(&self) -> &User {
        self.standing.user()
    }

    pub(super) fn is_admin(&self) -> bool {
        self.standing.is_admin()
    }

    /// How the audit log names the caller.
    pub(super) fn actor(&self) -> Actor {
        Actor {
            user_id: self.user().id.to_string(),
            user_name: self.user().name.clone(),
            device_id: self.device().id.to_string(),
            session_id: String::new(),
            source_address: self.caller.source.ip().to_string(),
        }
    }
}

impl SignedIn {
    pub(super) fn enrolled(&self) -> &Enrolled {
        &self.enrolled
    }

    pub(super) fn sign_in(&self) -> &SignIn {
        &self.sign_in
    }
}

impl Admin {
    pub(super) fn enrolled(&self) -> &Enrolled {
        self.0.enrolled()
    }
}

impl Role for Enrolled {
    const NEEDS: Needs = Needs::Device;

    async fn check(services: &Services, caller: Caller) -> Result<Self, Refusal> {
        let standing = services.standing(&caller)?;
        Ok(Self { caller, standing })
    }
}

impl Role for SignedIn {
    const NEEDS: Needs = Needs::SignIn;

    async fn check(services: &Services, caller: Caller) -> Result<Self, Refusal> {
        let enrolled = Enrolled::check(services, caller).await?;
        let now = services.clock.now();
        let idle = services.config.lives.sign_in_idle;
        let device = enrolled.device().id;
        let held = services.store.sign_in_of(device, now, idle).await?;
        let sign_in = held.map_err(Refusal::of)?;
        services
            .ceremonies
            .holds(enrolled.roster(), enrolled.device(), &sign_in)
            .map_err(Refusal::of)?;
        Ok(Self { enrolled, sign_in })
    }
}

impl Role for Admin {
    const NEEDS: Needs = Needs::Admin;

    async fn check(services: &Services, caller: Caller) -> Result<Self, Refusal> {
        let signed_in = SignedIn::check(services, caller).await?;
        let admin = signed_in.enrolled.is_admin().then_some(Self(signed_in));
        admin.ok_or_else(|| Refusal::of(Reason::UnknownOrForbidden))
    }
}

/// A role that was checked for this request.
#[derive(Clone)]
struct Proved<R>(R);

/// Checks role `R` in front of a route, and notes a refusal: the role's, or the handler's if that did not note it.
pub(super) async fn prove<R: Role>(mut request: Request, next: Next) -> Response {
    let extensions = request.extensions();
    let parts = (extensions.get::<Services>(), extensions.get::<Caller>());
    let (Some(services), Some(caller)) = parts else {
        return Refusal::of(Reason::DeviceUnknown).into_response();
    };
    let (services, caller) = (services.clone(), caller.clone());
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let response = match R::check(&services, caller.clone()).await {
        Ok(proof) => {
            request.extensions_mut().insert(Proved(proof));
            next.run(request).await
        }
        Err(refusal) => refusal.into_response(),
    };
    let refusal = response.extensions().get::<Refusal>();
    if let Some(refusal) = refusal.filter(|refusal| refusal.is_to_be_noted()) {
        let path: String = uri.path().chars().take(PATH_SHOWN).collect();
        let actor = actor(&services, &caller);
        let event = event(actor.clone(), format!("{method} {path}"), refusal.reason());
        let audit = &services.audit;
        audit.note_refusal(caller.device, &actor, event).await;
    }
    response
}

fn actor(services: &Services, caller: &Caller) -> Actor {
    let roster = services.roster.snapshot();
    let user = roster.as_ref().and_then(|roster| roster.user(caller.user));
    Actor {
        user_id: caller.user.to_string(),
        user_name: user.map(|user| user.name.clone()).unwrap_or_default(),
        device_id: caller.device.to_string(),
        session_id: String::new(),
        source_address: caller.source.ip().to_string(),
    }
}

fn event(actor: Actor, call: String, reason: Reason) -> Event {
    Event::Refusal(Refused {
        actor: Some(actor),
        subject: call,
        reason: reason.to_string(),
        detail: "a call of the API".to_owned(),
    })
}

macro_rules! taken_from_the_check {
    ($($role:ty),*) => {$(
        impl<S: Sync> FromRequestParts<S> for $role {
            type Rejection = Refusal;

            async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
                let proved = parts.extensions.get::<Proved<Self>>();
                proved
                    .map(|Proved(role)| role.clone())
                    .ok_or_else(|| Refusal::of(Reason::UnknownOrForbidden))
            }
        }
    )*};
}

taken_from_the_check!(Enrolled, SignedIn, Admin);
