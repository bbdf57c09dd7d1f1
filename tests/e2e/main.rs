//! End-to-end tests on real parts.

mod cluster;
mod pages;
