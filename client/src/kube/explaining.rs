//! Requests with the token of an explanation: what is decided about each is noted, and its client gets the answer.

use adit_proto::Reason;
use adit_proto::explained;
use http::{Request, Response};
use hyper::body::Incoming;

use super::gate::Passed;
use super::listener::Service;
use crate::carry::Body;
use crate::exit::{Exit, Failure};
use crate::explain::{Decided, Id, NoPlace};

impl Service {
    /// Carries a request of the explanation `id`.
    pub(super) async fn explain(
        &self,
        id: &Id,
        passed: &Passed,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Failure> {
        let place = match self.explanations.place(id) {
            Ok(place) => place,
            Err(NoPlace::Over) => {
                let message = "this explanation is over";
                let failure = Failure::of(Reason::SignInRequired, message);
                return Err(failure.repaired_by("run `adit explain` again"));
            }
            Err(NoPlace::Full) => return Err(self.note(id, too_many())),
        };
        let carried = self.carrier.carry(passed, request).await;
        let mut response = carried.map_err(|failure| self.note(id, told(failure, passed)))?;
        let header = response.headers_mut().remove(explained::HEADER);
        let decided = header.and_then(|value| explained::from_header(value.as_bytes()));
        let Some(decided) = decided else {
            let message = "the connector answered, and did not say what it decided";
            return Err(self.note(id, Failure::of(Reason::RequestUnsupported, message)));
        };
        let decided = Decided::new(decided, response.status());
        self.explanations.decided(id, place, decided);
        Ok(response)
    }

    fn note(&self, id: &Id, failure: Failure) -> Failure {
        self.explanations.failed(id, &failure);
        failure
    }
}

fn too_many() -> Failure {
    let message = "the command asks for more than is explained at once";
    Failure::of(Reason::LimitReached, message).repaired_by("explain a part of it")
}

/// A connector of before `explain` refuses a stream of that kind.
fn told(failure: Failure, passed: &Passed) -> Failure {
    if failure.reason() != Some(Reason::VersionUnsupported) {
        return failure;
    }
    let cluster = passed.entitled.cluster();
    let message = format!("the connector of {cluster} does not know how to explain");
    let version = env!("CARGO_PKG_VERSION");
    let repair = format!("ask the cluster's owner to bring adit-connector to {version} or later");
    Failure::of(Reason::VersionUnsupported, message)
        .exiting(Exit::Failed)
        .repaired_by(repair)
}
