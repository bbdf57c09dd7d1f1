//! Objects and collections: `RequestInfoFactory` of the API server, for the paths that are carried.

use http::Method;

use super::path::{Path, Segment, push};
use super::{Envelope, KubeRequest, RequestError, field, non_resource, proxy, selector};

/// What is done to a resource, in the API server's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Reads one object.
    Get,
    /// Reads a collection.
    List,
    /// Follows a collection.
    Watch,
    /// Makes an object, or connects to one.
    Create,
    /// Replaces an object.
    Update,
    /// Changes an object.
    Patch,
    /// Removes an object.
    Delete,
    /// Removes a collection.
    DeleteCollection,
}

impl Verb {
    /// The verb as RBAC spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }

    /// Whether it only reads.
    #[must_use]
    pub fn is_read(self) -> bool {
        matches!(self, Self::Get | Self::List | Self::Watch)
    }

    /// The verb of a method on a named object.
    fn of_method(method: &Method) -> Result<Self, RequestError> {
        match method.as_str() {
            "GET" | "HEAD" => Ok(Self::Get),
            "POST" => Ok(Self::Create),
            "PUT" => Ok(Self::Update),
            "PATCH" => Ok(Self::Patch),
            "DELETE" => Ok(Self::Delete),
            _ => Err(RequestError::Method),
        }
    }
}

/// A request for an object or a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceRequest {
    pub(super) envelope: Envelope,
    verb: Verb,
    group: String,
    version: String,
    namespace: Option<String>,
    resource: String,
    name: Option<String>,
    selected: Option<String>,
    subresource: Option<String>,
    /// `/api/v1/watch/…`, deprecated and still served.
    watch_prefix: bool,
}

impl ResourceRequest {
    /// The verb that the API server authorizes. exec and its like are `get` over WebSocket on older servers:
    /// [`super::RequestClass`] does not depend on it.
    #[must_use]
    pub fn verb(&self) -> Verb {
        self.verb
    }

    /// The API group, empty for the core group.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The API version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The namespace. A request for a namespace itself is in that namespace.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The resource, in the plural.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The object's name, from the path, or from the field selector of a list or a watch.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref().or(self.selected.as_deref())
    }

    /// The subresource.
    #[must_use]
    pub fn subresource(&self) -> Option<&str> {
        self.subresource.as_deref()
    }

    pub(super) fn push_path(&self, path: &mut String) {
        if self.group.is_empty() {
            path.push_str("/api");
        } else {
            path.push_str("/apis");
            push(path, &self.group);
        }
        push(path, &self.version);
        if self.watch_prefix {
            path.push_str("/watch");
        }
        if let Some(namespace) = self
            .namespace
            .as_deref()
            .filter(|_| self.resource != "namespaces")
        {
            path.push_str("/namespaces");
            push(path, namespace);
        }
        push(path, &self.resource);
        for part in [&self.name, &self.subresource].into_iter().flatten() {
            push(path, part);
        }
    }
}

/// What stands behind the version.
pub(super) struct Place<'a> {
    pub(super) namespace: Option<&'a str>,
    pub(super) resource: &'a str,
    pub(super) name: Option<&'a str>,
    subresource: Option<&'a str>,
    pub(super) rest: &'a [&'a str],
}

