//! Who the API server is told that a request comes from.

use adit_proto::id::{DeviceId, SessionId};
use http::{HeaderMap, HeaderName};

use super::{HeaderError, header_value};
use crate::engine::Assumed;

const USER: HeaderName = HeaderName::from_static("impersonate-user");
const GROUP: HeaderName = HeaderName::from_static("impersonate-group");
/// The extra key `adit.internal/session`, its slash escaped as the API server wants it.
const SESSION: HeaderName = HeaderName::from_static("impersonate-extra-adit.internal%2fsession");
/// The extra key `adit.internal/device`.
const DEVICE: HeaderName = HeaderName::from_static("impersonate-extra-adit.internal%2fdevice");

/// The identity that the connector gives a request: user and groups as policy decided, and where it came from.
///
/// Nothing in it changes from request to request: the API server's caches are keyed by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impersonation {
    assumed: Assumed,
    session: SessionId,
    device: DeviceId,
}

impl Impersonation {
    /// Joins what policy let somebody assume with the session and the device that they use.
    #[must_use]
    pub fn new(assumed: Assumed, session: SessionId, device: DeviceId) -> Self {
        Self {
            assumed,
            session,
            device,
        }
    }

    /// User and groups.
    pub fn assumed(&self) -> &Assumed {
        &self.assumed
    }

    pub(super) fn write(&self, headers: &mut HeaderMap) -> Result<(), HeaderError> {
        headers.insert(USER, header_value(&USER, self.assumed.user().as_str())?);
        for group in self.assumed.groups() {
            headers.append(GROUP, header_value(&GROUP, group.as_str())?);
        }
        headers.insert(SESSION, header_value(&SESSION, &self.session.to_string())?);
        headers.insert(DEVICE, header_value(&DEVICE, &self.device.to_string())?);
        Ok(())
    }
}
