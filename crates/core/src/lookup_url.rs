//! What tests of pipelines have to know of a look-up over HTTP.

use crate::Located;

/// A URL that a look-up asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupUrl {
    /// What tells it from the other URLs of the same look-up, and stands before the values of it; `None`: it is the only
    /// one.
    pub name: Option<&'static str>,
    /// A template. One that begins with `/` lies below the address of an API, wherever that is.
    pub template: Located,
}
