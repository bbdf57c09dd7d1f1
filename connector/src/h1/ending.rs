//! How a stream ends.

use adit_proto::Reason;
use adit_transport::stream::StreamEnd;

/// Decides how a stream ends: whole, or reset.
pub trait Ending: Clone + Send + Sync + Unpin + 'static {
    /// All of the answer has been handed over.
    fn complete(&self);
    /// An answer began that has not ended.
    fn incomplete(&self);
    /// Raw bytes from now on: each shutdown is a half-close.
    fn pass_through(&self);
    /// It will be reset, for this reason.
    fn cut_off(&self, reason: Reason);
}

impl Ending for StreamEnd {
    fn complete(&self) {
        self.body_complete();
    }

    fn incomplete(&self) {
        self.body_incomplete();
    }

    fn pass_through(&self) {
        Self::pass_through(self);
    }

    fn cut_off(&self, reason: Reason) {
        self.set_code(reason.code());
    }
}
