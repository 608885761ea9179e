//! Dead letters in the state file: at most one for a component and an event, each with a short id that sorts by time.
//!
//! An event is known by its source, account and `meta.id`: two sources may read feeds that number their events alike.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize, Serializer};
use sluicebox_core::{DeadLetter, LetterKey, LetterPage, Meta, Reason, Timestamp};

use crate::checksum::Checksum;
use crate::fault::Fault;
use crate::head::{Head, Tally};

/// A dead letter as it lies in the state of a pipeline.
///
/// Serialises as [`sluicebox_core::NamedDeadLetter`] does.
#[derive(Clone, Debug)]
pub struct StoredDeadLetter {
    /// Short, unique within the pipeline, sorts by time: `01k3x7q2m0-0017`.
    pub id: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The letter itself.
    pub letter: DeadLetter,
}

impl Serialize for StoredDeadLetter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.letter.named(&self.id, &self.pipeline).serialize(serializer)
    }
}

/// Adds a letter unless the component has one for that event; a letter that was replayed and failed again takes the
/// place of the earlier one, under a new id.
pub(crate) fn add(connection: &Connection, head: &mut Head, letter: &DeadLetter) -> Result<(), Fault> {
    let key = letter.key();
    if letter.meta.replay.is_some() {
        take_back(connection, head, &key)?;
    }
    let row = Texts::of(letter)?;
    let seq = head.letters_made + 1;
    let crc = row.crc(seq, letter);
    let sql = "INSERT INTO dead_letters VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
               ON CONFLICT (component, event_id) DO NOTHING";
    let added = connection.prepare_cached(sql)?.execute(params![
        seq.cast_signed(),
        crc,
        letter.time.as_millis(),
        letter.component.as_str(),
        event_id(&key),
        letter.reason.as_str(),
        letter.attempts,
        row.error,
        row.meta,
        letter.event.as_ref(),
    ])?;
    if added == 1 {
        head.letters.add(crc);
        head.letters_made = seq;
    }
    Ok(())
}

/// What stands for an event in the column `event_id`.
fn event_id(LetterKey { source, account, id, .. }: &LetterKey) -> String {
    format!("{source}/{account}/{id}")
}

/// Forgets a component's letter for an event, if it has one.
pub(crate) fn take_back(connection: &Connection, head: &mut Head, key: &LetterKey) -> Result<(), Fault> {
    let sql = "SELECT seq FROM dead_letters WHERE component = ?1 AND event_id = ?2";
    let same = params![key.component.as_str(), event_id(key)];
    let seq = connection.prepare_cached(sql)?.query_row(same, |row| row.get::<_, i64>(0)).optional()?;
    seq.map_or(Ok(()), |seq| remove_row(connection, head, seq))
}

/// Forgets a letter; `false` if there is none with this id.
pub(crate) fn remove(connection: &Connection, head: &mut Head, id: &str) -> Result<bool, Fault> {
    // The pipeline's name only decorates what is read.
    match find(connection, "", id)? {
        Some(_) => remove_row(connection, head, seq_of(id).unwrap_or_default().cast_signed()).map(|()| true),
        None => Ok(false),
    }
}

fn remove_row(connection: &Connection, head: &mut Head, seq: i64) -> Result<(), Fault> {
    let sql = "DELETE FROM dead_letters WHERE seq = ?1 RETURNING crc";
    let crc = connection.prepare_cached(sql)?.query_row([seq], |row| row.get::<_, u32>(0))?;
    head.letters.remove(crc);
    Ok(())
}

fn seq_of(id: &str) -> Option<u64> {
    id.rsplit_once('-').and_then(|(_, seq)| from_base32(seq))
}

/// Compares the letters with the head by count and stored checksums, without reading the events themselves.
pub(crate) fn check(connection: &Connection, head: &Head) -> Result<(), Fault> {
    let mut tally = Tally::default();
    let mut statement = connection.prepare("SELECT crc FROM dead_letters")?;
    for crc in statement.query_map([], |row| row.get(0))? {
        tally.add(crc?);
    }
    if tally == head.letters {
        return Ok(());
    }
    Err(Fault::Broken("the dead letters do not add up to what the head record says".to_owned()))
}

/// Visits every letter, oldest first.
pub(crate) fn each(
    connection: &Connection,
    pipeline: &str,
    visit: &mut dyn FnMut(StoredDeadLetter),
) -> Result<(), Fault> {
    let mut statement = connection.prepare("SELECT * FROM dead_letters ORDER BY seq")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        visit(read(row, pipeline)?);
    }
    Ok(())
}

