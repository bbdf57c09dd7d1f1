//! End-to-end tests on real parts.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod agent_memory;
mod api_server_killed;
mod asleep;
mod blindness;
mod busy;
mod canary;
mod closed_door;
mod cluster;
mod cut;
mod cut_off;
mod disk_full;
mod draining;
mod enrolment;
mod environment;
mod explain;
mod first_day;
mod forged_icmp;
mod gateway_killed;
mod headless;
mod joined;
mod kubectl_verbs;
mod lies;
mod main_job;
mod node;
mod pages;
mod passkeys;
mod quickstart;
mod renewed;
mod replaced;
mod revoked;
mod revoked_apart;
mod signed_out;
mod streams;
mod vanished;
mod web_apps;
