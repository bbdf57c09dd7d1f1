//! `ADIT_SECTION__KEY`: the environment over the file.

use toml::{Table, Value};

/// What names of variables begin with. Other programs of the product have variables of their own with it.
const PREFIX: &str = "ADIT_";
/// Keys and sections of this configuration: what begins with another word is not meant for it.
const OWN: [&str; 12] = [
    "gateways",
    "gateways_key",
    "genesis",
    "head",
    "cluster",
    "key_file",
    "state_dir",
    "kubernetes",
    "ceiling",
    "services",
    "audit",
    "limits",
];

/// Picks the variables that are meant for the configuration: the dotted path in lower case, and the value.
pub(super) fn overlay(
    environment: impl Iterator<Item = (String, String)>,
) -> Vec<(Vec<String>, String)> {
    let path = |name: &str| -> Option<Vec<String>> {
        let path = name.strip_prefix(PREFIX)?.to_ascii_lowercase();
        let path: Vec<_> = path.split("__").map(str::to_owned).collect();
        OWN.contains(&path.first()?.as_str()).then_some(path)
    };
    environment
        .filter_map(|(name, value)| Some((path(&name)?, value)))
        .collect()
}

/// Lays each value over `table`. A value that reads as TOML is what it reads as, anything else is text.
pub(super) fn lay_over(table: &mut Table, overlay: Vec<(Vec<String>, String)>) {
    for (path, text) in overlay {
        place(table, &path, value(&text));
    }
}

/// A section that the file has as a plain value stays what it is: the check names it.
fn place(table: &mut Table, path: &[String], value: Value) {
    match path {
        [] => {}
        [key] => {
            table.insert(key.clone(), value);
        }
        [section, rest @ ..] => {
            let inner = table
                .entry(section.clone())
                .or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                place(inner, rest, value);
            }
        }
    }
}

fn value(text: &str) -> Value {
    toml::from_str::<Table>(&format!("value = {text}"))
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}