/// Letters of pages that the position of their partition has not passed, unless that position was moved by hand since.
pub(crate) fn open(connection: &Connection) -> Result<Vec<(LetterKey, LetterPage)>, Fault> {
    let mut statement = connection.prepare(
        "SELECT component, meta FROM dead_letters LEFT JOIN partitions \
         ON source = meta ->> '$.page.source' AND account = meta ->> '$.page.partition' \
         WHERE meta ->> '$.page.safe_seq' > COALESCE(safe_seq, 0) \
         AND meta ->> '$.page.epoch' >= COALESCE(floor_epoch, 0) ORDER BY seq",
    )?;
    let mut rows = statement.query([])?;
    let mut open = Vec::new();
    while let Some(row) = rows.next()? {
        let (component, text): (String, String) = (row.get(0)?, row.get(1)?);
        let broken = |_| Fault::Broken("the envelope of a dead letter is damaged".to_owned());
        let meta: Meta = serde_json::from_str(&text).map_err(broken)?;
        let Paged { page } = serde_json::from_str(&text).map_err(broken)?;
        open.extend(page.map(|page| (LetterKey::new(&component, &meta), page)));
    }
    Ok(open)
}

/// The letter with this id.
pub(crate) fn find(
    connection: &Connection,
    pipeline: &str,
    id: &str,
) -> Result<Option<StoredDeadLetter>, Fault> {
    let Some(seq) = seq_of(id) else { return Ok(None) };
    let mut statement = connection.prepare("SELECT * FROM dead_letters WHERE seq = ?1")?;
    let mut rows = statement.query([seq.cast_signed()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(read(row, pipeline)?).filter(|letter| letter.id == id))
}

fn read(row: &Row<'_>, pipeline: &str) -> Result<StoredDeadLetter, Fault> {
    let seq = row.get::<_, i64>(0)?.cast_unsigned();
    let broken = || Fault::Broken(format!("dead letter {seq} does not match its checksum"));
    let texts = Texts { error: row.get(7)?, meta: row.get(8)? };
    let reason: String = row.get(5)?;
    let letter = DeadLetter {
        time: Timestamp::from_millis(row.get(2)?),
        component: row.get::<_, String>(3)?.into(),
        reason: Reason::ALL.into_iter().find(|known| known.as_str() == reason).ok_or_else(broken)?,
        error: serde_json::from_str(&texts.error).map_err(|_| broken())?,
        attempts: row.get(6)?,
        meta: serde_json::from_str(&texts.meta).map_err(|_| broken())?,
        event: Bytes::from(row.get::<_, Vec<u8>>(9)?),
        page: serde_json::from_str::<Paged>(&texts.meta).map_err(|_| broken())?.page,
    };
    if texts.crc(seq, &letter) != row.get::<_, u32>(1)? {
        return Err(broken());
    }
    Ok(StoredDeadLetter { id: id(letter.time, seq), pipeline: pipeline.to_owned(), letter })
}

/// The parts of a letter that are stored as JSON text.
struct Texts {
    error: String,
    /// The envelope, and beside its fields the page.
    meta: String,
}

/// What is written into the column `meta`.
#[derive(Serialize)]
struct Envelope<'l> {
    #[serde(flatten)]
    meta: &'l Meta,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: &'l Option<LetterPage>,
}

/// The part of the column `meta` that is not the envelope.
#[derive(Deserialize)]
struct Paged {
    page: Option<LetterPage>,
}

impl Texts {
    fn of(letter: &DeadLetter) -> Result<Self, Fault> {
        let text = |value: serde_json::Result<String>| {
            value.map_err(|error| Fault::Broken(format!("a dead letter cannot be written as JSON: {error}")))
        };
        Ok(Self {
            error: text(serde_json::to_string(&letter.error))?,
            meta: text(serde_json::to_string(&Envelope { meta: &letter.meta, page: &letter.page }))?,
        })
    }

    fn crc(&self, seq: u64, letter: &DeadLetter) -> u32 {
        Checksum::of("dead letter")
            .number(seq)
            .number(letter.time.as_millis().cast_unsigned())
            .text(&letter.component)
            .text(&letter.meta.id)
            .text(letter.reason.as_str())
            .number(u64::from(letter.attempts))
            .text(&self.error)
            .text(&self.meta)
            .bytes(&letter.event)
            .finish()
    }
}

/// Time, then number: unique by the number, sorted by the time.
fn id(time: Timestamp, seq: u64) -> String {
    let millis = u64::try_from(time.as_millis()).unwrap_or(0);
    format!("{}-{}", to_base32(millis, 9), to_base32(seq, 4))
}

/// Crockford's digits: they sort as the numbers do and leave out the letters that read like digits.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

fn to_base32(mut number: u64, width: usize) -> String {
    let mut digits = Vec::new();
    while number > 0 || digits.len() < width {
        digits.push(char::from(DIGITS[(number % 32) as usize]));
        number /= 32;
    }
    digits.iter().rev().collect()
}

fn from_base32(text: &str) -> Option<u64> {
    text.bytes().try_fold(0_u64, |number, byte| {
        let digit = DIGITS.iter().position(|digit| *digit == byte)? as u64;
        number.checked_mul(32)?.checked_add(digit)
    })
}
