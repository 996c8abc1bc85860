//! What PostgreSQL says, as guests are told.

use tokio_postgres::error::SqlState;

use crate::plugin::database::bindings::DatabaseError;

/// What the server said, without the statement or the address.
pub(super) fn said(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(said) => said.message().to_owned(),
        None => std::error::Error::source(error)
            .map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}")),
    }
}

impl From<tokio_postgres::Error> for DatabaseError {
    fn from(error: tokio_postgres::Error) -> Self {
        let why = said(&error);
        let Some(state) = error.code() else {
            return match error.is_closed() || error.to_string().contains("communicating") {
                true => Self::Unavailable(why),
                false => Self::Statement(why),
            };
        };
        match (state, state.code().get(..2).unwrap_or_default()) {
            (&SqlState::DISK_FULL | &SqlState::OUT_OF_MEMORY, _) => Self::Full(why),
            (&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED, _)
            | (&SqlState::LOCK_NOT_AVAILABLE, _) => Self::Busy(why),
            (&SqlState::QUERY_CANCELED, _) => Self::late(),
            (_, "23") => Self::Constraint(why),
            (_, "XX") => Self::Corrupt(why),
            (_, "08" | "53" | "57" | "58") => Self::Unavailable(why),
            _ => Self::Statement(why),
        }
    }
}
