//! The declaration of routes, each with the role that it needs.

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn;
use utoipa::openapi::path::{HttpMethod, Operation, PathItem};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::role::{Needs, Role, prove};
use crate::services::Services;

/// A route as the table of denials names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The path, with its parameters in braces.
    pub path: String,
    /// The method.
    pub method: &'static str,
    /// The least that a caller must be.
    pub needs: Needs,
}

/// Routes in the making.
pub struct Declared {
    router: OpenApiRouter<Services>,
    routes: Vec<Route>,
}

impl std::fmt::Debug for Declared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.routes).finish()
    }
}

impl Declared {
    pub(super) fn new() -> Self {
        let info = InfoBuilder::new()
            .title("Adit")
            .description(Some(
                "Calls of an enrolled device on its control connection.",
            ))
            .version(env!("CARGO_PKG_VERSION"))
            .build();
        let document = OpenApiBuilder::new().info(info).build();
        Self {
            router: OpenApiRouter::with_openapi(document),
            routes: Vec::new(),
        }
    }

    /// Adds a route behind the check of role `R`. There is no other way to add one.
    pub(super) fn add<R: Role>(
        mut self,
        (schemas, paths, handlers): UtoipaMethodRouter<Services>,
    ) -> Self {
        for (path, item) in &paths.paths {
            for (method, _) in operations(item) {
                self.routes.push(Route {
                    path: path.clone(),
                    method,
                    needs: R::NEEDS,
                });
            }
        }
        let checked = handlers.layer(from_fn(|request: Request, next| prove::<R>(request, next)));
        self.router = self.router.routes((schemas, paths, checked));
        self
    }

    /// The routes, for the table of denials.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The router and its document.
    pub fn into_parts(self) -> (Router<Services>, OpenApi) {
        self.router.split_for_parts()
    }
}

fn operations(item: &PathItem) -> impl Iterator<Item = (&'static str, &Operation)> {
    let name = |method: HttpMethod| match method {
        HttpMethod::Get => "GET",
        HttpMethod::Post => "POST",
        HttpMethod::Put => "PUT",
        HttpMethod::Delete => "DELETE",
        HttpMethod::Patch => "PATCH",
        HttpMethod::Head => "HEAD",
        HttpMethod::Options => "OPTIONS",
        HttpMethod::Trace => "TRACE",
    };
    [
        (HttpMethod::Get, &item.get),
        (HttpMethod::Post, &item.post),
        (HttpMethod::Put, &item.put),
        (HttpMethod::Delete, &item.delete),
        (HttpMethod::Patch, &item.patch),
        (HttpMethod::Head, &item.head),
        (HttpMethod::Options, &item.options),
        (HttpMethod::Trace, &item.trace),
    ]
    .into_iter()
    .filter_map(move |(method, operation)| Some((name(method), operation.as_ref()?)))
}
