use std::collections::BTreeSet;

use super::*;

/// Every route with the least that a caller must be. A route that is added without a row here turns this red.
const ROUTES: &[(&str, &str, Needs)] = &[
    ("DELETE", "/v1/sessions/{id}", Needs::SignIn),
    ("DELETE", "/v1/sign-ins/current", Needs::SignIn),
    ("GET", "/v1/admin/audit", Needs::Admin),
    ("GET", "/v1/admin/clusters", Needs::Admin),
    ("GET", "/v1/admin/devices", Needs::Admin),
    ("GET", "/v1/admin/invitations", Needs::Admin),
    ("GET", "/v1/admin/policies/current", Needs::Admin),
    ("GET", "/v1/admin/policies/{number}", Needs::Admin),
    ("GET", "/v1/admin/sessions", Needs::Admin),
    ("GET", "/v1/admin/users", Needs::Admin),
    ("GET", "/v1/clusters", Needs::SignIn),
    ("GET", "/v1/devices", Needs::SignIn),
    ("GET", "/v1/openapi.json", Needs::Device),
    ("GET", "/v1/roster/statements", Needs::Admin),
    ("GET", "/v1/services", Needs::SignIn),
    ("GET", "/v1/sessions", Needs::SignIn),
    ("GET", "/v1/touches/{id}", Needs::SignIn),
    ("GET", "/v1/whoami", Needs::Device),
    ("POST", "/v1/admin/devices/{id}/resume", Needs::Admin),
    ("POST", "/v1/admin/devices/{id}/suspend", Needs::Admin),
    ("POST", "/v1/admin/policies/check", Needs::Admin),
    ("POST", "/v1/roster/statements", Needs::SignIn),
    ("POST", "/v1/roster/turns", Needs::SignIn),
    ("POST", "/v1/sessions", Needs::SignIn),
    ("POST", "/v1/sign-ins", Needs::Device),
    ("POST", "/v1/sign-ins/{id}/finish", Needs::Device),
    ("POST", "/v1/touches", Needs::SignIn),
    ("PUT", "/v1/admin/policies", Needs::Admin),
];

#[test]
fn each_route_is_declared_once_with_the_role_that_it_needs() {
    let declared = declare();
    let routes: BTreeSet<_> = declared
        .routes()
        .iter()
        .map(|route| (route.method, route.path.as_str(), route.needs))
        .collect();
    assert_eq!(routes, ROUTES.iter().copied().collect());
    assert_eq!(declared.routes().len(), ROUTES.len());
}

#[test]
fn the_document_has_every_route_and_no_other() {
    let declared = declare();
    let routes = declared.routes().to_vec();
    let (_, document) = declared.into_parts();
    let document = serde_json::to_value(document).unwrap();
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            described.insert((method.to_uppercase(), path.clone()));
        }
    }
    let routes = routes
        .into_iter()
        .map(|route| (route.method.to_owned(), route.path));
    assert_eq!(described, routes.collect());
}
