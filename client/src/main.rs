//! Adit.

fn main() {}
