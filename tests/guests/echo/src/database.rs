//! What a provider asks of its database, said by the project's name: `database:` and a JSON
//! list of steps, each answered in the name of one span.
//!
//! A step is a list: what is done (`query`, `execute`, `batch`, `many`, `migrate`, `begin`,
//! `commit`, `drop`, `trap`), and what with. Between `begin` and `commit` statements are run in
//! the transaction. `keep` leaves everything open, for the next call to find.

use serde_json::{Value as Json, json};

use crate::bindings::roost::telemetry::database::{
    Connection, DatabaseError, Migration, RepeatedStatement, Statement, Transaction, Value,
};
use crate::bindings::roost::telemetry::types::Error;

/// The answers to `steps`, as JSON.
pub(crate) fn run(steps: &str) -> Result<String, Error> {
    let steps: Vec<Vec<Json>> = serde_json::from_str(steps)
        .map_err(|error| Error::InvalidArgument(format!("steps: {error}")))?;
    let connection = match Connection::open() {
        Ok(connection) => connection,
        Err(error) => return Ok(json!([failure(&error)]).to_string()),
    };
    let mut transaction = None;
    let mut answers = Vec::new();
    for step in &steps {
        let what = step.first().and_then(Json::as_str).unwrap_or_default();
        let arguments = step.get(1..).unwrap_or_default();
        if what == "keep" {
            std::mem::forget((connection, transaction));
            break;
        }
        answers.push(
            perform(&connection, &mut transaction, what, arguments)
                .unwrap_or_else(|error| failure(&error)),
        );
    }
    Ok(Json::from(answers).to_string())
}

fn perform(
    connection: &Connection,
    transaction: &mut Option<Transaction>,
    what: &str,
    arguments: &[Json],
) -> Result<Json, DatabaseError> {
    match what {
        "trap" => std::process::abort(),
        "begin" => *transaction = Some(connection.begin()?),
        "drop" => *transaction = None,
        "commit" => {
            if let Some(transaction) = transaction.take() {
                Transaction::commit(transaction)?;
            }
        }
        "migrate" => {
            let migrations: Vec<Migration> = (1..)
                .zip(arguments)
                .map(|(version, sql)| Migration {
                    version,
                    statements: vec![text(Some(sql))],
                })
                .collect();
            return connection.migrate(&migrations).map(Json::from);
        }
        "batch" => {
            let batch: Vec<Statement> = arguments
                .iter()
                .map(|it| statement(std::slice::from_ref(it)))
                .collect();
            return connection.execute_batch(&batch).map(Json::from);
        }
        "many" => {
            let batch: Vec<RepeatedStatement> = arguments.iter().map(repeated).collect();
            return match transaction {
                Some(transaction) => transaction.execute_many(&batch),
                None => connection.execute_many(&batch),
            }
            .map(Json::from);
        }
        "query" => {
            let statement = statement(arguments);
            let rows = match transaction {
                Some(transaction) => transaction.query(&statement)?,
                None => connection.query(&statement)?,
            };
            let rows = rows.rows.into_iter().map(|row| {
                let values = row.into_iter().map(to_json);
                values.collect::<Json>()
            });
            return Ok(rows.collect());
        }
        _ => {
            let statement = statement(arguments);
            return match transaction {
                Some(transaction) => transaction.execute(&statement),
                None => connection.execute(&statement),
            }
            .map(Json::from);
        }
    }
    Ok(Json::Null)
}

/// SQL, and the values of its parameters.
fn statement(arguments: &[Json]) -> Statement {
    Statement {
        sql: text(arguments.first()),
        parameters: arguments.iter().skip(1).map(to_value).collect(),
    }
}

/// SQL, and lists of the values of its parameters.
fn repeated(argument: &Json) -> RepeatedStatement {
    let arguments = argument.as_array().map_or(&[][..], Vec::as_slice);
    let values = |row: &Json| row.as_array().into_iter().flatten().map(to_value).collect();
    RepeatedStatement {
        sql: text(arguments.first()),
        parameters: arguments.iter().skip(1).map(values).collect(),
    }
}

fn text(json: Option<&Json>) -> String {
    json.and_then(Json::as_str).unwrap_or_default().to_owned()
}

fn to_value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Boolean(*value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Integer(number),
            None => Value::Number(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(bytes) => Value::Blob(bytes.iter().map(byte).collect()),
        Json::Object(_) => Value::Null,
    }
}

fn byte(json: &Json) -> u8 {
    json.as_u64()
        .and_then(|it| u8::try_from(it).ok())
        .unwrap_or_default()
}

fn to_json(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => value.into(),
        Value::Integer(number) => number.into(),
        Value::Number(number) => number.into(),
        Value::Text(text) => text.into(),
        Value::Blob(bytes) => bytes.into(),
    }
}

fn failure(error: &DatabaseError) -> Json {
    let (case, why) = match error {
        DatabaseError::Statement(why) => ("statement", why),
        DatabaseError::Constraint(why) => ("constraint", why),
        DatabaseError::Busy(why) => ("busy", why),
        DatabaseError::Full(why) => ("full", why),
        DatabaseError::TooLarge(why) => ("too-large", why),
        DatabaseError::Unavailable(why) => ("unavailable", why),
        DatabaseError::Corrupt(why) => ("corrupt", why),
    };
    json!({ case: why })
}
