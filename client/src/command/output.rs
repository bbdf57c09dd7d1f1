//! Printing: tables and single values for people, JSON for programs.

use std::io::Write;

use adit_proto::time::UnixMillis;
use comfy_table::{Table, presets};
use serde_json::Value;

use crate::exit::Failure;
use crate::timestamp::rfc3339;

/// A column: its heading, and the JSON pointer of its value in a row.
pub(super) type Column = (&'static str, &'static str);

/// Prints text on stdout.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        // Whoever read it has read enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::new(error)),
        _ => Ok(()),
    }
}

/// Prints JSON on stdout.
pub(super) fn print_json(value: &Value) -> Result<(), Failure> {
    print(&serde_json::to_string_pretty(value).unwrap_or_default())
}

/// Prints the rows of a list at `pointer` of `answer`: as a table, or the whole list as JSON.
pub(super) fn list(
    json: bool,
    answer: &Value,
    pointer: &str,
    columns: &[Column],
) -> Result<(), Failure> {
    let rows = answer.pointer(pointer).unwrap_or(&Value::Null);
    if json {
        return print_json(rows);
    }
    print(&table(rows, columns))
}

fn table(rows: &Value, columns: &[Column]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(columns.iter().map(|(heading, _)| *heading));
    for row in rows.as_array().into_iter().flatten() {
        let cells = columns
            .iter()
            .map(|(_, pointer)| shown(pointer, row.pointer(pointer)));
        table.add_row(cells.collect::<Vec<_>>());
    }
    table.trim_fmt()
}

/// A time as the calendar has it; everything else as it is.
pub(super) fn shown(pointer: &str, value: Option<&Value>) -> String {
    let time = value.and_then(Value::as_u64).map(UnixMillis);
    match time {
        Some(time) if pointer.ends_with("_ms") => rfc3339(time),
        _ => cell(value),
    }
}

/// What comes from a gateway is text: nothing of it moves the terminal's cursor.
pub(super) fn cell(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::Bool(yes)) => if *yes { "yes" } else { "no" }.to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(values)) => {
            let texts: Vec<_> = values.iter().map(|value| cell(Some(value))).collect();
            texts.join(",")
        }
        Some(other) => other.to_string(),
    };
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_are_shown_as_the_calendar_has_them_and_numbers_as_they_are() {
        let rows = json!([{"expires_ms": 951_782_400_000_u64, "number": 951_782_400_000_u64}]);
        let text = table(&rows, &[("EXPIRES", "/expires_ms"), ("NUMBER", "/number")]);
        let row: Vec<_> = text.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(row, ["2000-02-29T00:00:00Z", "951782400000"]);
    }

    #[test]
    fn a_table_shows_text_and_no_escapes() {
        let rows = json!([{"name": "pr\u{1b}[2Jod", "online": true}, {"name": "dev"}]);
        let text = table(&rows, &[("NAME", "/name"), ("ONLINE", "/online")]);
        assert!(!text.contains('\u{1b}'));
        let lines: Vec<_> = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .collect();
        assert_eq!(
            lines,
            [
                vec!["NAME", "ONLINE"],
                vec!["pr[2Jod", "yes"],
                vec!["dev", "-"]
            ]
        );
    }
}
