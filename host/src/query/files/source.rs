//! Where rows are read from.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use arrow::error::ArrowError;

use super::FileError;

/// Where rows are read from: a file, or anything that gives bytes.
pub struct FileSource {
    place: Place,
}

enum Place {
    Path(PathBuf),
    Reader(Box<dyn Read + Send>),
}

impl FileSource {
    /// A file.
    pub fn path(path: impl Into<PathBuf>) -> Self {
        let place = Place::Path(path.into());
        Self { place }
    }

    /// Anything that gives bytes, such as a pipe. It may block: it is read on a thread of its own.
    /// Parquet and CSV go through a temporary file, of at most 16 GiB.
    pub fn reader(reader: impl Read + Send + 'static) -> Self {
        let place = Place::Reader(Box::new(reader));
        Self { place }
    }

    pub(super) fn name(&self) -> String {
        match &self.place {
            Place::Path(path) => path.display().to_string(),
            Place::Reader(_) => "the input".to_owned(),
        }
    }

    /// A file, since some formats are read from both ends. What is none, such as a pipe, goes
    /// through a temporary one of at most `limit` bytes.
    pub(super) fn file(self, limit: u64) -> Result<File, Stop> {
        let reader: Box<dyn Read> = match self.place {
            Place::Path(path) => {
                let file = File::open(path)?;
                if file.metadata()?.is_file() {
                    return Ok(file);
                }
                Box::new(file)
            }
            Place::Reader(reader) => reader,
        };
        let mut file = tempfile::tempfile()?;
        let copied = io::copy(&mut reader.take(limit.saturating_add(1)), &mut file)?;
        if copied > limit {
            return Err(too_large(limit));
        }
        file.rewind()?;
        Ok(file)
    }

    /// [`file`](Self::file) of at most `limit` bytes, also where it need not be copied.
    pub(super) fn small_file(self, limit: u64) -> Result<File, Stop> {
        let file = self.file(limit)?;
        if file.metadata()?.len() > limit {
            return Err(too_large(limit));
        }
        Ok(file)
    }

    pub(super) fn stream(self) -> io::Result<Box<dyn Read + Send>> {
        match self.place {
            Place::Path(path) => Ok(Box::new(File::open(path)?)),
            Place::Reader(reader) => Ok(reader),
        }
    }
}

fn too_large(limit: u64) -> Stop {
    Stop::Content(format!(
        "it has more than {limit} bytes, which is the most that is read of it"
    ))
}

impl From<&Path> for FileSource {
    fn from(path: &Path) -> Self {
        Self::path(path)
    }
}

impl From<PathBuf> for FileSource {
    fn from(path: PathBuf) -> Self {
        Self::path(path)
    }
}

impl fmt::Debug for FileSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FileSource").field(&self.name()).finish()
    }
}

/// Why reading ended early.
pub(super) enum Stop {
    Io(io::Error),
    Content(String),
}

impl Stop {
    pub(super) fn error(self, file: &str) -> FileError {
        match self {
            Self::Io(why) => FileError::io(file, why),
            Self::Content(why) => FileError::content(file, why),
        }
    }
}

impl From<io::Error> for Stop {
    fn from(why: io::Error) -> Self {
        Self::Io(why)
    }
}

impl From<String> for Stop {
    fn from(why: String) -> Self {
        Self::Content(why)
    }
}

impl From<ArrowError> for Stop {
    fn from(why: ArrowError) -> Self {
        Self::Content(why.to_string())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn why(outcome: Result<File, Stop>) -> String {
        match outcome {
            Ok(_) => "it was read".to_owned(),
            Err(why) => why.error("the input").to_string(),
        }
    }

    #[test]
    fn a_source_without_end_is_refused_at_its_limit() {
        let endless = || FileSource::reader(io::repeat(b'x'));
        assert!(why(endless().file(1000)).contains("more than 1000 bytes"));
        let whole = FileSource::reader(io::repeat(b'x').take(1000));
        let file = whole.file(1000).unwrap_or_else(|_| File::open("").unwrap());
        assert_eq!(file.metadata().unwrap().len(), 1000);
        #[cfg(unix)]
        {
            let device = FileSource::path("/dev/zero");
            assert!(why(device.file(1000)).contains("more than 1000 bytes"));
        }
    }

    #[test]
    fn only_a_frame_bounds_a_file_that_is_there() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1001).unwrap();
        let source = || FileSource::path(file.path());
        assert_eq!(why(source().file(1000)), "it was read");
        assert!(why(source().small_file(1000)).contains("more than 1000 bytes"));
        assert_eq!(why(source().small_file(1001)), "it was read");
    }
}
