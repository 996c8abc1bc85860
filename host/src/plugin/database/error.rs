//! What both databases say in the same words.

use super::bindings::DatabaseError;

impl DatabaseError {
    /// Of what ran until its call had to end.
    pub(super) fn late() -> Self {
        Self::Statement("it ran until the call's deadline".to_owned())
    }

    /// The same, of one statement of several, and of one list of its parameters. Both are counted
    /// from 0 here, and from 1 in the message.
    pub(super) fn at(mut self, statement: usize, row: Option<usize>) -> Self {
        let (Self::Statement(why)
        | Self::Constraint(why)
        | Self::Busy(why)
        | Self::Full(why)
        | Self::TooLarge(why)
        | Self::Unavailable(why)
        | Self::Corrupt(why)) = &mut self;
        let place = match row {
            Some(row) => format!("statement {}, parameters {}: ", statement + 1, row + 1),
            None => format!("statement {}: ", statement + 1),
        };
        why.insert_str(0, &place);
        self
    }
}
