//! The contract of transforms, kept by `grade`.

use sluicebox_contract::{NoFiles, context, event};
use sluicebox_core::{Transform, TransformSpec};

use crate::grade::Grade;

#[tokio::test(start_paused = true)]
async fn grade_keeps_the_contract_of_transforms() {
    let texts =
        [r#"{"price":5}"#, r#"{"price":"five"}"#, "{}", r#"{"price":-1}"#, r#"{"grade":1,"price":5e9}"#];
    let events: Vec<_> = texts.into_iter().enumerate().map(|(number, text)| event(number, text)).collect();
    let build = async || -> Box<dyn Transform> {
        let options = serde_json::json!({ "field": "price", "grades": { "small": 0, "dear": 100 } });
        let spec: Grade = serde_json::from_value(options).unwrap();
        spec.build(&context("orders", "graded"), &NoFiles).await.unwrap()
    };
    assert_eq!(sluicebox_contract::transform(build, &events).await.events, 5);
}
