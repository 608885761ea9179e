//! What the options of a look-up come to, and what contradicts itself in them.

use sluicebox_core::{CheckContext, Located, Problem};
use sluicebox_http::{Auth, BaseUrl};
use sluicebox_rules::{Expression, Template, TemplateKind};

use super::HttpLookup;
use super::batch::Batch;
use super::enrich::Mode;
use super::extract::{Extract, Shown};
use super::find::Finder;
use super::presets::{Chosen, Presets};

/// What asks, before it has credentials.
pub(super) enum Plan {
    /// What `url` says.
    Url(Box<Mode>, BaseUrl),
    /// What is known of an API.
    Known(Chosen, BaseUrl),
}

impl HttpLookup {
    /// # Errors
    /// What contradicts itself, or cannot be read.
    pub(super) fn plan(&self) -> Result<Plan, Problem> {
        match (&self.enrich, &self.url) {
            (Some(presets), _) => self.known(presets),
            (None, Some(_)) if self.base_url.is_some() => {
                Err(Problem::new("base_url", "`base_url` is for `enrich`: `url` says itself where it leads"))
            }
            (None, Some(url)) => self.mode(url).map(|(mode, origin)| Plan::Url(Box::new(mode), origin)),
            (None, None) => {
                let help =
                    "`url: https://api.example.com/things/{{ event.thingId }}`, or `enrich: opentrain`";
                Err(Problem::new("", "neither `url` nor `enrich` is given").with_help(help))
            }
        }
    }

    /// The presets, which say themselves what is asked.
    fn known(&self, presets: &Presets) -> Result<Plan, Problem> {
        let given = [
            ("url", self.url.is_some()),
            ("select", self.select.is_some()),
            ("find", self.find.is_some()),
            ("batch", self.batch.is_some()),
        ];
        if let Some((option, _)) = given.into_iter().find(|(_, is_given)| *is_given) {
            let message = format!("`{option}` and `enrich` cannot go together");
            return Err(
                Problem::new(option, message).with_help("`enrich` knows what is asked, and what is taken")
            );
        }
        let chosen = presets.chosen()?;
        let base_url = self.base_url.as_deref().unwrap_or(chosen.base_url());
        let base_url = BaseUrl::parse(base_url).map_err(|text| Problem::new("base_url", text))?;
        Ok(Plan::Known(chosen, base_url))
    }

    /// How the answer is come by, and where the API lives.
    fn mode(&self, url: &Located) -> Result<(Mode, BaseUrl), Problem> {
        let extract = Extract::new(self.select.as_deref(), Shown::All);
        if let Some(batch) = &self.batch {
            if self.find.is_some() {
                return Err(Problem::new("find", "`find` and `batch` cannot go together"));
            }
            let batch = Batch::new(batch, url, extract)?;
            let origin = BaseUrl::origin_of(batch.literal_prefix());
            return Ok((Mode::Batch(Box::new(batch)), origin.map_err(|text| Problem::new("url", text))?));
        }
        let template = Template::compile(url, TemplateKind::Url).map_err(|p| p.under("url"))?;
        let origin =
            BaseUrl::origin_of(template.literal_prefix()).map_err(|text| Problem::new("url", text))?;
        let mode = match &self.find {
            Some(find) => {
                let by = Expression::compile(&find.by).map_err(|problem| problem.under("find.by"))?;
                let finder = Finder::new(find, &self.cache, extract)?;
                Mode::Find(Box::new(finder), template, Box::new(by))
            }
            None => Mode::Each(template, extract),
        };
        Ok((mode, origin))
    }

    /// The presets, as far as they can be read.
    pub(super) fn chosen(&self) -> Option<Chosen> {
        self.enrich.as_ref().and_then(|presets| presets.chosen().ok())
    }

    /// What is wrong with whose credentials are taken.
    pub(super) fn credentials_problem(&self, cx: &CheckContext<'_>) -> Option<Problem> {
        let same_as = match &self.auth {
            Some(Auth::SameAs(source)) => Some(source.as_str()),
            Some(_) => return None,
            None => None,
        };
        let unknown = same_as.and_then(|source| unknown_source(source, cx));
        unknown.or_else(|| self.chosen()?.credentials_problem(same_as, cx))
    }
}

fn unknown_source(source: &str, cx: &CheckContext<'_>) -> Option<Problem> {
    if cx.sources.iter().any(|(name, _)| name == source) {
        return None;
    }
    let names: Vec<&str> = cx.sources.iter().map(|(name, _)| name.as_str()).collect();
    let problem = Problem::new("auth.same_as", format!("there is no source `{source}`"));
    Some(if names.is_empty() { problem } else { problem.with_help(format!("known: {}", names.join(", "))) })
}
