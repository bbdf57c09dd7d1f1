//! Adit.
