//! Questions to whoever sits at the terminal: asked on stderr, answered on stdin.

use std::io::{BufRead, Write};

use crate::exit::Failure;

/// Asks for one line.
pub(super) fn ask(question: &str) -> Result<String, Failure> {
    let mut answer = String::new();
    // Nobody reads it: then nobody answers either.
    let _ = write!(std::io::stderr(), "{question}");
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Failure::new(format!("no answer: {error}")))?;
    Ok(answer.trim().to_owned())
}

/// Asks a question of yes or no; no answer is a no.
pub(super) async fn confirms(question: &str) -> bool {
    let question = format!("{question} [y/N] ");
    let answered = tokio::task::spawn_blocking(move || ask(&question)).await;
    matches!(answered, Ok(Ok(answer)) if answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes"))
}
