//! The query: decoded pairs in their order, encoded anew when they are sent.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::RequestError;
use super::path::decode;

/// Bytes of the longest query. An exec sends its command here, which may be a script.
const QUERY_MAX: usize = 64 * 1024;
/// Most parameters of one query.
const PARAMETERS_MAX: usize = 1_000;
/// Parameters that decide what a request means, of which the API server takes the first only (measurement M12).
const SINGLE: [&str; 2] = ["watch", "fieldSelector"];

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The parameters of a request, decoded, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// The first value of a parameter.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&str> {
        self.pairs()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// All pairs of name and value.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    pub(super) fn parse(raw: &str) -> Result<Self, RequestError> {
        if raw.len() > QUERY_MAX {
            return Err(RequestError::TooLong {
                part: "query",
                limit: QUERY_MAX,
            });
        }
        if !raw.bytes().all(is_query) {
            return Err(RequestError::Character { part: "query" });
        }
        let mut query = Self::default();
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            if query.0.len() == PARAMETERS_MAX {
                return Err(RequestError::TooManyParameters {
                    limit: PARAMETERS_MAX,
                });
            }
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            query.0.push((component(key)?, component(value)?));
        }
        query.check()?;
        Ok(query)
    }

    fn check(&self) -> Result<(), RequestError> {
        let broken = |(key, value): &(String, String)| {
            key.is_empty() || key.chars().any(char::is_control) || value.contains('\0')
        };
        if self.0.iter().any(broken) {
            return Err(RequestError::Character { part: "query" });
        }
        for name in SINGLE {
            if self.pairs().filter(|(key, _)| *key == name).count() > 1 {
                return Err(RequestError::DuplicateParameter { name });
            }
        }
        Ok(())
    }

    /// Appends `?` and the pairs, if there are any.
    pub(super) fn push_to(&self, path: &mut String) {
        for (index, (key, value)) in self.pairs().enumerate() {
            path.push(if index == 0 { '?' } else { '&' });
            path.extend(utf8_percent_encode(key, UNRESERVED));
            path.push('=');
            path.extend(utf8_percent_encode(value, UNRESERVED));
        }
    }
}

fn component(raw: &str) -> Result<String, RequestError> {
    decode(&raw.replace('+', " "), "query", |_| Ok(()))
}

/// RFC 3986 `query`, and the brackets that clients leave unescaped, without `;`: the API server drops a pair that
/// has one, which would hide it from one side only.
fn is_query(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@/?%[]".contains(&byte)
}
