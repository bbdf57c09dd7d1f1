//! What of a request that passed the gate goes to the connector.

use adit_proto::Reason;
use adit_proto::target::Target;
use adit_proto::wire::link::stream_header::Kind;
use adit_proto::wire::link::{Explain, Kube};
use http::header::{AUTHORIZATION, HOST, HeaderValue, ORIGIN};
use http::{Uri, request};

use super::gate::Passed;
use crate::carry::Passage;
use crate::exit::Failure;

impl Passage for Passed {
    fn target(&self) -> Target {
        Target::Cluster(self.entitled.cluster().clone())
    }

    fn kind(&self) -> Kind {
        match self.entitled.explanation() {
            None => Kind::Kube(Kube {}),
            Some(_) => Kind::Explain(Explain {}),
        }
    }

    /// Token and prefix of the local endpoint stay here.
    fn prepare(&self, head: &mut request::Parts) -> Result<(), Failure> {
        head.uri = Uri::try_from(&self.rest)
            .map_err(|_| Failure::of(Reason::RequestMalformed, "the path is none"))?;
        for name in [AUTHORIZATION, ORIGIN] {
            head.headers.remove(name);
        }
        head.headers
            .insert(HOST, HeaderValue::from_static("kubernetes"));
        Ok(())
    }
}
