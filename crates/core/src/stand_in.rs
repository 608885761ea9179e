//! What stands for a database in a test of a pipeline.
//!
//! Whoever publishes [`StandInRows`] under `("", "")` in the values that components share replaces the databases of
//! look-ups, as a transport replaces the network.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use crate::Result;

/// Answers queries.
#[async_trait]
pub trait RowSource: Send + Sync {
    /// The rows, each an object, that the query of a component gives for some parameters.
    ///
    /// # Errors
    /// As a database would fail.
    async fn rows(&self, component: &str, parameters: &[Value]) -> Result<Vec<Value>>;
}

/// A source of rows among the values that components share.
#[derive(Clone)]
pub struct StandInRows(pub Arc<dyn RowSource>);
