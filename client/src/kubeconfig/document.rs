//! One kubeconfig's text with what it means, changed at places that `yamlpath` finds.

use serde_json::{Value, json};
use yamlpath::{Component, FeatureKind, Route};

use super::Unchanged;

/// The key of the context that is used where none is named.
pub(super) const CURRENT: &str = "current-context";

/// The text, and the value that it has to have as YAML.
#[derive(Debug)]
pub(super) struct Document {
    text: String,
    value: Value,
    /// What `value` has to be when all changes are made.
    expected: Value,
}

/// A place in the text.
type Span = std::ops::Range<usize>;

impl Document {
    /// Reads a text; an empty one is a kubeconfig without entries.
    pub(super) fn parse(text: &str) -> Result<Self, Unchanged> {
        let empty = text.lines().all(|line| {
            let line = line.trim();
            line.is_empty() || line.starts_with('#')
        });
        let mut text = text.to_owned();
        if empty {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str("apiVersion: v1\nkind: Config\nclusters: []\ncontexts: []\nusers: []\n");
        }
        let value = read(&text)?;
        let expected = value.clone();
        Ok(Self {
            text,
            value,
            expected,
        })
    }

    /// What the text means.
    pub(super) fn value(&self) -> &Value {
        &self.value
    }

    /// Whether it has no context and chooses none.
    pub(super) fn is_vacant(&self) -> bool {
        let contexts = self.value.get("contexts").and_then(Value::as_array);
        let current = self.value.get(CURRENT).and_then(Value::as_str);
        contexts.is_none_or(Vec::is_empty) && current.is_none_or(str::is_empty)
    }

    /// The text, if it means what it should.
    pub(super) fn finish(self) -> Result<String, Unchanged> {
        (self.value == self.expected)
            .then_some(self.text)
            .ok_or(Unchanged::Entangled)
    }

    /// Adds an entry at the end of a list.
    pub(super) fn put(&mut self, key: &str, entry: &Value) -> Result<(), Unchanged> {
        let count = self.expect_list(key)?.len();
        self.expect_list(key)?.push(entry.clone());
        let block = self.text.clone();
        let document = yaml(&block)?;
        let route = Route::from(vec![Component::from(key)]);
        let Some(list) = document.query_exact(&route).ok() else {
            return self.put_first(entry, key);
        };
        let Some(list) = list else {
            // `clusters:` without a value.
            let found = document
                .query_key_only(&route)
                .map_err(|_| Unchanged::Entangled)?;
            let end = line_end(&self.text, found.location.byte_span.1);
            return self.splice(end..end, &format!("\n{}", item(entry, 0)?));
        };
        let span = list.location.byte_span.0..list.location.byte_span.1;
        match list.kind() {
            FeatureKind::BlockSequence => {
                let indent = list.location.point_span.0.1;
                let end = yamlpatch::find_content_end(&list, &document);
                let (before, after) = if self.text.get(..end).is_some_and(|it| it.ends_with('\n')) {
                    ("", "\n")
                } else {
                    ("\n", "")
                };
                let text = item(entry, indent)?;
                self.splice(end..end, &format!("{before}{text}{after}"))
            }
            FeatureKind::FlowSequence if count > 0 => {
                let end = item_span(&document, key, count.saturating_sub(1))?.end;
                self.splice(end..end, &format!(", {entry}"))
            }
            FeatureKind::FlowSequence if self.is_json() => self.splice(span, &format!("[{entry}]")),
            FeatureKind::FlowSequence | FeatureKind::Scalar => {
                // `[]` or `null`: the list begins on the next line.
                let start = self.text.get(..span.start).unwrap_or_default();
                let start = start.trim_end_matches(' ').len();
                let text = format!("\n{}", item(entry, 0)?);
                self.splice(start..span.end, &text)
            }
            FeatureKind::BlockMapping | FeatureKind::FlowMapping => Err(Unchanged::Entangled),
        }
    }

