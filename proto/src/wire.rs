//! Messages that cross a component, generated from `wire/*.proto`, whose comments are their documentation.

#![expect(
    missing_docs,
    clippy::pedantic,
    clippy::large_enum_variant,
    reason = "generated code; the .proto files document it"
)]

include!(concat!(env!("OUT_DIR"), "/wire.rs"));

pub use adit::audit::v1 as audit;
pub use adit::control::v1 as control;
pub use adit::enrol::v1 as enrol;
pub use adit::identity::v1 as identity;
pub use adit::link::v1 as link;
pub use adit::roster::v1 as roster;
