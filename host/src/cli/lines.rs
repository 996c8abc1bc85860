//! Lines of a file or of standard input, as they come.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context as _, bail};
use tokio::sync::mpsc;

/// The longest line, in bytes.
const MAX_LINE: u64 = 64 << 20;

/// How many lines may wait for whoever takes them.
const WAITING: usize = 16;

/// A line with its number, from 1.
pub(super) type Line = (u64, String);

/// The lines of the file at `path`, or of standard input where that is `-`. They are read in a thread of their own, only as fast as they are taken.
///
/// # Errors
///
/// When the file cannot be opened; later ones come through the channel.
pub(super) fn read(path: &Path) -> anyhow::Result<mpsc::Receiver<anyhow::Result<Line>>> {
    let source: Box<dyn Read + Send> = if is_standard(path) {
        Box::new(io::stdin())
    } else {
        let file = File::open(path);
        Box::new(file.with_context(|| format!("{} cannot be read", path.display()))?)
    };
    let (sender, receiver) = mpsc::channel(WAITING);
    std::thread::spawn(move || {
        let mut source = BufReader::new(source);
        for number in 1.. {
            let line = next(&mut source, number);
            let ended = !matches!(line, Ok(Some(_)));
            // Nobody takes lines any more, or there are no more.
            let Some(line) = line.transpose() else { return };
            if sender.blocking_send(line).is_err() || ended {
                return;
            }
        }
    });
    Ok(receiver)
}

/// Whether a path stands for standard input or output.
pub(super) fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn next(source: &mut impl BufRead, number: u64) -> anyhow::Result<Option<Line>> {
    let mut line = Vec::new();
    let read = source.take(MAX_LINE + 1).read_until(b'\n', &mut line);
    let read = read.with_context(|| format!("line {number} cannot be read"))?;
    if read == 0 {
        return Ok(None);
    }
    if line.len() as u64 > MAX_LINE {
        bail!("line {number} is longer than {} MiB", MAX_LINE >> 20);
    }
    let text = String::from_utf8(line).with_context(|| format!("line {number} is no UTF-8"))?;
    Ok(Some((number, text)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn lines_have_their_numbers_and_what_is_no_text_is_named() {
        let mut source: &[u8] = b"a\nb";
        assert_eq!(next(&mut source, 1).unwrap(), Some((1, "a\n".to_owned())));
        assert_eq!(next(&mut source, 2).unwrap(), Some((2, "b".to_owned())));
        assert_eq!(next(&mut source, 3).unwrap(), None);
        let mut source: &[u8] = b"\xff\n";
        let error = next(&mut source, 7).unwrap_err();
        assert!(error.to_string().contains("line 7"), "{error}");
    }
}
