//! What SQLite says, as guests are told.

use rusqlite::ErrorCode;

use crate::plugin::database::bindings::DatabaseError;

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> Self {
        Self::from_sqlite(&error)
    }
}

impl DatabaseError {
    pub(super) fn from_sqlite(error: &rusqlite::Error) -> Self {
        let why = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation) => Self::Constraint(why),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy(why),
            Some(ErrorCode::DiskFull) => Self::Full(format!(
                "{why}: the disk is full, or the database has all of `max_bytes` under [database]"
            )),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt(why),
            Some(
                ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::ReadOnly
                | ErrorCode::SystemIoFailure
                | ErrorCode::FileLockingProtocolFailed,
            ) => Self::Unavailable(why),
            Some(ErrorCode::TooBig) => Self::TooLarge(why),
            Some(ErrorCode::OperationInterrupted) => Self::late(),
            _ => Self::Statement(why),
        }
    }
}
