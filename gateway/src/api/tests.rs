use std::collections::BTreeSet;

use super::*;

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
