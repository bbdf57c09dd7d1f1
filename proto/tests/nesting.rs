//! How deep a message can be: as deep as the schema says, and no sender decides.

use std::collections::BTreeMap;

use adit_proto::wire::{audit, control, enrol, link, roster};
use prost::Message;

const SCHEMAS: [&str; 6] = [
    include_str!("../wire/audit.proto"),
    include_str!("../wire/control.proto"),
    include_str!("../wire/enrol.proto"),
    include_str!("../wire/identity.proto"),
    include_str!("../wire/link.proto"),
    include_str!("../wire/roster.proto"),
];

/// Each message with the words of its fields, some of which are names of messages.
fn messages() -> BTreeMap<String, Vec<String>> {
    let mut messages: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for schema in SCHEMAS {
        let line_of = |prefix: &str| schema.lines().find_map(|line| line.strip_prefix(prefix));
        let package = line_of("package ")
            .unwrap_or_default()
            .trim_end_matches(';');
        let mut current = None;
        for line in schema.lines() {
            let code = line.split("//").next().unwrap_or_default();
            if let Some(rest) = code.strip_prefix("message ") {
                let name = rest.split_whitespace().next().unwrap_or_default();
                let name = format!("{package}.{name}");
                assert!(messages.insert(name.clone(), Vec::new()).is_none());
                current = Some(name);
            }
            let words = code
                .split([' ', '{', '}', ';', '='])
                .filter(|word| !word.is_empty());
            let full = words.map(|word| {
                if word.starts_with("adit.") {
                    word.to_owned()
                } else {
                    format!("{package}.{word}")
                }
            });
            if let Some(fields) = current.as_ref().and_then(|name| messages.get_mut(name)) {
                fields.extend(full.skip(usize::from(code.starts_with("message ")) * 2));
            }
            if code == "}" {
                current = None;
            }
        }
    }
    messages
}

/// The longest chain of messages within messages; a message within itself has no end.
fn depth(name: &str, messages: &BTreeMap<String, Vec<String>>, above: &mut Vec<String>) -> usize {
    let Some(fields) = messages.get(name) else {
        return 0;
    };
    assert!(
        !above.iter().any(|one| one == name),
        "{name} contains itself: {above:?}"
    );
    above.push(name.to_owned());
    let depths = fields.iter().map(|field| depth(field, messages, above));
    let deepest = depths.max().unwrap_or_default();
    above.pop();
    deepest + 1
}

#[test]
fn c4_no_message_contains_itself() {
    let messages = messages();
    let depths = messages
        .keys()
        .map(|name| depth(name, &messages, &mut Vec::new()));
    // A frame of enrolment, with a statement, with its touch.
    assert_eq!(depths.max(), Some(4));
}

#[test]
fn c4_ten_thousand_nested_groups_are_refused() {
    // Field 1000 as a group (wire type 3), opened again and again and closed as often.
    let open = [0xc3, 0x3e].repeat(10_000);
    let close = [0xc4, 0x3e].repeat(10_000);
    let bytes = [open, close].concat();
    assert!(control::Frame::decode(&bytes[..]).is_err());
    assert!(enrol::Frame::decode(&bytes[..]).is_err());
    assert!(roster::Body::decode(&bytes[..]).is_err());
    assert!(audit::Record::decode(&bytes[..]).is_err());
    assert!(link::StreamHeader::decode(&bytes[..]).is_err());
    // A few are an unknown field of a later version.
    let bytes = [[0xc3, 0x3e].repeat(3), [0xc4, 0x3e].repeat(3)].concat();
    assert!(control::Frame::decode(&bytes[..]).is_ok());
}
