//! The declaration of pages: from it come the router and the list that the table of denials is checked against.

use axum::Router;
use axum::handler::Handler;
use axum::routing::{get, post};

use super::Site;

/// A page as the table of denials names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Page {
    /// The path, with its parameters in braces.
    pub path: &'static str,
    /// The method.
    pub method: &'static str,
}

/// Pages in the making. There is no other way to add one.
#[derive(Debug)]
pub struct Declared {
    open: Router<Site>,
    guarded: Router<Site>,
    pages: Vec<Page>,
}

impl Declared {
    pub(super) fn new() -> Self {
        Self {
            open: Router::new(),
            guarded: Router::new(),
            pages: Vec::new(),
        }
    }

    /// Adds what a probe reads, which knows addresses and no name.
    pub(super) fn any_host<T: 'static>(
        mut self,
        path: &'static str,
        handler: impl Handler<T, Site>,
    ) -> Self {
        self.open = self.open.route(path, get(handler));
        self.noting("GET", path)
    }

    /// Adds what a browser reads under the site's own name.
    pub(super) fn read<T: 'static>(
        mut self,
        path: &'static str,
        handler: impl Handler<T, Site>,
    ) -> Self {
        self.guarded = self.guarded.route(path, get(handler));
        self.noting("GET", path)
    }

    /// Adds what the site's own script sends to.
    pub(super) fn send<T: 'static>(
        mut self,
        path: &'static str,
        handler: impl Handler<T, Site>,
    ) -> Self {
        self.guarded = self.guarded.route(path, post(handler));
        self.noting("POST", path)
    }

    fn noting(mut self, method: &'static str, path: &'static str) -> Self {
        self.pages.push(Page { path, method });
        self
    }

    /// The pages, for the table of denials.
    #[must_use]
    pub fn pages(&self) -> &[Page] {
        &self.pages
    }

    /// The routes that anybody may ask for by any name, and those behind the guard.
    pub(super) fn into_parts(self) -> (Router<Site>, Router<Site>) {
        (self.open, self.guarded)
    }
}
