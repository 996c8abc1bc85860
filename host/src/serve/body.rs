//! Bodies: read up to a limit, and decompressed up to the same one.

use std::io::Read;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;

use super::answer::{Refusal, RefusalKind};

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Zstd,
}

/// The memory a zstd stream may ask for, as a power of two: 8 MiB, which is what decoders have
/// to support.
const ZSTD_WINDOW_LOG: u32 = 23;

impl Compression {
    /// By the name that both protocols give it; none where there is none.
    pub(super) fn named(name: &str) -> Result<Option<Self>, Refusal> {
        match name.trim() {
            "" | "identity" => Ok(None),
            "gzip" => Ok(Some(Self::Gzip)),
            "zstd" => Ok(Some(Self::Zstd)),
            other => {
                let message = format!("encoding {other:?} is not known; use gzip or zstd");
                Err(Refusal::new(RefusalKind::Unsupported, message))
            }
        }
    }
}

/// A whole body.
pub(super) async fn read(body: Incoming, limit: usize) -> Result<Bytes, Refusal> {
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large(limit)),
        Err(error) => Err(Refusal::invalid(format!("the body broke off: {error}"))),
    }
}

/// What a compressed body holds. It takes as long as there is to read: not for async threads.
pub(super) fn decompress(
    compression: Compression,
    body: &[u8],
    limit: usize,
) -> Result<Bytes, Refusal> {
    match compression {
        Compression::Gzip => read_to_limit(flate2::read::MultiGzDecoder::new(body), limit),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::new(body).map_err(broken)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(broken)?;
            read_to_limit(decoder, limit)
        }
    }
}

fn read_to_limit(decoder: impl Read, limit: usize) -> Result<Bytes, Refusal> {
    let mut out = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    decoder.take(most).read_to_end(&mut out).map_err(broken)?;
    if out.len() > limit {
        return Err(too_large(limit));
    }
    Ok(out.into())
}

fn broken(error: std::io::Error) -> Refusal {
    Refusal::invalid(format!("the body cannot be decompressed: {error}"))
}

pub(super) fn too_large(limit: usize) -> Refusal {
    let message = format!(
        "the body is larger than {limit} bytes: send fewer spans at a time, or raise \
         serve.max_body_bytes"
    );
    Refusal::new(RefusalKind::TooLarge, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_body_of_exactly_the_limit_is_taken_and_a_byte_more_is_not() {
        for compression in [Compression::Gzip, Compression::Zstd] {
            let pack = |bytes: &[u8]| match compression {
                Compression::Gzip => gzip(bytes),
                Compression::Zstd => zstd::encode_all(bytes, 0).unwrap(),
            };
            let taken = decompress(compression, &pack(&[7; 1000]), 1000).unwrap();
            assert_eq!(taken, vec![7; 1000]);
            let refusal = decompress(compression, &pack(&[7; 1001]), 1000).unwrap_err();
            assert_eq!(refusal.kind, RefusalKind::TooLarge);
        }
    }

    #[test]
    fn half_a_body_and_rubbish_are_refused() {
        let whole = gzip(&[7; 1000]);
        for body in [whole.get(..whole.len() / 2).unwrap(), b"rubbish", b""] {
            for compression in [Compression::Gzip, Compression::Zstd] {
                let answer = decompress(compression, body, 10_000);
                assert!(
                    answer.as_ref().is_err() || body.is_empty(),
                    "{compression:?} {answer:?}"
                );
            }
        }
    }

    #[test]
    fn a_zstd_stream_cannot_ask_for_more_memory_than_allowed() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        encoder.write_all(&vec![7; 1 << 20]).unwrap();
        let body = encoder.finish().unwrap();
        let refusal = decompress(Compression::Zstd, &body, 16 << 20).unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::Invalid);
    }
}
