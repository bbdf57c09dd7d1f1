//! End-to-end tests on real parts.

mod closed_door;
mod cluster;
mod main_job;
mod pages;