    /// Adds a list that is not there, with its first entry.
    fn put_first(&mut self, entry: &Value, key: &str) -> Result<(), Unchanged> {
        if self.is_json() {
            let text = self.text.trim_end();
            let end = text.strip_suffix('}').map_or(0, str::len);
            let empty = self.value.as_object().is_none_or(serde_json::Map::is_empty);
            let comma = if empty { "" } else { "," };
            let at = text.get(..end).unwrap_or_default().trim_end().len();
            return self.splice(at..at, &format!("{comma} \"{key}\": [{entry}]"));
        }
        let end = self.text.len();
        let break_before = if self.text.ends_with('\n') { "" } else { "\n" };
        let text = format!("{break_before}{key}:\n{}\n", item(entry, 0)?);
        self.splice(end..end, &text)
    }

    /// Removes the entry `index` of a list.
    pub(super) fn remove(&mut self, key: &str, index: usize) -> Result<(), Unchanged> {
        let entries = self.expect_list(key)?;
        let last = entries.len().saturating_sub(1);
        if index > last {
            return Err(Unchanged::Entangled);
        }
        entries.remove(index);
        let block = self.text.clone();
        let document = yaml(&block)?;
        let route = Route::from(vec![Component::from(key)]);
        let found = document.query_exact(&route).ok().flatten();
        let kind = found.ok_or(Unchanged::Entangled)?.kind();
        let span = item_span(&document, key, index)?;
        if kind == FeatureKind::FlowSequence {
            let span = if index < last {
                span.start..item_span(&document, key, index.saturating_add(1))?.start
            } else if index > 0 {
                item_span(&document, key, index.saturating_sub(1))?.end..span.end
            } else {
                span
            };
            return self.splice(span, "");
        }
        // From the line of the dash to the end of the entry's last line.
        let before = self.text.get(..span.start).unwrap_or_default();
        let dash = before
            .trim_end()
            .strip_suffix('-')
            .ok_or(Unchanged::Entangled)?;
        let start = dash
            .rfind('\n')
            .map_or(0, |newline| newline.saturating_add(1));
        let lone = dash
            .get(start..)
            .is_some_and(|indent| indent.trim().is_empty());
        if !lone {
            return Err(Unchanged::Entangled);
        }
        let content = self
            .text
            .get(..span.end)
            .unwrap_or_default()
            .trim_end()
            .len();
        let end = line_end(&self.text, content);
        let end = self.text.len().min(end.saturating_add(1));
        self.splice(start..end, "")
    }

    /// Sets one text of the entry `index` of a list.
    pub(super) fn set(
        &mut self,
        key: &str,
        index: usize,
        path: &[&str],
        text: &str,
    ) -> Result<(), Unchanged> {
        let pointer = format!("/{key}/{index}/{}", path.join("/"));
        if self.value.pointer(&pointer).and_then(Value::as_str) == Some(text) {
            return Ok(());
        }
        let slot = self
            .expected
            .pointer_mut(&pointer)
            .ok_or(Unchanged::Entangled)?;
        *slot = text.into();
        let mut route = vec![Component::from(key), Component::from(index)];
        route.extend(path.iter().map(|key| Component::from(*key)));
        let block = self.text.clone();
        let document = yaml(&block)?;
        let found = document.query_exact(&Route::from(route)).ok().flatten();
        let found = found.ok_or(Unchanged::Entangled)?;
        if found.kind() != FeatureKind::Scalar {
            return Err(Unchanged::Entangled);
        }
        // A JSON string is a YAML scalar wherever one may stand.
        let quoted = Value::from(text).to_string();
        self.splice(
            found.location.byte_span.0..found.location.byte_span.1,
            &quoted,
        )
    }

