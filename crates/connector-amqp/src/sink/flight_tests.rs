//! What a flight decides about its messages, without a broker.

use bytes::Bytes;
use lapin::BasicProperties;
use lapin::protocol::AMQPError;
use sluicebox_core::ErrorClass;

use super::*;

fn entry(index: usize, key: &str, state: State) -> Entry {
    let properties = BasicProperties::default().with_message_id(format!("id-{index}").into());
    let body = Bytes::from(vec![b' '; 10 + index]);
    let message = Message { routing_key: "r".into(), properties, body, key: key.into() };
    Entry { index, message, state }
}

fn flight(entries: Vec<Entry>) -> Flight {
    Flight { settled: entries.len(), entries, returned: Vec::new() }
}

fn returned(index: usize) -> Returned {
    Returned { id: format!("id-{index}"), routing_key: "r".to_owned(), text: "312 NO_ROUTE".to_owned() }
}

fn reply(code: u16, text: &str) -> lapin::Error {
    ErrorKind::ProtocolError(AMQPError::from_id(code, text.into()).unwrap()).into()
}

fn indices(verdict: Result<Vec<Rejected>>) -> Vec<(usize, ErrorClass)> {
    verdict.unwrap().into_iter().map(|rejected| (rejected.index, rejected.error.class())).collect()
}

#[test]
fn a_refused_message_holds_back_the_later_ones_of_its_key() {
    let flight = flight(vec![
        entry(0, "a", State::Confirmed),
        entry(1, "a", State::Refused),
        entry(2, "b", State::Confirmed),
        entry(3, "a", State::Confirmed),
    ]);
    let transient = ErrorClass::Transient;
    assert_eq!(indices(flight.verdict("e", true)), [(1, transient), (3, transient)]);
    let written: Vec<_> =
        flight.into_written("e", true).iter().map(|message| message.id().to_owned()).collect();
    assert_eq!(written, ["id-0", "id-2"]);
}

#[test]
fn a_returned_message_is_a_dead_letter_where_the_way_depends_on_the_event() {
    let mut flight = flight(vec![entry(0, "a", State::Confirmed), entry(1, "a", State::Confirmed)]);
    // The client library may hand the returned message to another confirmation: the id decides.
    flight.returned.push(returned(0));
    assert_eq!(indices(flight.verdict("e", true)), [(0, ErrorClass::Permanent)]);
    let error = flight.verdict("e", false).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Config);
    assert!(error.to_string().contains("312 NO_ROUTE"), "{error}");
}

#[test]
fn what_was_lost_with_the_connection_is_sent_again() {
    let lost = || State::Lost(reply(320, "CONNECTION_FORCED"));
    let some = flight(vec![entry(0, "a", State::Confirmed), entry(1, "a", lost()), entry(2, "b", lost())]);
    assert!(some.has_losses());
    assert_eq!(indices(some.verdict("e", true)).len(), 2);
    let all = flight(vec![entry(0, "a", lost()), entry(1, "b", lost())]);
    assert_eq!(all.verdict("e", true).unwrap_err().class(), ErrorClass::Transient);
}

#[test]
fn a_missing_exchange_pauses_and_writes_nothing_off() {
    let gone = State::Lost(reply(404, "NOT_FOUND - no exchange 'e' in vhost '/'"));
    let error = flight(vec![entry(0, "a", State::Confirmed), entry(1, "a", gone)]).verdict("e", true);
    assert_eq!(error.unwrap_err().class(), ErrorClass::Config);
}

#[test]
fn a_message_that_is_too_large_is_found_by_its_size() {
    let text = "PRECONDITION_FAILED - message size 11 is larger than max size 10";
    let lost = || State::Lost(reply(406, text));
    let one = flight(vec![entry(0, "a", lost()), entry(1, "a", lost()), entry(2, "b", lost())]);
    let verdict = one.verdict("e", true).unwrap();
    let reasons: Vec<_> = verdict.iter().map(|rejected| rejected.error.reason()).collect();
    assert_eq!(reasons, ["transient", "too_large", "transient"]);
    let unknown = flight(vec![entry(5, "a", lost())]);
    let error = unknown.verdict("e", true).unwrap_err();
    assert_eq!((error.class(), error.reason()), (ErrorClass::Permanent, "too_large"));
}
