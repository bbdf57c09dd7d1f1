//! Harness of the end-to-end tests: real processes in network namespaces of their own.
//!
//! Everything that a test process starts or makes belongs to its [`scratch`] folder, which ends processes,
//! namespaces and files when the test process is gone, however it ended.
//! Functions here block the calling thread, except [`wait::eventually`].

pub mod browser;
pub mod built;
pub mod capture;
pub mod cluster;
pub mod kubectl;
pub mod memory;
pub mod netns;
pub mod postgres;
pub mod process;
pub mod scratch;
pub mod stack;
pub mod terminal;
pub mod volume;
pub mod wait;
