//! Making metric families: one name, one help text, one list of labels each.

use prometheus::core::Collector;
use prometheus::{
    CounterVec, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry,
};

/// Seconds: from a tenth of a millisecond to a long poll and beyond.
const SECONDS: [f64; 14] =
    [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0];

/// Why creating a family cannot fail; a test creates them all.
const VALID: &str = "names and labels of families are written once, in the parent module, and are valid";

/// Makes families and registers them.
pub(super) struct Families<'a>(pub(super) &'a Registry);

impl Families<'_> {
    fn options(name: &str, help: &str) -> Opts {
        Opts::new(format!("sluicebox_{name}"), help)
    }

    fn register<C: Collector + Clone + 'static>(&self, family: C) -> C {
        self.0.register(Box::new(family.clone())).expect(VALID);
        family
    }

    pub(super) fn counter(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.register(IntCounterVec::new(Self::options(name, help), labels).expect(VALID))
    }

    pub(super) fn float_counter(&self, name: &str, help: &str, labels: &[&str]) -> CounterVec {
        self.register(CounterVec::new(Self::options(name, help), labels).expect(VALID))
    }

    pub(super) fn gauge(&self, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
        self.register(GaugeVec::new(Self::options(name, help), labels).expect(VALID))
    }

    pub(super) fn int_gauge(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.register(IntGaugeVec::new(Self::options(name, help), labels).expect(VALID))
    }

    pub(super) fn histogram(&self, name: &str, help: &str, labels: &[&str]) -> HistogramVec {
        let options = HistogramOpts::from(Self::options(name, help)).buckets(SECONDS.to_vec());
        self.register(HistogramVec::new(options, labels).expect(VALID))
    }
}
