//! Bytes in frames: each batch is a gzip member or a zstd frame of its own, so a file is readable up to every commit.
//!
//! Invariant: concatenated frames are one valid file for every tool (RFC 1952 section 2.2, RFC 8878 section 3.1), and
//! where a frame ends can be found without unpacking those before it. A gzip member says nothing of its length, so ours
//! carry it in an extra field (RFC 1952 section 2.3.1.1), which readers skip.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::FileExt;

use schemars::JsonSchema;
use serde::Deserialize;
use zstd::zstd_safe::CParameter;

/// How files are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip; the path ends in `.gz`.
    Gzip,
    /// Zstandard; the path ends in `.zst`.
    Zstd,
}

/// What begins where a frame should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A frame with so many bytes.
    Whole(u64),
    /// A frame that the file has not all of, or that cannot be unpacked.
    Torn,
}

/// The extra field of our gzip members: two letters, its length, and the length of the whole member, little endian.
const EXTRA: [u8; 8] = [b'S', b'B', 4, 0, 0, 0, 0, 0];
/// A gzip header up to the length of the member: magic, deflate, "has an extra field", time, flags, system, XLEN, field.
const GZIP_HEAD_BYTES: usize = 10 + 2 + EXTRA.len();
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

impl Compression {
    /// What a path must end in, without the dot.
    pub(crate) fn suffix(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Gzip => Some("gz"),
            Self::Zstd => Some("zst"),
        }
    }

    /// The bytes as one frame.
    pub(crate) fn pack(self, bytes: &[u8]) -> io::Result<Cow<'_, [u8]>> {
        match self {
            Self::None => Ok(Cow::Borrowed(bytes)),
            Self::Gzip => gzip(bytes).map(Cow::Owned),
            Self::Zstd => {
                let mut compressor = zstd::bulk::Compressor::new(zstd::DEFAULT_COMPRESSION_LEVEL)?;
                compressor.set_parameter(CParameter::ChecksumFlag(true))?;
                compressor.compress(bytes).map(Cow::Owned)
            }
        }
    }

    /// The unpacked bytes of a file from `start` to `end`.
    pub(crate) fn unpack(self, file: &File, start: u64, end: u64) -> io::Result<Box<dyn Read + '_>> {
        let stretch = BufReader::with_capacity(64 << 10, Stretch { file, at: start, end });
        Ok(match self {
            Self::None => Box::new(stretch),
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(stretch)),
            Self::Zstd => Box::new(zstd::Decoder::with_buffer(stretch)?),
        })
    }

    /// The byte with which a frame begins; `None`: there are no frames.
    pub(crate) fn first_byte(self) -> Option<u8> {
        match self {
            Self::None => None,
            Self::Gzip => Some(GZIP_MAGIC[0]),
            Self::Zstd => Some(ZSTD_MAGIC[0]),
        }
    }

    /// The frame that begins at `start` of a file of `length` bytes; `None` if something else begins there.
    pub(crate) fn frame_at(self, file: &File, start: u64, length: u64) -> io::Result<Option<Frame>> {
        let stretch = Stretch { file, at: start, end: length };
        let found = match self {
            Self::None => Ok(Some(length - start)),
            Self::Gzip => gzip_frame(stretch),
            Self::Zstd => zstd_frame(stretch),
        };
        match found {
            Ok(Some(bytes)) if start + bytes > length => Ok(Some(Frame::Torn)),
            Ok(Some(bytes)) => Ok(Some(Frame::Whole(bytes))),
            Ok(None) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Some(Frame::Torn)),
            Err(error) => Err(error),
        }
    }

    /// Whether what lies from `start` to `end` can be unpacked and has the checksum that it says.
    pub(crate) fn is_sound(self, file: &File, start: u64, end: u64) -> bool {
        let unpacked =
            self.unpack(file, start, end).and_then(|mut read| io::copy(&mut read, &mut io::sink()));
        unpacked.is_ok()
    }
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let packed = Vec::with_capacity(GZIP_HEAD_BYTES + bytes.len() / 4);
    let level = flate2::Compression::default();
    let mut encoder = flate2::GzBuilder::new().extra(EXTRA).write(packed, level);
    encoder.write_all(bytes)?;
    let mut packed = encoder.finish()?;
    let length = u32::try_from(packed.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    packed[GZIP_HEAD_BYTES - 4..GZIP_HEAD_BYTES].copy_from_slice(&length.to_le_bytes());
    Ok(packed)
}

