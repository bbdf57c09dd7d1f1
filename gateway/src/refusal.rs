//! The shape of a refusal in JSON: the same on the public listener and in the API.

use adit_proto::Reason;
use serde::Serialize;
use utoipa::ToSchema;

/// Why something was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Refused {
    /// The stable name of the reason.
    #[schema(example = "sign_in_required")]
    pub code: &'static str,
    /// What was refused, in a sentence.
    pub message: String,
    /// What repairs it.
    #[schema(example = "run `adit login`")]
    pub repair: &'static str,
}

impl Refused {
    /// Takes the repair from the reason.
    #[must_use]
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            code: reason.as_str(),
            message: message.into(),
            repair: reason.repair(),
        }
    }
}
