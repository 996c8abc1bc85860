//! Where rows go: a file that is there when it is whole, or standard output.

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use tempfile::{NamedTempFile, TempPath};

use super::lines::is_standard;
use super::terminal::{Counter, OutputClosed};

/// What an error is about that writing ended with.
pub(super) const UNWRITTEN: &str = "the output cannot be written";

/// What is written to. Dropped before [`finish`](Self::finish), it leaves nothing behind.
pub(super) struct Destination {
    /// The file under the name it has meanwhile, and the name it is to have.
    pending: Option<(TempPath, PathBuf)>,
    closed: Closed,
    written: Counter,
}

/// Takes the bytes of a [`Destination`].
pub(super) struct Output {
    out: BufWriter<Box<dyn Write + Send>>,
    closed: Closed,
    written: Counter,
}

impl Destination {
    /// The file at `path`, or standard output for none and for `-`.
    pub(super) fn open(path: Option<&Path>) -> anyhow::Result<(Self, Output)> {
        let Some(path) = path.filter(|path| !is_standard(path)) else {
            return Ok(Self::new(Box::new(io::stdout()), None));
        };
        let what = || format!("{} cannot be written", path.display());
        // What is there and is no file, such as a pipe, cannot be put in place later.
        if fs::metadata(path).is_ok_and(|known| !known.is_file()) {
            let file = OpenOptions::new().write(true).open(path);
            return Ok(Self::new(Box::new(file.with_context(what)?), None));
        }
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let (file, name) = named(folder.unwrap_or(Path::new(".")))
            .with_context(what)?
            .into_parts();
        Ok(Self::new(Box::new(file), Some((name, path.to_owned()))))
    }

    fn new(out: Box<dyn Write + Send>, pending: Option<(TempPath, PathBuf)>) -> (Self, Output) {
        let (closed, written) = (Closed::default(), Counter::default());
        let destination = Self {
            pending,
            closed: closed.clone(),
            written: written.clone(),
        };
        let out = BufWriter::with_capacity(64 << 10, out);
        let output = Output {
            out,
            closed,
            written,
        };
        (destination, output)
    }

    /// What was written and flushed is all: give the file its name. Returned is how many bytes
    /// it has.
    pub(super) fn finish(self) -> anyhow::Result<u64> {
        if let Some((name, path)) = self.pending {
            let what = || format!("{} cannot be written", path.display());
            name.persist(&path).with_context(what)?;
        }
        Ok(self.written.get())
    }

    /// The error itself, or that whoever reads has stopped reading.
    pub(super) fn failed(&self, error: anyhow::Error) -> anyhow::Error {
        if self.closed.0.load(Ordering::Relaxed) {
            return OutputClosed.into();
        }
        error
    }
}

impl Output {
    fn noted<T>(&self, done: io::Result<T>) -> io::Result<T> {
        if matches!(&done, Err(error) if error.kind() == io::ErrorKind::BrokenPipe) {
            self.closed.0.store(true, Ordering::Relaxed);
        }
        done
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes);
        let written = self.noted(written)?;
        self.written.add(written);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.out.flush();
        self.noted(flushed)
    }
}

/// Tells an end of the reader from a failure, whatever the error comes to be wrapped in.
#[derive(Debug, Clone, Default)]
struct Closed(Arc<AtomicBool>);

/// Whether standard output is for people.
pub(super) fn is_terminal(path: Option<&Path>) -> bool {
    path.is_none_or(is_standard) && io::stdout().is_terminal()
}

fn named(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".roost-").suffix(".part");
    // As any other new file; the mask of the process applies.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        entries.map(|entry| name(entry.unwrap())).collect()
    }

    #[test]
    fn a_file_is_there_when_it_is_whole_and_never_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spans.csv");
        fs::write(&path, "old").unwrap();

        let (given_up, mut out) = Destination::open(Some(&path)).unwrap();
        out.write_all(b"half").unwrap();
        out.flush().unwrap();
        drop(given_up);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["spans.csv"]);

        let (whole, mut out) = Destination::open(Some(&path)).unwrap();
        out.write_all(b"new").unwrap();
        out.flush().unwrap();
        assert_eq!(whole.finish().unwrap(), 3);
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["spans.csv"]);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = Destination::open(Some(Path::new("/nowhere/at/all.csv")))
            .err()
            .unwrap();
        assert!(error.to_string().contains("/nowhere/at/all.csv"), "{error}");
    }
}
