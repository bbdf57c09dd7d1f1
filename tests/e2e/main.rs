//! End-to-end tests on real parts.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod blindness;
mod busy;
mod canary;
mod closed_door;
mod cluster;
mod cut_off;
mod enrolment;
mod joined;
mod kubectl_verbs;
mod lies;
mod main_job;
mod node;
mod pages;
mod quickstart;
mod signed_out;
