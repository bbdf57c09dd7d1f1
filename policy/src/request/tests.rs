mod hostile;
mod info;
mod round_trip;

use http::{HeaderMap, Method};

use super::{KubeRequest, NonResourceRequest, ProxyRequest, RequestError, ResourceRequest};

fn parse(method: &str, target: &str) -> Result<KubeRequest, RequestError> {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    KubeRequest::parse(&method, target, &HeaderMap::new())
}

fn resource(method: &str, target: &str) -> ResourceRequest {
    match parse(method, target) {
        Ok(KubeRequest::Resource(request)) => request,
        other => panic!("{method} {target} is {other:?}"),
    }
}

fn non_resource(target: &str) -> NonResourceRequest {
    match parse("GET", target) {
        Ok(KubeRequest::NonResource(request)) => request,
        other => panic!("{target} is {other:?}"),
    }
}

fn proxy(target: &str) -> ProxyRequest {
    match parse("POST", target) {
        Ok(KubeRequest::Proxy(request)) => request,
        other => panic!("{target} is {other:?}"),
    }
}
