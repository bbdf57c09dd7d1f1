//! A whole gateway in the test's process, with parties that dial it over loopback.
//!
//! Its roster is a [`adit_proto::testing::Log`] whose statements go in by turns, as an admin's would.

mod parties;
mod rig;

pub(crate) use parties::{Agent, Connector, FakeParty, closed};
pub(crate) use rig::{Rig, patiently};
