//! The context that kubectl would take.

use serde_json::Value;

use super::document::CURRENT;
use super::entries::{find, written_for};

/// A context that `adit kube` wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// Its name.
    pub name: String,
    /// The profile.
    pub profile: String,
    /// The cluster that it leads to.
    pub cluster: String,
    /// Its namespace.
    pub namespace: Option<String>,
}

/// What kubectl would take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// A context that leads to Adit.
    Ours(Context),
    /// One that does not.
    Foreign(String),
    /// One that is named and not there.
    Unknown(String),
    /// None is named.
    None,
}

/// The context `asked`, or else the current one, of files in kubectl's order: what the first one says counts.
pub(super) fn chosen(files: &[Value], asked: Option<&str>) -> Chosen {
    let current = |value: &Value| Some(value.get(CURRENT)?.as_str()?.to_owned());
    let name = match asked {
        Some(asked) => Some(asked.to_owned()),
        None => files.iter().filter_map(current).find(|it| !it.is_empty()),
    };
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Chosen::None;
    };
    let entry =
        |key: &str, name: &str| files.iter().find_map(|file| Some(find(file, key, name)?.1));
    let Some(context) = entry("contexts", &name) else {
        return Chosen::Unknown(name);
    };
    let text = |pointer: &str| context.pointer(pointer).and_then(Value::as_str);
    let user = text("/context/user").and_then(|user| entry("users", user));
    match user.and_then(written_for) {
        None => Chosen::Foreign(name),
        Some((profile, cluster)) => Chosen::Ours(Context {
            namespace: text("/context/namespace").map(str::to_owned),
            name,
            profile,
            cluster,
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ours(name: &str, cluster: &str) -> Value {
        let args = ["credential", "--profile", "one", cluster];
        json!({"current-context": name,
            "contexts": [{"name": name, "context": {"user": cluster, "namespace": "shop"}},
                {"name": "other", "context": {"user": "other"}}],
            "users": [{"name": cluster, "user": {"exec": {"args": args}}},
                {"name": "other", "user": {"token": "x"}}]})
    }

    #[test]
    fn the_first_file_that_says_something_counts() {
        let files = [
            json!({"current-context": ""}),
            ours("mine", "prod"),
            ours("mine", "dev"),
        ];
        let Chosen::Ours(context) = chosen(&files, None) else {
            panic!("{:?}", chosen(&files, None));
        };
        assert_eq!(
            (context.name.as_str(), context.cluster.as_str()),
            ("mine", "prod")
        );
        assert_eq!(context.namespace.as_deref(), Some("shop"));
        assert_eq!(chosen(&files, Some("mine")), Chosen::Ours(context));
    }

    #[test]
    fn what_does_not_lead_to_adit_is_told_apart() {
        let files = [ours("mine", "prod")];
        let name = "other".to_owned();
        assert_eq!(chosen(&files, Some("other")), Chosen::Foreign(name));
        let name = "nowhere".to_owned();
        assert_eq!(chosen(&files, Some("nowhere")), Chosen::Unknown(name));
        assert_eq!(chosen(&[json!({})], None), Chosen::None);
        assert_eq!(chosen(&files, Some("")), Chosen::None);
    }
}
