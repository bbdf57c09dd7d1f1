//! Refusals of the API: a reason, and a sentence for who called.

use adit_proto::Reason;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::broker::Denied;
use crate::ceremony::CeremonyError;
use crate::refusal::Refused;
use crate::roster_log::{AppendError, TurnError};
use crate::store::StoreError;

/// What is said where there is nothing particular to say.
const SENTENCES: &[(Reason, &str)] = &[
    (Reason::SignInRequired, "nobody is signed in on this device"),
    (
        Reason::SignInExpired,
        "the sign-in on this device has ended",
    ),
    (
        Reason::UnknownOrForbidden,
        "there is no such thing, or you may not see it",
    ),
    (Reason::RequestMalformed, "the request cannot be read"),
    (Reason::DeviceUnknown, "this device is not in the roster"),
    (Reason::DeviceSuspended, "this device is suspended"),
    (Reason::DeviceRevoked, "this device was revoked"),
    // Who hears it from the gateway has reached that.
    (
        Reason::GatewayUnreachable,
        "the gateway's store does not answer",
    ),
];

/// What repairs a store that does not answer.
const STORE: &str = "ask whoever runs the gateway to check its database and its disk";

/// Why a call is refused. Nothing of what is inside the gateway is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    reason: Reason,
    message: String,
    /// Whether the audit log has it already.
    noted: bool,
}

impl Refusal {
    /// With the reason's own sentence.
    #[must_use]
    pub fn of(reason: Reason) -> Self {
        let known = SENTENCES.iter().find(|(known, _)| *known == reason);
        let message = known.map_or(reason.as_str(), |(_, sentence)| sentence);
        Self::with(reason, message)
    }

    /// With a sentence.
    #[must_use]
    pub fn with(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            noted: false,
        }
    }

    /// Says that whoever refused it wrote it into the audit log.
    #[must_use]
    pub(super) fn noted(self) -> Self {
        let noted = true;
        Self { noted, ..self }
    }

    /// Whether it is to be written into the audit log. Limits and outages refuse nothing that was attempted.
    pub(super) fn is_to_be_noted(&self) -> bool {
        !self.noted && matches!(self.reason.http_status(), 400 | 401 | 403)
    }

    /// The request cannot be read, and why.
    #[must_use]
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::with(Reason::RequestMalformed, message)
    }

    /// The reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.reason.http_status());
        let mut body = Refused::new(self.reason, self.message.clone());
        if self.reason == Reason::GatewayUnreachable {
            body.repair = STORE;
        }
        let status = status.unwrap_or(StatusCode::FORBIDDEN);
        let mut response = (status, Json(body)).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        if denied.reason == Reason::GatewayUnreachable {
            return Self::of(denied.reason);
        }
        Self::with(denied.reason, denied.detail)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Missing { .. }) {
            return Self::of(Reason::UnknownOrForbidden);
        }
        if let StoreError::Value { column, limit } = error {
            return Self::malformed(format!("{column} is longer than {limit} bytes"));
        }
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "the store did not answer a call of the API");
        Self::of(Reason::GatewayUnreachable)
    }
}

impl From<CeremonyError> for Refusal {
    fn from(error: CeremonyError) -> Self {
        if let CeremonyError::Store(error) = error {
            return error.into();
        }
        Self::with(error.reason(), error.to_string())
    }
}

impl From<TurnError> for Refusal {
    fn from(error: TurnError) -> Self {
        Self::with(error.reason(), error.to_string())
    }
}

impl From<AppendError> for Refusal {
    fn from(error: AppendError) -> Self {
        let message = match &error {
            AppendError::Refused(cause) => cause.to_string(),
            AppendError::Store(_) => "the gateway's store does not answer".to_owned(),
            AppendError::Late
            | AppendError::Foreign(_)
            | AppendError::PolicyUnknown
            | AppendError::Raced => error.to_string(),
        };
        // The log of the roster notes each statement that it refuses.
        Self::with(error.reason(), message).noted()
    }
}

/// A path or method that is not declared.
pub(super) async fn no_such_route() -> Refusal {
    Refusal::with(Reason::RequestUnsupported, "this version has no such call")
}
