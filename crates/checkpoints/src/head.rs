//! The one row that vouches for all others: generation, epoch, and how many records there are with which sum.
//!
//! A checksum beside a record cannot tell that a record is gone. Invariant: after every commit the head's counts and
//! sums are those of the tables, so a row that vanished, stayed behind or was read twice is noticed.

use rusqlite::{Connection, OptionalExtension, params};

use crate::checksum::Checksum;
use crate::fault::Fault;

/// What the state as a whole must add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// The highest ownership epoch.
    pub(crate) epoch: u64,
    /// +1 for every commit.
    pub(crate) generation: u64,
    /// Partitions, sinks, positions and what transforms remember.
    pub(crate) records: Tally,
    /// Dead letters.
    pub(crate) letters: Tally,
    /// How many dead letters there ever were: their numbers are never used again.
    pub(crate) letters_made: u64,
}

/// A count of records with the sum of their checksums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// How many.
    pub(crate) count: u64,
    /// The sum of their checksums, wrapping.
    pub(crate) sum: u64,
}

impl Tally {
    /// Counts a record.
    pub(crate) fn add(&mut self, crc: u32) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(u64::from(crc));
    }

    /// Takes a record out that was counted before.
    pub(crate) fn remove(&mut self, crc: u32) {
        self.count = self.count.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(u64::from(crc));
    }
}

impl Head {
    fn crc(&self) -> u32 {
        let Self { epoch, generation, records, letters, letters_made } = self;
        [*epoch, *generation, records.count, records.sum, letters.count, letters.sum, *letters_made]
            .into_iter()
            .fold(Checksum::of("head"), Checksum::number)
            .finish()
    }

    /// Reads the head and checks it against itself.
    pub(crate) fn read(connection: &Connection) -> Result<Self, Fault> {
        let mut statement = connection.prepare_cached(
            "SELECT epoch, generation, records, records_sum, letters, letters_sum, letters_made, crc \
             FROM head WHERE id = 1",
        )?;
        let row = statement.query_row([], |row| {
            let number = |index| row.get::<_, i64>(index).map(i64::cast_unsigned);
            let head = Self {
                epoch: number(0)?,
                generation: number(1)?,
                records: Tally { count: number(2)?, sum: number(3)? },
                letters: Tally { count: number(4)?, sum: number(5)? },
                letters_made: number(6)?,
            };
            Ok((head, number(7)?))
        });
        match row.optional()? {
            Some((head, crc)) if u64::from(head.crc()) == crc => Ok(head),
            Some(_) => Err(Fault::Broken("the head record does not match its checksum".to_owned())),
            None => Err(Fault::Broken("the head record is missing".to_owned())),
        }
    }

    /// Replaces the head.
    pub(crate) fn write(&self, connection: &Connection) -> Result<(), Fault> {
        let mut statement = connection
            .prepare_cached("INSERT OR REPLACE INTO head VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
        statement.execute(params![
            self.epoch.cast_signed(),
            self.generation.cast_signed(),
            self.records.count.cast_signed(),
            self.records.sum.cast_signed(),
            self.letters.count.cast_signed(),
            self.letters.sum.cast_signed(),
            self.letters_made.cast_signed(),
            self.crc(),
        ])?;
        Ok(())
    }
}
