//! Rules as people see them.

use std::fmt;

use cedar_policy::PolicyId;

/// One rule of a policy: its `@id`, or the line on which it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    id: PolicyId,
    name: Option<String>,
    line: usize,
}

impl Rule {
    pub(super) fn new(id: PolicyId, name: Option<String>, line: usize) -> Self {
        Self { id, name, line }
    }

    pub(super) fn id(&self) -> &PolicyId {
        &self.id
    }

    /// Its `@id` annotation.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The line of the text on which it begins, the first being 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_str(name),
            None => write!(f, "line {}", self.line),
        }
    }
}
