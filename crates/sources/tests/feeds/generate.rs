//! `generate`: deterministic, resumable, and it ends.

use serde_json::{Value, json};
use sluicebox_core::{Cursor, ErrorClass, Pace};

use crate::support::{Reply, context, in_turn, source};

#[tokio::test(start_paused = true)]
async fn it_counts_paces_itself_ends_and_resumes() {
    let (cx, _) = context(in_turn(vec![Reply::new(500, "")]));
    let options = json!({ "count": 25, "rate": 100, "fields": { "colour": "red" } });
    let mut source = source("generate", options, &cx).await;
    source.open(None).await.unwrap();
    let mut ids = Vec::new();
    let mut middle = None;
    let clock = &cx.environment.clock;
    let began = clock.elapsed();
    while let Some(batch) = source.next().await.unwrap() {
        let Pace::After(wait) = batch.pace else { panic!("nobody was slow: {:?}", batch.pace) };
        clock.sleep(wait).await;
        ids.extend(batch.events.iter().map(|event| event.meta().id.to_string()));
        middle.get_or_insert(batch.cursor.clone().unwrap());
        let event: Value = serde_json::from_slice(&batch.events[0].json()).unwrap();
        assert_eq!((&event["type"], &event["colour"]), (&json!("generated"), &json!("red")));
    }
    let took = clock.elapsed().saturating_sub(began);
    assert!((250..=255).contains(&took.as_millis()), "25 events at 100 a second took {took:?}");
    assert_eq!((ids.len(), ids[0].as_str(), ids[24].as_str()), (25, "generate:acme:1", "generate:acme:25"));
    source.open(middle.as_ref()).await.unwrap();
    let again = source.next().await.unwrap().unwrap();
    assert_eq!(again.events[0].meta().id.as_str(), ids[10].as_str());
}

#[tokio::test(start_paused = true)]
async fn a_cursor_that_is_no_number_is_refused() {
    let (cx, _) = context(in_turn(vec![Reply::new(500, "")]));
    let mut source = source("generate", json!({}), &cx).await;
    let error = source.open(Some(&Cursor::from("x"))).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Config);
}
