//! CBOR as CTAP2 writes it: definite lengths, shortest forms, no duplicate key, nothing behind it.

use ciborium::Value;

/// Deepest nesting: attestation statements have three levels, CTAP2 allows four.
const DEPTH: usize = 8;
/// Longest item: an attestation object with a chain of certificates has some kilobytes.
pub(super) const MAX: usize = 64 << 10;

/// Bytes that are not such CBOR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotStrict;

/// Reads one item that takes up all of `bytes`.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, NotStrict> {
    match parse_first(bytes)? {
        (value, []) => Ok(value),
        (_, _) => Err(NotStrict),
    }
}

/// Reads one item off the front of `bytes`; returns it with what follows.
pub(super) fn parse_first(bytes: &[u8]) -> Result<(Value, &[u8]), NotStrict> {
    if bytes.len() > MAX {
        return Err(NotStrict);
    }
    let mut rest = bytes;
    let value: Value =
        ciborium::de::from_reader_with_recursion_limit(&mut rest, DEPTH).map_err(|_| NotStrict)?;
    let mut again = Vec::with_capacity(bytes.len());
    ciborium::into_writer(&value, &mut again).map_err(|_| NotStrict)?;
    // Encoded again, an item of indefinite length or in a longer form than needed differs.
    let strict = bytes.strip_suffix(rest) == Some(again.as_slice()) && keys_differ(&value);
    strict.then_some((value, rest)).ok_or(NotStrict)
}

fn keys_differ(value: &Value) -> bool {
    if let Value::Array(items) = value {
        return items.iter().all(keys_differ);
    }
    if let Value::Tag(_, inner) = value {
        return keys_differ(inner);
    }
    let Value::Map(entries) = value else {
        return true;
    };
    let mut keys: Vec<_> = entries.iter().map(|(key, _)| encoded(key)).collect();
    keys.sort_unstable();
    keys.windows(2).all(|pair| pair.first() != pair.last())
        && entries.iter().all(|(_, inner)| keys_differ(inner))
}

fn encoded(key: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to a vector fails for no value; two keys that both failed would count as duplicates.
    ciborium::into_writer(key, &mut bytes).unwrap_or_default();
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn h9_loose_encodings_are_refused() {
        let deep = [vec![0x81; 1000], vec![0x00]].concat();
        let cases: [(&str, &[u8]); 9] = [
            ("indefinite map", &[0xbf, 0x01, 0x02, 0xff]),
            ("indefinite array", &[0x9f, 0x01, 0xff]),
            ("indefinite bytes", &[0x5f, 0x41, 0x01, 0xff]),
            ("longer form than needed", &[0x18, 0x01]),
            ("duplicate key", &[0xa2, 0x01, 0x02, 0x01, 0x03]),
            (
                "duplicate key within",
                &[0x81, 0xa2, 0x01, 0x02, 0x01, 0x03],
            ),
            ("trailing byte", &[0x01, 0x00]),
            ("64 MB claimed", &[0x5a, 0x04, 0x00, 0x00, 0x00, 0x01]),
            ("depth 1000", &deep),
        ];
        for (name, bytes) in cases {
            assert_eq!(parse(bytes), Err(NotStrict), "{name}");
        }
        assert!(parse(&[0xa2, 0x01, 0x02, 0x02, 0x03]).is_ok());
    }

    #[test]
    fn the_first_item_leaves_what_follows() {
        let (value, rest) = parse_first(&[0x41, 0x07, 0x02]).unwrap();
        assert_eq!((value, rest), (Value::Bytes(vec![7]), &[0x02][..]));
    }

    proptest! {
        #[test]
        fn h9_no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse_first(&bytes);
        }
    }
}
