//! What a component is given when it is checked and when it is built.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::{Delivery, Environment, RetryOptions};

/// What a component may know while it is built.
#[derive(Clone)]
pub struct Context {
    /// The pipeline's name.
    pub pipeline: Arc<str>,
    /// The component's name.
    pub component: Arc<str>,
    /// The account of a source (the component's name unless configured); empty for transforms and sinks.
    pub account: Arc<str>,
    /// Folder of the pipeline file: scripts and tables are relative to it.
    pub folder: PathBuf,
    /// The delivery that this route was given; sinks only.
    pub delivery: Delivery,
    /// The component's `retry:` options; look-ups obey them themselves.
    pub retry: RetryOptions,
    /// Time and chance.
    pub environment: Environment,
    /// Things that components of one pipeline share: `auth: {same_as: …}` finds a source's HTTP client here.
    pub shared: Shared,
}

/// Values by (component, account, type), shared between the components of one pipeline.
#[derive(Clone, Default)]
pub struct Shared {
    values: Arc<Mutex<HashMap<SharedKey, Arc<dyn Any + Send + Sync>>>>,
}

type SharedKey = (String, String, TypeId);

impl Shared {
    /// Publishes `value` under a component and account (both may be empty: for the whole pipeline).
    pub fn publish<T: Any + Send + Sync>(&self, component: &str, account: &str, value: Arc<T>) {
        let key = (component.to_owned(), account.to_owned(), TypeId::of::<T>());
        self.lock().insert(key, value);
    }

    /// What was published under exactly this component, account and type.
    pub fn find<T: Any + Send + Sync>(&self, component: &str, account: &str) -> Option<Arc<T>> {
        let key = (component.to_owned(), account.to_owned(), TypeId::of::<T>());
        let value = self.lock().get(&key).cloned()?;
        value.downcast().ok()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SharedKey, Arc<dyn Any + Send + Sync>>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the text files that a pipeline names, relative to its folder. I/O lives in the implementation.
pub trait ScriptFiles: Send + Sync {
    /// The text of `path`.
    ///
    /// # Errors
    /// A sentence for the user: not found, not UTF-8.
    fn read(&self, path: &str) -> Result<String, String>;

    /// The names of the folders in the folder `path`, sorted; none where there is no such folder.
    fn folders(&self, _path: &str) -> Vec<String> {
        Vec::new()
    }
}

/// What a component may know while its configuration is checked.
pub struct CheckContext<'a> {
    /// Reads scripts.
    pub files: &'a dyn ScriptFiles,
    /// The other components' names with their types: sources first.
    pub sources: &'a [(String, String)],
}
