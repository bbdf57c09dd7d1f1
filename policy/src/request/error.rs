//! Why a request is refused before any decision.

use adit_proto::Reason;

/// What a request has that the connector does not pass on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The method is none of GET, HEAD, POST, PUT, PATCH, DELETE.
    #[error("the method is not carried")]
    Method,
    /// Absolute form, asterisk form, authority form or no leading slash (RFC 9112, section 3.2).
    #[error("the request target does not begin with a slash")]
    NotOriginForm,
    /// The path or the query is longer than its limit.
    #[error("the {part} is longer than {limit} bytes")]
    TooLong {
        /// `path` or `query`.
        part: &'static str,
        /// Its limit in bytes.
        limit: usize,
    },
    /// `//` or a slash at the end.
    #[error("the path has an empty segment")]
    EmptySegment,
    /// `.` or `..`, escaped or not.
    #[error("the path has a dot segment")]
    DotSegment,
    /// A byte that may not stand there, escaped or not.
    #[error("the {part} has a character that may not stand there")]
    Character {
        /// `path` or `query`.
        part: &'static str,
    },
    /// A percent sign without two hexadecimal digits, or bytes that are not UTF-8.
    #[error("the {part} has a broken escape")]
    Escape {
        /// `path` or `query`.
        part: &'static str,
    },
    /// An escape of a letter, a digit, `-`, `.`, `_` or `~` in the path.
    #[error("the path escapes a character that needs none")]
    NeedlessEscape,
    /// A part of the path that cannot be what its place says.
    #[error("the {field} in the path is not a valid one")]
    Field {
        /// Which part.
        field: &'static str,
    },
    /// More parameters than the limit.
    #[error("the query has more than {limit} parameters")]
    TooManyParameters {
        /// The limit.
        limit: usize,
    },
    /// A parameter that decides what the request means occurs twice.
    #[error("the query has the parameter {name} twice")]
    DuplicateParameter {
        /// The parameter.
        name: &'static str,
    },
    /// A path outside the API and the list of paths that are carried.
    #[error("the path is not one that is carried")]
    UnknownPath,
    /// A method that this path does not have.
    #[error("the path is not carried with this method")]
    MethodOfPath,
    /// A header that asks for the upgrade is doubled, incomplete or of another protocol.
    #[error("the upgrade is not to WebSocket or SPDY/3.1")]
    Upgrade,
}

impl RequestError {
    /// The stable reason, for audit and answer.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Method | Self::UnknownPath | Self::MethodOfPath | Self::Upgrade => {
                Reason::RequestUnsupported
            }
            Self::NotOriginForm
            | Self::TooLong { .. }
            | Self::EmptySegment
            | Self::DotSegment
            | Self::Character { .. }
            | Self::Escape { .. }
            | Self::NeedlessEscape
            | Self::Field { .. }
            | Self::TooManyParameters { .. }
            | Self::DuplicateParameter { .. } => Reason::RequestMalformed,
        }
    }

    /// The HTTP status of the answer: 405 for a method, else the reason's.
    #[must_use]
    pub fn http_status(&self) -> u16 {
        if matches!(self, Self::Method | Self::MethodOfPath) {
            405
        } else {
            self.reason().http_status()
        }
    }
}
