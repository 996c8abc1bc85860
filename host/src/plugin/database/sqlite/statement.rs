//! Statements of a guest: prepared, bound and run.

use std::sync::Arc;

use rusqlite::CachedStatement;

use super::Patience;
use super::open::Open;
use crate::plugin::database::bindings::{DatabaseError, RepeatedStatement, Rows, Statement, Value};
use crate::plugin::database::{Answer, Quota};

/// A statement, and the number in the name of each of its parameters.
struct Prepared<'c> {
    statement: CachedStatement<'c>,
    numbers: Arc<[usize]>,
}

impl<'c> Prepared<'c> {
    fn new(open: &'c mut Open, sql: &str) -> Answer<Self> {
        let (connection, known) = open.as_guest();
        let statement = connection.prepare_cached(sql)?;
        let numbers = match known.get(sql) {
            Some(numbers) => Arc::clone(numbers),
            None => {
                let numbers = numbers(&statement)?;
                known.insert(sql.to_owned(), Arc::clone(&numbers));
                numbers
            }
        };
        Ok(Self { statement, numbers })
    }

    fn bind(&mut self, parameters: &[Value]) -> Answer<()> {
        for (place, number) in (1..).zip(&*self.numbers) {
            let value = parameters.get(number - 1).ok_or_else(|| {
                let given = parameters.len();
                DatabaseError::Statement(format!(
                    "the statement has a parameter `${number}`, and there are $1 to ${given}"
                ))
            })?;
            self.statement.raw_bind_parameter(place, value)?;
        }
        Ok(())
    }

    fn execute(&mut self, parameters: &[Value]) -> Answer<u64> {
        self.bind(parameters)?;
        Ok(self.statement.raw_execute()? as u64)
    }
}

/// The number of each parameter of a statement, from 1.
fn numbers(prepared: &CachedStatement<'_>) -> Answer<Arc<[usize]>> {
    let number = |place| {
        let name = prepared.parameter_name(place).unwrap_or_default();
        let number = name.strip_prefix('$').and_then(|it| it.parse().ok());
        number.filter(|number| *number > 0).ok_or_else(|| {
            let why = format!("the statement has a parameter `{name}`: write $1, $2, ...");
            DatabaseError::Statement(why)
        })
    };
    (1..=prepared.parameter_count()).map(number).collect()
}

pub(super) fn execute(open: &mut Open, statement: &Statement) -> Answer<u64> {
    Prepared::new(open, &statement.sql)?.execute(&statement.parameters)
}

pub(super) fn execute_many(
    open: &mut Open,
    batch: &[RepeatedStatement],
    patience: &Patience,
) -> Answer<Vec<u64>> {
    let each = batch.iter().enumerate().map(|(place, repeated)| {
        let prepared = Prepared::new(open, &repeated.sql);
        let mut prepared = prepared.map_err(|error| error.at(place, None))?;
        let rows = repeated.parameters.iter().enumerate();
        let rows = rows.map(|(row, parameters)| {
            // Statements that are over in no time never come to look at the clock.
            match patience.is_over() {
                true => Err(DatabaseError::late()),
                false => prepared.execute(parameters),
            }
            .map_err(|error| error.at(place, Some(row)))
        });
        rows.sum()
    });
    each.collect()
}

pub(super) fn query(open: &mut Open, statement: &Statement, quota: &Quota) -> Answer<Rows> {
    let mut prepared = Prepared::new(open, &statement.sql)?;
    prepared.bind(&statement.parameters)?;
    let mut prepared = prepared.statement;
    let columns: Vec<String> = prepared.column_names().map(str::to_owned).collect();
    let mut found = prepared.raw_query();
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while let Some(row) = found.next()? {
        let values = (0..columns.len()).map(|column| Ok(Value::from(row.get_ref(column)?)));
        let values = values.collect::<rusqlite::Result<Vec<_>>>()?;
        bytes += values.iter().map(Value::size).sum::<usize>();
        if bytes > quota.answer {
            return Err(quota.too_large());
        }
        rows.push(values);
    }
    drop(found);
    Ok(Rows { columns, rows })
}
