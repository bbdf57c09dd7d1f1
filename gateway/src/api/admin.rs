//! What admins see and do.

pub(super) mod audit;
pub(super) mod clusters;
pub(super) mod people;
pub(super) mod policies;
pub(super) mod suspensions;
