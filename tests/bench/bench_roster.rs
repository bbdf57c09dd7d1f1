//! How long a connector takes to verify the roster from its first statement.

use adit_connector::config::ConfiguredHead;
use adit_connector::roster::{Book, Origin};
use adit_harness::scratch::scratch;
use adit_proto::testing::Log;
use anyhow::{Result, ensure};
use tokio::time::Instant;

use crate::figure::{Figure, median, ms};

const ROUNDS: usize = 5;
const STATEMENTS: usize = 10_000;

/// `roster.verify`: a connector that starts reads its file and verifies all of it, touches too. A person is three
/// statements (name, invitation, enrolment) with one signature of a device or an invitation each, and two touches.
pub(crate) fn verify() -> Result<Vec<Figure>> {
    let mut log = Log::new();
    while log.statements.len() < STATEMENTS {
        let name = format!("{}@example.org", log.statements.len());
        log.add_person(&name, &["engineers"]);
    }
    log.statements.truncate(STATEMENTS);
    let origin = Origin {
        genesis: log.genesis(),
        head: ConfiguredHead {
            number: 1,
            hash: log.genesis(),
        },
    };
    let folder = scratch()?.folder("roster")?;
    Book::open(&folder, origin)?.add(log.statements)?;
    let mut spans = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let book = Book::open(&folder, origin)?;
        spans.push(ms(begun.elapsed()));
        let count = usize::try_from(book.head().number)?;
        ensure!(count == STATEMENTS, "{count} statements were verified");
    }
    let value = median(spans);
    Ok(vec![Figure::plain("roster.verify", "ms", value, ROUNDS)])
}
