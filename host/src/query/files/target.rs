//! Where rows are written to.

use std::fmt;
use std::fs::Permissions;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::NamedTempFile;

use super::FileError;

/// Where rows are written to: a file, or anything that takes bytes.
///
/// ```
/// use roost::query::FileTarget;
///
/// let file = FileTarget::path("spans.parquet").on_progress(|rows| eprint!("\r{rows} spans"));
/// let pipe = FileTarget::writer(std::io::stdout());
/// ```
pub struct FileTarget {
    place: Place,
    pub(super) progress: Option<Arc<dyn Fn(u64) + Send + Sync>>,
}

enum Place {
    Path(PathBuf),
    Writer(Box<dyn Write + Send>),
}

impl FileTarget {
    /// A file. It is written beside its place under a temporary name and takes its place when it
    /// is whole; what was there before is replaced then. A failure leaves nothing.
    pub fn path(path: impl Into<PathBuf>) -> Self {
        Self {
            place: Place::Path(path.into()),
            progress: None,
        }
    }

    /// Anything that takes bytes, such as a pipe. It may block: it is written to on a thread of its
    /// own.
    pub fn writer(writer: impl Write + Send + 'static) -> Self {
        Self {
            place: Place::Writer(Box::new(writer)),
            progress: None,
        }
    }

    /// Be told how many rows were taken, now and then.
    #[must_use]
    pub fn on_progress(mut self, progress: impl Fn(u64) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }

    pub(super) fn open(self) -> Result<Output, FileError> {
        match self.place {
            Place::Path(path) => {
                let file = path.display().to_string();
                let folder = match path.parent() {
                    Some(folder) if !folder.as_os_str().is_empty() => folder,
                    _ => Path::new("."),
                };
                let temporary = temporary(folder).map_err(|why| FileError::io(&file, why))?;
                let sink = Sink::File(temporary, path);
                Ok(Output::new(file, sink))
            }
            Place::Writer(writer) => Ok(Output::new("the output".to_owned(), Sink::Writer(writer))),
        }
    }
}

impl From<&Path> for FileTarget {
    fn from(path: &Path) -> Self {
        Self::path(path)
    }
}

impl From<PathBuf> for FileTarget {
    fn from(path: PathBuf) -> Self {
        Self::path(path)
    }
}

impl fmt::Debug for FileTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Path(path) => f.debug_tuple("FileTarget").field(path).finish(),
            Place::Writer(_) => f.write_str("FileTarget(..)"),
        }
    }
}

/// With the permissions that any new file gets.
#[cfg(unix)]
fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    use std::os::unix::fs::PermissionsExt;
    tempfile::Builder::new()
        .prefix(".roost-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
}

#[cfg(not(unix))]
fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(".roost-")
        .tempfile_in(folder)
}

/// What is being written, and how much of it.
pub(super) struct Output {
    pub(super) file: String,
    pub(super) bytes: u64,
    sink: BufWriter<Sink>,
}

enum Sink {
    /// A temporary file and the place it is to take.
    File(NamedTempFile, PathBuf),
    Writer(Box<dyn Write + Send>),
}

impl Output {
    fn new(file: String, sink: Sink) -> Self {
        Self {
            file,
            bytes: 0,
            sink: BufWriter::with_capacity(64 << 10, sink),
        }
    }

    /// Let what was written take its place; how many bytes that are.
    pub(super) fn commit(self) -> Result<u64, FileError> {
        let Self { file, bytes, sink } = self;
        let done = sink
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .and_then(|sink| match sink {
                Sink::File(temporary, path) => temporary
                    .persist(path)
                    .map(drop)
                    .map_err(|failed| failed.error),
                Sink::Writer(mut writer) => writer.flush(),
            });
        done.map(|()| bytes)
            .map_err(|why| FileError::io(&file, why))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.sink.write(bytes)?;
        self.bytes += u64::try_from(written).unwrap_or(u64::MAX);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file, _) => file.write(bytes),
            Self::Writer(writer) => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file, _) => file.flush(),
            Self::Writer(writer) => writer.flush(),
        }
    }
}
