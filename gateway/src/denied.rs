//! The denied tables: every call, page and message that is declared, against everybody who may not use it.
//!
//! Each table is a text: a column for each kind of caller, a row for each thing that is declared, and in each cell what
//! comes of it. Every cell is performed against a running gateway. What is declared and has no row, and a row that names
//! nothing declared, are failures.
//!
//! In a cell: a reason of the protocol, with `+` for each event that it leaves in the audit log; `allowed`; `own` if it
//! is allowed and the answer holds nothing of anybody else's; `-` where there is no such case.

mod calls;
mod hostile;
mod messages;
mod names;
mod own;
mod pages;
mod requests;
mod scene;

use std::collections::BTreeMap;

/// A table with its cells by row and column.
pub(crate) struct Table {
    columns: Vec<&'static str>,
    rows: BTreeMap<&'static str, Vec<&'static str>>,
}

impl Table {
    /// Reads a text: `#` begins a remark, two spaces or more divide cells, the first line names the columns.
    pub(crate) fn read(text: &'static str) -> Self {
        let mut lines = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| {
                line.split("  ")
                    .map(str::trim)
                    .filter(|cell| !cell.is_empty())
            });
        let columns: Vec<_> = lines.next().expect("a head").collect();
        let mut rows = BTreeMap::new();
        for mut line in lines {
            let name = line.next().expect("a name");
            let cells: Vec<_> = line.collect();
            assert_eq!(cells.len(), columns.len(), "cells of {name}");
            assert!(rows.insert(name, cells).is_none(), "two rows for {name}");
        }
        Self { columns, rows }
    }

    /// Fails unless each thing that is declared has a row, and each row is about one.
    pub(crate) fn covers(&self, declared: impl IntoIterator<Item = String>) {
        let mut declared: Vec<_> = declared.into_iter().collect();
        declared.sort_unstable();
        let rows: Vec<_> = self.rows.keys().copied().collect();
        assert_eq!(
            declared, rows,
            "what is declared, and the rows of the table"
        );
    }

    /// Each cell with its row and column, column by column; without those that are no case.
    pub(crate) fn cells(&self) -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
        self.columns.iter().enumerate().flat_map(|(at, column)| {
            let cells = self
                .rows
                .iter()
                .map(move |(row, cells)| (*row, *column, cells[at]));
            cells.filter(|(_, _, cell)| *cell != "-")
        })
    }
}

/// What came out otherwise than the table says. All of it is shown at once.
#[derive(Default)]
pub(crate) struct Differences(Vec<String>);

impl Differences {
    pub(crate) fn compare(&mut self, (row, column, expected): (&str, &str, &str), seen: &str) {
        if expected != seen {
            let difference = format!("{row}, {column}: the table says {expected}, it is {seen}");
            self.0.push(difference);
        }
    }

    pub(crate) fn finish(self) {
        assert!(self.0.is_empty(), "\n{}", self.0.join("\n"));
    }
}

/// What two callers of a column saw.
fn same(one: String, two: &str) -> String {
    if one == two {
        one
    } else {
        format!("{one} and {two}")
    }
}

#[test]
#[should_panic(expected = "what is declared, and the rows of the table")]
fn what_is_declared_without_a_row_turns_the_table_red() {
    let table = Table::read("caller\nGET /  allowed\n");
    table.covers(["GET /".to_owned(), "GET /new".to_owned()]);
}

#[test]
#[should_panic(expected = "what is declared, and the rows of the table")]
fn a_row_about_nothing_turns_the_table_red() {
    let table = Table::read("caller\nGET /  allowed\nGET /old  allowed\n");
    table.covers(["GET /".to_owned()]);
}
