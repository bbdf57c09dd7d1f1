//! What a connector tells of the decision about a request that is explained: a header of its answer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost::Message;

use crate::wire::link::Explained;

/// The header's name. Only answers on a stream of kind `explain` have it.
pub const HEADER: &str = "adit-explained";

/// The header's value.
#[must_use]
pub fn to_header(explained: &Explained) -> String {
    STANDARD.encode(explained.encode_to_vec())
}

/// Reads the header's value; `None` if it is none.
#[must_use]
pub fn from_header(value: &[u8]) -> Option<Explained> {
    let bytes = STANDARD.decode(value).ok()?;
    Explained::decode(bytes.as_slice()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_reads_back_and_other_texts_are_none() {
        let explained = Explained {
            policy_number: 3,
            message: "nein, Ämter\n".to_owned(),
            ..Explained::default()
        };
        let value = to_header(&explained);
        assert!(value.bytes().all(|byte| byte.is_ascii_graphic()), "{value}");
        assert_eq!(from_header(value.as_bytes()), Some(explained));
        for other in ["%", "AAAA", "/////w=="] {
            assert_eq!(from_header(other.as_bytes()), None, "{other}");
        }
    }
}