/// Takes a request apart, or hands it on if it is no resource's.
pub(super) fn parse(path: &Path, envelope: Envelope) -> Result<KubeRequest, RequestError> {
    let words: Vec<&str> = path.segments.iter().map(Segment::as_str).collect();
    let (group, version, parts) = match words.as_slice() {
        ["api", version, parts @ ..] if !parts.is_empty() => (String::new(), *version, parts),
        ["apis", group, version, parts @ ..] if !parts.is_empty() => {
            (field::group(group)?, *version, parts)
        }
        // The API server has its two lists of versions and groups at both paths.
        ["api" | "apis"] => return non_resource::parse(&words, envelope),
        words if path.trailing_slash && !words.is_empty() => {
            return Err(RequestError::EmptySegment);
        }
        words => return non_resource::parse(words, envelope),
    };
    let version = field::version(version)?;
    let (watch_prefix, parts) = match parts {
        // `proxy` before the resource is gone since 1.10, and would hide the resource from authorization.
        ["proxy", ..] | ["watch"] => return Err(RequestError::UnknownPath),
        ["watch", parts @ ..] => (true, parts),
        parts => (false, parts),
    };
    let place = Place::of(parts)?;
    if place.subresource == Some("proxy") {
        if watch_prefix || !group.is_empty() || version != "v1" {
            return Err(RequestError::UnknownPath);
        }
        return proxy::parse(&place, path.trailing_slash, envelope);
    }
    if path.trailing_slash {
        return Err(RequestError::EmptySegment);
    }
    if !place.rest.is_empty() || (watch_prefix && place.subresource.is_some()) {
        return Err(RequestError::UnknownPath);
    }
    if watch_prefix && !envelope.is_read() {
        return Err(RequestError::MethodOfPath);
    }
    let verb = if watch_prefix {
        Verb::Watch
    } else {
        verb(&envelope, place.name)?
    };
    Ok(KubeRequest::Resource(ResourceRequest {
        verb,
        group,
        version,
        namespace: place.namespace.map(field::namespace).transpose()?,
        resource: field::resource(place.resource)?,
        name: place.name.map(str::to_owned),
        selected: if watch_prefix {
            None
        } else {
            selected(&envelope, verb, place.name)
        },
        subresource: place.subresource.map(field::subresource).transpose()?,
        watch_prefix,
        envelope,
    }))
}

impl<'a> Place<'a> {
    fn of(parts: &'a [&'a str]) -> Result<Self, RequestError> {
        let (namespace, parts) = match parts {
            // A namespace itself, or one of its two subresources.
            ["namespaces", name] | ["namespaces", name, "status" | "finalize", ..] => {
                (Some(*name), parts)
            }
            // The API server would take these for namespaces in a namespace, which do not exist.
            ["namespaces", _, "namespaces", ..] => return Err(RequestError::UnknownPath),
            ["namespaces", name, parts @ ..] => (Some(*name), parts),
            parts => (None, parts),
        };
        let (resource, name, subresource, rest) = match parts {
            [resource] => (*resource, None, None, [].as_slice()),
            [resource, name] => (*resource, Some(*name), None, [].as_slice()),
            [resource, name, subresource, rest @ ..] => {
                (*resource, Some(*name), Some(*subresource), rest)
            }
            [] => return Err(RequestError::UnknownPath),
        };
        Ok(Self {
            namespace,
            resource,
            name,
            subresource,
            rest,
        })
    }
}

/// The verb of a request without a special prefix.
fn verb(envelope: &Envelope, name: Option<&str>) -> Result<Verb, RequestError> {
    Ok(match (Verb::of_method(&envelope.method)?, name) {
        (Verb::Get, None) if watches(envelope) => Verb::Watch,
        (Verb::Get, None) => Verb::List,
        (Verb::Delete, None) => Verb::DeleteCollection,
        (verb, _) => verb,
    })
}

/// The name that the field selector of a list or a watch fixes.
fn selected(envelope: &Envelope, verb: Verb, name: Option<&str>) -> Option<String> {
    let selects = name.is_none() && verb.is_read();
    envelope
        .query
        .first("fieldSelector")
        .filter(|_| selects)
        .and_then(selector::exact_name)
}

/// Whether `watch` is on: any value but `false` and `0` counts, an empty one too (measurement M12).
fn watches(envelope: &Envelope) -> bool {
    envelope
        .query
        .first("watch")
        .is_some_and(|value| value != "0" && !value.eq_ignore_ascii_case("false"))
}
