//! A refusal as a Kubernetes `Status`, which kubectl prints.

use adit_proto::Reason;
use serde::Serialize;

use crate::engine::Denial;
use crate::headers::HeaderError;
use crate::request::RequestError;

/// A refusal, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeStatus {
    code: u16,
    reason: Reason,
    message: String,
}

/// `Status` of `meta/v1`, as far as it is used.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    kind: &'static str,
    api_version: &'static str,
    metadata: Metadata,
    status: &'static str,
    message: &'a str,
    reason: &'static str,
    details: Details<'a>,
    code: u16,
}

#[derive(Serialize)]
struct Metadata {}

#[derive(Serialize)]
struct Details<'a> {
    causes: [Cause<'a>; 1],
}

#[derive(Serialize)]
struct Cause<'a> {
    reason: &'static str,
    message: &'a str,
}

impl KubeStatus {
    /// The media type of [`Self::to_json`].
    pub const CONTENT_TYPE: &str = "application/json";

    /// A refusal with a sentence of its own and the repair of its reason. The sentence is for the user: it names
    /// nothing that the user may not know.
    #[must_use]
    pub fn new(reason: Reason, sentence: &str) -> Self {
        let message = format!("{sentence}; {}", reason.repair());
        Self {
            code: reason.http_status(),
            reason,
            message,
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The reason that it shows.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The sentence that kubectl prints.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The JSON document. `details.causes[0].reason` is the stable reason.
    #[must_use]
    pub fn to_json(&self) -> String {
        let document = Document {
            kind: "Status",
            api_version: "v1",
            metadata: Metadata {},
            status: "Failure",
            message: &self.message,
            reason: kubernetes_reason(self.code),
            details: Details {
                causes: [Cause {
                    reason: self.reason.as_str(),
                    message: self.reason.repair(),
                }],
            },
            code: self.code,
        };
        // Texts and numbers always serialize; an empty body still carries its HTTP status.
        serde_json::to_string(&document).unwrap_or_default()
    }
}

impl From<&Denial> for KubeStatus {
    fn from(denial: &Denial) -> Self {
        let reason = denial.shown_reason();
        Self {
            code: reason.http_status(),
            reason,
            message: denial.to_string(),
        }
    }
}

impl From<&RequestError> for KubeStatus {
    fn from(error: &RequestError) -> Self {
        Self {
            code: error.http_status(),
            ..Self::new(error.reason(), &error.to_string())
        }
    }
}

impl From<&HeaderError> for KubeStatus {
    fn from(error: &HeaderError) -> Self {
        Self::new(error.reason(), &error.to_string())
    }
}

/// `StatusReason` of `meta/v1` for an HTTP status.
fn kubernetes_reason(code: u16) -> &'static str {
    match code {
        400 => "BadRequest",
        401 => "Unauthorized",
        405 => "MethodNotAllowed",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        _ => "Forbidden",
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;
    use crate::engine::tests::anna;
    use crate::{CheckedPolicy, Decision, KubeRequest};

    fn json(status: &KubeStatus) -> serde_json::Value {
        serde_json::from_str(&status.to_json()).unwrap()
    }

    #[test]
    fn a_denial_names_rule_factor_and_repair() {
        let text = r#"@id("prod-needs-tpm") permit(principal, action, resource) when { context.device.tier >= 3 };"#;
        let target = "cluster/prod".parse().unwrap();
        let Decision::Deny(denial) = CheckedPolicy::parse(text).unwrap().decide(&anna(), &target)
        else {
            panic!("permitted");
        };
        assert_eq!(
            json(&KubeStatus::from(&denial)),
            serde_json::json!({
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Failure",
                "message": "cluster/prod is denied by policy rule prod-needs-tpm; it needs a device of tier 3 \
                            (this one has tier 1); use a device with stronger attestation",
                "reason": "Forbidden",
                "details": {"causes": [{
                    "reason": "tier_too_low",
                    "message": "use a device with stronger attestation",
                }]},
                "code": 403,
            })
        );
    }

    #[test]
    fn each_reason_has_the_status_that_kubernetes_gives_its_code() {
        for (reason, code, name) in [
            (Reason::SignInExpired, 401, "Unauthorized"),
            (Reason::RequestMalformed, 400, "BadRequest"),
            (Reason::LimitReached, 429, "TooManyRequests"),
            (Reason::RosterStale, 503, "ServiceUnavailable"),
            (Reason::ImpersonationRefused, 403, "Forbidden"),
        ] {
            let document = json(&KubeStatus::new(reason, "no"));
            assert_eq!(
                (document["code"].as_u64(), document["reason"].as_str()),
                (Some(code), Some(name))
            );
            assert_eq!(document["message"], format!("no; {}", reason.repair()));
        }
    }

    #[test]
    fn k11_a_method_is_answered_with_405() {
        let error = KubeRequest::parse(&Method::TRACE, "/api", &HeaderMap::new()).unwrap_err();
        let document = json(&KubeStatus::from(&error));
        assert_eq!(
            (document["code"].as_u64(), document["reason"].as_str()),
            (Some(405), Some("MethodNotAllowed"))
        );
        assert_eq!(
            document["details"]["causes"][0]["reason"],
            "request_unsupported"
        );
    }

    #[test]
    fn k1_impersonation_is_answered_with_its_reason() {
        let error = HeaderError::Impersonation {
            name: "impersonate-user".to_owned(),
        };
        let status = KubeStatus::from(&error);
        assert_eq!(
            (status.code(), status.reason()),
            (403, Reason::ImpersonationRefused)
        );
        assert!(status.message().contains("impersonate-user"));
    }

    #[test]
    fn g3_quotes_and_line_breaks_stay_inside_the_message() {
        let document = json(&KubeStatus::new(Reason::PolicyDenied, "a\"\n}\u{1b}[31m"));
        assert!(
            document["message"]
                .as_str()
                .unwrap()
                .starts_with("a\"\n}\u{1b}[31m")
        );
    }
}