    /// Makes `to` the current context where `from` is; an empty name stands for none. A text that says it in a way which
    /// cannot be changed keeps what it says.
    pub(super) fn choose(&mut self, from: &str, to: &str) -> Result<(), Unchanged> {
        let current = self.value.get(CURRENT);
        if current.is_some_and(|current| current != from) || current.is_none() && !from.is_empty() {
            return Ok(());
        }
        let quoted = Value::from(to).to_string();
        let (span, text) = if current.is_none() {
            if self.is_json() {
                return Ok(());
            }
            let end = self.text.len();
            let newline = if self.text.ends_with('\n') { "" } else { "\n" };
            (end..end, format!("{newline}{CURRENT}: {quoted}\n"))
        } else {
            let block = self.text.clone();
            let document = yaml(&block)?;
            let route = Route::from(vec![Component::from(CURRENT)]);
            let found = document.query_exact(&route).ok().flatten();
            let span = found.ok_or(Unchanged::Entangled)?.location.byte_span;
            (span.0..span.1, quoted)
        };
        let map = self.expected.as_object_mut().ok_or(Unchanged::Entangled)?;
        map.insert(CURRENT.to_owned(), to.into());
        self.splice(span, &text)
    }

    /// The list as it is expected to be; one that is null or missing is made.
    fn expect_list(&mut self, key: &str) -> Result<&mut Vec<Value>, Unchanged> {
        let map = self.expected.as_object_mut().ok_or(Unchanged::Entangled)?;
        let slot = map.entry(key).or_insert_with(|| json!([]));
        if slot.is_null() {
            *slot = json!([]);
        }
        slot.as_array_mut().ok_or(Unchanged::Entangled)
    }

    fn is_json(&self) -> bool {
        self.text.trim_start().starts_with('{')
    }

    fn splice(&mut self, span: Span, text: &str) -> Result<(), Unchanged> {
        let whole = self.text.is_char_boundary(span.start) && self.text.is_char_boundary(span.end);
        if !whole || span.start > span.end {
            return Err(Unchanged::Entangled);
        }
        self.text.replace_range(span, text);
        self.value = read(&self.text).map_err(|_| Unchanged::Entangled)?;
        // An empty list is as good as none.
        for key in ["clusters", "contexts", "users"] {
            let is_empty = |value: Option<&Value>| {
                value.is_none_or(|value| value.is_null() || *value == json!([]))
            };
            if is_empty(self.expected.get(key)) && is_empty(self.value.get(key)) {
                let found = self.value.get(key).cloned();
                if let (Some(map), Some(found)) = (self.expected.as_object_mut(), found) {
                    map.insert(key.to_owned(), found);
                }
            }
        }
        (self.value == self.expected)
            .then_some(())
            .ok_or(Unchanged::Entangled)
    }
}

/// Where an entry of a list stands.
fn item_span(document: &yamlpath::Document, key: &str, index: usize) -> Result<Span, Unchanged> {
    let route = Route::from(vec![Component::from(key), Component::from(index)]);
    let found = document.query_exact(&route).ok().flatten();
    let span = found.ok_or(Unchanged::Entangled)?.location.byte_span;
    Ok(span.0..span.1)
}

fn yaml(text: &str) -> Result<yamlpath::Document, Unchanged> {
    yamlpath::Document::new(text).map_err(|error| Unchanged::NotOne(error.to_string()))
}

/// What a text means: one mapping.
fn read(text: &str) -> Result<Value, Unchanged> {
    let value: Value =
        yaml_serde::from_str(text).map_err(|error| Unchanged::NotOne(error.to_string()))?;
    value
        .is_object()
        .then_some(value)
        .ok_or_else(|| Unchanged::NotOne("it is not a mapping".to_owned()))
}

/// Where the line of `position` ends, before its line break.
fn line_end(text: &str, position: usize) -> usize {
    let rest = text.get(position..).unwrap_or_default();
    position.saturating_add(rest.find('\n').unwrap_or(rest.len()))
}

/// An entry as an item of a block list.
fn item(entry: &Value, indent: usize) -> Result<String, Unchanged> {
    let text = yaml_serde::to_string(entry).map_err(|_| Unchanged::Entangled)?;
    let indent = " ".repeat(indent);
    let lines = text.lines().enumerate().map(|(index, line)| {
        let dash = if index == 0 { "- " } else { "  " };
        format!("{indent}{dash}{line}")
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}