/// The length of the gzip member at the beginning of a stretch.
fn gzip_frame(mut stretch: Stretch<'_>) -> io::Result<Option<u64>> {
    let beginning = stretch.clone();
    let mut head = [0; GZIP_HEAD_BYTES];
    stretch.read_exact(&mut head[..2])?;
    if head[..2] != GZIP_MAGIC {
        return Ok(None);
    }
    stretch.read_exact(&mut head[2..])?;
    let has_only_extra = head[3] == 4 && head[10..12] == [8, 0] && head[12..16] == EXTRA[..4];
    if has_only_extra {
        let length = u32::from_le_bytes([head[16], head[17], head[18], head[19]]);
        let least = GZIP_HEAD_BYTES as u64 + 8;
        return Ok(Some(u64::from(length).max(least)));
    }
    // A member that another program has made: its end is where the unpacking ends.
    let start = beginning.at;
    let mut decoder = flate2::bufread::GzDecoder::new(BufReader::with_capacity(64 << 10, beginning));
    io::copy(&mut decoder, &mut io::sink())?;
    let rest = decoder.into_inner();
    Ok(Some(rest.get_ref().at - rest.buffer().len() as u64 - start))
}

/// The length of the zstd frame at the beginning of a stretch (RFC 8878 section 3.1.1).
fn zstd_frame(mut stretch: Stretch<'_>) -> io::Result<Option<u64>> {
    let start = stretch.at;
    let mut four = [0; 4];
    // A first byte that is wrong is wrong even if no three more follow it.
    stretch.read_exact(&mut four[..1])?;
    let is_skippable = four[0] & 0xf0 == 0x50;
    if four[0] != ZSTD_MAGIC[0] && !is_skippable {
        return Ok(None);
    }
    stretch.read_exact(&mut four[1..])?;
    if is_skippable && four[1..] == [0x2a, 0x4d, 0x18] {
        stretch.read_exact(&mut four)?;
        return Ok(Some(8 + u64::from(u32::from_le_bytes(four))));
    }
    if four != ZSTD_MAGIC {
        return Ok(None);
    }
    stretch.read_exact(&mut four[..1])?;
    let descriptor = four[0];
    let is_single_segment = descriptor & 0x20 != 0;
    let window = u64::from(!is_single_segment);
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let content = [u64::from(is_single_segment), 2, 4, 8][usize::from(descriptor >> 6)];
    stretch.at += window + dictionary + content;
    loop {
        stretch.read_exact(&mut four[..3])?;
        let block = u32::from_le_bytes([four[0], four[1], four[2], 0]);
        let is_run = (block >> 1) & 3 == 1;
        stretch.at += if is_run { 1 } else { u64::from(block >> 3) };
        if block & 1 == 1 {
            break;
        }
    }
    let checksum = if descriptor & 4 == 0 { 0 } else { 4 };
    Ok(Some(stretch.at + checksum - start))
}

/// A part of a file, read without moving the file's own offset.
#[derive(Clone)]
struct Stretch<'f> {
    file: &'f File,
    at: u64,
    end: u64,
}

impl Read for Stretch<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let read = self.file.read_at(&mut buffer[..wanted], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn frames_are_found_one_after_the_other_and_torn_ones_told() {
        for (compression, foreign) in [
            (Compression::Gzip, {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(b"foreign").unwrap();
                encoder.finish().unwrap()
            }),
            // Many blocks, no length, no checksum.
            (Compression::Zstd, zstd::encode_all(vec![7_u8; 400_000].as_slice(), 1).unwrap()),
        ] {
            let noise: Vec<u8> =
                (0..75_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
            let frames = [
                foreign,
                compression.pack(b"one").unwrap().into_owned(),
                compression.pack(&noise).unwrap().into_owned(),
            ];
            let all = frames.concat();
            let whole = file(&all);
            let mut at = 0;
            for frame in &frames {
                let found = compression.frame_at(&whole, at, all.len() as u64).unwrap();
                assert_eq!(found, Some(Frame::Whole(frame.len() as u64)), "{compression:?} at {at}");
                at += frame.len() as u64;
                assert!(compression.is_sound(&whole, 0, at), "readable up to every end");
            }
            let last = (all.len() - frames[2].len()) as u64;
            for cut in [1, 2, 3, 4, 11, 19, 100, frames[2].len() - 1] {
                let end = last + cut as u64;
                assert_eq!(compression.frame_at(&whole, last, end).unwrap(), Some(Frame::Torn), "{cut}");
                assert!(!compression.is_sound(&whole, last, end), "{cut}");
            }
            let mut rotten = all.clone();
            rotten[all.len() - 2] ^= 0xff;
            assert!(!compression.is_sound(&file(&rotten), last, all.len() as u64));
            assert_eq!(compression.frame_at(&file(b"{\"a\":1}\n"), 0, 8).unwrap(), None);
        }
    }
}
