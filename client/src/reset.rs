//! What the other end of a stream meant when it reset it.

use std::error::Error;
use std::io;

use adit_proto::Reason;
use quinn::{ConnectionError, ReadError, VarInt, WriteError};

/// Looks through `error` and its sources for the code of a reset, a stop or a close that names a reason.
#[must_use]
pub fn reason(error: &(dyn Error + 'static)) -> Option<Reason> {
    let code = first(error, code)?;
    Reason::from_code(code.into_inner())
}

/// Whether `error` is of a stream whose connection was lost, or given up here, and not of its local end.
#[must_use]
pub fn is_lost(error: &(dyn Error + 'static)) -> bool {
    let lost = |error: &(dyn Error + 'static)| {
        let read = matches!(error.downcast_ref(), Some(ReadError::ConnectionLost(_)));
        let written = matches!(error.downcast_ref(), Some(WriteError::ConnectionLost(_)));
        (read || written).then_some(())
    };
    first(error, lost).is_some()
}

/// What `look` finds in `error` or in one of its sources.
fn first<T>(
    error: &(dyn Error + 'static),
    look: impl Fn(&(dyn Error + 'static)) -> Option<T>,
) -> Option<T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = look(error) {
            return Some(found);
        }
        // An io::Error gives its inner error's source, never the inner error itself.
        let inner = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}

fn code(error: &(dyn Error + 'static)) -> Option<VarInt> {
    if let Some(ReadError::Reset(code)) = error.downcast_ref() {
        return Some(*code);
    }
    if let Some(WriteError::Stopped(code)) = error.downcast_ref() {
        return Some(*code);
    }
    if let Some(ConnectionError::ApplicationClosed(close)) = error.downcast_ref() {
        return Some(close.error_code);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_inside_an_io_error_names_its_reason() {
        let code = VarInt::from_u32(Reason::SessionExpired.code());
        let error = io::Error::from(ReadError::Reset(code));
        assert_eq!(reason(&error), Some(Reason::SessionExpired));
        assert_eq!(reason(&io::Error::other("x")), None);
        let lost = io::Error::from(ReadError::ConnectionLost(ConnectionError::LocallyClosed));
        assert_eq!(reason(&lost), None);
        assert!(is_lost(&lost) && !is_lost(&error) && !is_lost(&io::Error::other("x")));
    }
}
