//! Both runs beside each other.

use std::collections::BTreeSet;
use std::fmt;

use crate::report::{Outcome, Specs};

/// How each spec ended directly and through Adit.
pub(crate) struct Table {
    pub(crate) direct: Specs,
    pub(crate) through: Specs,
}

impl Table {
    /// Whether each spec ended in the same way.
    pub(crate) fn is_same(&self) -> bool {
        self.rows()
            .all(|(_, direct, through)| state(direct) == state(through))
    }

    fn rows(&self) -> impl Iterator<Item = (&str, Option<&Outcome>, Option<&Outcome>)> {
        let names: BTreeSet<_> = self.direct.keys().chain(self.through.keys()).collect();
        names
            .into_iter()
            .map(|name| (name.as_str(), self.direct.get(name), self.through.get(name)))
    }
}

fn state(outcome: Option<&Outcome>) -> &str {
    outcome.map_or("did not run", |outcome| &outcome.state)
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| spec | direct | through Adit |\n| --- | --- | --- |")?;
        let mut same = 0;
        for (name, direct, through) in self.rows() {
            let (direct, through) = (state(direct), state(through));
            same += u32::from(direct == through);
            writeln!(f, "| {} | {direct} | {through} |", name.replace('|', r"\|"))?;
        }
        for (name, direct, through) in self.rows() {
            for (side, outcome) in [("direct", direct), ("through Adit", through)] {
                if let Some(outcome) = outcome.filter(|outcome| !outcome.message.is_empty()) {
                    writeln!(f, "\n{name}, {side}: {}", outcome.message)?;
                }
            }
        }
        write!(
            f,
            "\n{same} of {} specs ended in the same way",
            self.rows().count()
        )
    }
}
