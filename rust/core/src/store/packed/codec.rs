//! Compresses the records of packs, each for itself, with a dictionary that they share.

use std::io;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

use super::LARGEST;

/// The size of a trained dictionary, in bytes.
const DICTIONARY: usize = 16 << 10;

/// The smallest number of samples for which a dictionary pays.
const FEWEST: usize = 64;

/// The compression level: records are so small that a higher one gains nothing.
const LEVEL: i32 = 1;

/// The first bytes of every frame, which records leave out.
const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();

/// The maximum length in bytes of a payload that is not compressed: an entry with time and MAC.
const CAPACITY: usize = LARGEST + 64;

/// Trains a dictionary with samples. Returns an empty one if that is not worth it.
pub(super) fn train(samples: &[Vec<u8>]) -> Vec<u8> {
    if samples.len() < FEWEST {
        return Vec::new();
    }
    // Training fails if the samples have nothing in common.
    zstd::dict::from_samples(samples, DICTIONARY).unwrap_or_default()
}

/// Compresses payloads.
pub(super) struct Encoder {
    compressor: Compressor<'static>,
    frame: Vec<u8>,
}

impl Encoder {
    pub(super) fn new(dictionary: &[u8]) -> io::Result<Self> {
        let mut compressor = Compressor::with_dictionary(LEVEL, dictionary)?;
        // The record has a sum and the pack has one dictionary.
        for parameter in
            [CParameter::ContentSizeFlag(false), CParameter::DictIdFlag(false), CParameter::ChecksumFlag(false)]
        {
            compressor.set_parameter(parameter)?;
        }
        Ok(Self { compressor, frame: Vec::new() })
    }

    /// Compresses a payload; none if that would not make it shorter.
    pub(super) fn encode(&mut self, payload: &[u8]) -> io::Result<Option<&[u8]>> {
        self.frame.clear();
        self.frame.reserve(zstd::zstd_safe::compress_bound(payload.len()));
        self.compressor.compress_to_buffer(payload, &mut self.frame)?;
        Ok(self.frame.strip_prefix(&MAGIC).filter(|frame| frame.len() < payload.len()))
    }
}

/// Decompresses payloads.
pub(super) struct Decoder {
    decompressor: Decompressor<'static>,
    frame: Vec<u8>,
}

impl Decoder {
    pub(super) fn new(dictionary: &[u8]) -> io::Result<Self> {
        Ok(Self { decompressor: Decompressor::with_dictionary(dictionary)?, frame: Vec::new() })
    }

    /// Decompresses a payload into a buffer. Returns false if it is damaged or too long.
    pub(super) fn decode(&mut self, payload: &[u8], buffer: &mut Vec<u8>) -> bool {
        self.frame.clear();
        self.frame.extend(MAGIC);
        self.frame.extend_from_slice(payload);
        buffer.clear();
        buffer.reserve(CAPACITY);
        self.decompressor.decompress_to_buffer(&self.frame, buffer).is_ok() && buffer.len() <= CAPACITY
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Decoder(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(number: usize) -> Vec<u8> {
        format!("{{'learning_rate': {}, 'depth': {}, 'score': {number}}}", number * 7 % 31, number % 5).into_bytes()
    }

    #[test]
    fn payloads_are_decompressed_as_they_were() {
        let samples: Vec<_> = (0..1000).map(sample).collect();
        for dictionary in [train(&samples), train(&samples[..3])] {
            let (mut encoder, mut decoder) = (Encoder::new(&dictionary).unwrap(), Decoder::new(&dictionary).unwrap());
            let mut buffer = Vec::new();
            let long = sample(1).repeat(1000);
            for payload in samples.iter().take(100).chain([&long]) {
                let Some(frame) = encoder.encode(payload).unwrap() else { continue };
                assert!(decoder.decode(frame, &mut buffer));
                assert_eq!(&buffer, payload);
            }
        }
        let dictionary = train(&samples);
        assert!(!dictionary.is_empty());
        let frame = Encoder::new(&dictionary).unwrap().encode(&samples[5]).unwrap().unwrap().to_vec();
        assert!(frame.len() * 2 < samples[5].len());
        // Another dictionary, or none, gives another payload, whose sum is wrong, or none.
        let mut buffer = Vec::new();
        assert!(!Decoder::new(&[]).unwrap().decode(&frame, &mut buffer) || buffer != samples[5]);
    }

    #[test]
    fn an_incompressible_or_oversized_payload_is_refused() {
        let random: Vec<u8> = blake3::hash(b"random").as_bytes().to_vec();
        assert!(Encoder::new(&[]).unwrap().encode(&random).unwrap().is_none());
        let bomb = vec![0; CAPACITY * 2];
        let frame = Encoder::new(&[]).unwrap().encode(&bomb).unwrap().unwrap().to_vec();
        assert!(!Decoder::new(&[]).unwrap().decode(&frame, &mut Vec::new()));
    }
}
