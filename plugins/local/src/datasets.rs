//! `dataset-store`: datasets, whose records are there from one version on until another.

use roost_provider::database::{Failure, Row, Sql, Transaction, parameters};
use roost_provider::types::PageRequest;
use roost_provider::{Error, error, time};

use crate::bindings::dataset_store::{
    Dataset, DatasetPage, DatasetRecord, DatasetRef, Guest, NewDataset, NewRecord, RecordPage,
    Version, VersionPage,
};
use crate::database::{database, ensure_project, new_id, project, write};
use crate::{Provider, Result, cursor};

/// A dataset with its newest version.
const DATASETS: &str = "SELECT d.id, d.name, d.description, d.metadata, d.created_at,
        d.updated_at, v.version, v.records
    FROM datasets d JOIN dataset_versions v ON v.dataset = d.id
        AND v.version = (SELECT MAX(version) FROM dataset_versions WHERE dataset = d.id)";

impl Guest for Provider {
    fn create_dataset(project_name: String, dataset: NewDataset) -> Result<Dataset> {
        write(|transaction| {
            let project = ensure_project(transaction, &project_name, "")?;
            if find(
                transaction,
                project,
                &DatasetRef::Name(dataset.name.clone()),
            )
            .is_ok()
            {
                return Err(Error::Conflict(format!(
                    "there is a dataset `{}` in this project: append to it, or delete it",
                    dataset.name
                ))
                .into());
            }
            let (id, now) = (new_id(), time::now());
            transaction.run(
                "INSERT INTO datasets (id, project, name, description, metadata, created_at, \
                 updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
                parameters![
                    &id,
                    project,
                    &dataset.name,
                    &dataset.description,
                    dataset.metadata.as_ref(),
                    now,
                    now,
                ],
            )?;
            for record in (0..).zip(&dataset.records) {
                insert(transaction, &id, 1, record)?;
            }
            make_version(transaction, &id, 1)?;
            Ok(find(transaction, project, &DatasetRef::Id(id))?)
        })
    }

    fn append_records(
        project_name: String,
        dataset: DatasetRef,
        records: Vec<NewRecord>,
    ) -> Result<Dataset> {
        write(|transaction| {
            let project = project(transaction, &project_name)?;
            let found = find(transaction, project, &dataset)?;
            // Others who append wait here; then the newest version is known.
            let sql = "UPDATE datasets SET updated_at = updated_at WHERE id = $1";
            transaction.run(sql, parameters![&found.id])?;
            let found = find(transaction, project, &DatasetRef::Id(found.id))?;
            let next = newest(&found)? + 1;
            let mut place = next_place(transaction, &found.id)?;
            let mut is_new = false;
            for record in &records {
                if is_there(transaction, &found.id, record)? {
                    continue;
                }
                is_new = true;
                match replace(transaction, &found.id, record, next)? {
                    Some(replaced) => insert(transaction, &found.id, next, (replaced, record))?,
                    None => {
                        insert(transaction, &found.id, next, (place, record))?;
                        place += 1;
                    }
                }
            }
            if is_new {
                make_version(transaction, &found.id, next)?;
            }
            Ok(find(transaction, project, &DatasetRef::Id(found.id))?)
        })
    }

    fn get_dataset(
        project_name: String,
        dataset: DatasetRef,
        version: Option<String>,
        page: PageRequest,
    ) -> Result<RecordPage> {
        let database = database()?;
        let project = project(database, &project_name)?;
        let mut found = find(database, project, &dataset)?;
        // The cursor holds on to the version that the first page was of.
        let (pinned, last) = match cursor::read("records", page.cursor.as_deref())? {
            Some((version, last)) => (Some(version_id(&found.id, version)), last),
            None => (version, -1),
        };
        let version = match &pinned {
            Some(id) => {
                let (version, records) = find_version(database, &found.id, id)?;
                found.version = Some(id.clone());
                found.record_count = Some(records);
                version
            }
            None => newest(&found)?,
        };
        let rows = database.rows(
            "SELECT place, key, input, output, metadata, split FROM dataset_records
            WHERE dataset = $1 AND since <= $2 AND COALESCE(until, $3) > $4 AND place > $5
            ORDER BY place LIMIT $6",
            parameters![
                &found.id,
                version,
                i64::MAX,
                version,
                last,
                u64::from(page.limit) + 1
            ],
        )?;
        let records = rows.into_iter().map(|row| record(&found.id, row));
        let mut records: Vec<(DatasetRecord, i64)> = records.collect::<Result<_>>()?;
        let cursor = cursor::cut(&mut records, page.limit, |(_, place)| {
            cursor::after("records", version, *place)
        });
        Ok(RecordPage {
            dataset: found,
            records: records.into_iter().map(|(record, _)| record).collect(),
            cursor,
        })
    }

    fn list_datasets(project_name: String, page: PageRequest) -> Result<DatasetPage> {
        let database = database()?;
        let project = match project(database, &project_name) {
            // A project that has had neither a span nor a dataset yet.
            Err(Error::NotFound(_)) => -1,
            found => found?,
        };
        let (time, id) = cursor::read_id("datasets", page.cursor.as_deref())?;
        let sql = format!(
            "{DATASETS} WHERE d.project = $1 AND d.created_at <= $2
                AND (d.created_at < $2 OR d.id > $3)
            ORDER BY d.created_at DESC, d.id LIMIT $4"
        );
        let values = parameters![project, time, id, u64::from(page.limit) + 1];
        let rows = database.rows(&sql, values)?;
        let mut datasets: Vec<Dataset> = rows.into_iter().map(read).collect::<Result<_>>()?;
        let cursor = cursor::cut(&mut datasets, page.limit, |last| {
            cursor::after_id("datasets", last.created_at, &last.id)
        });
        Ok(DatasetPage { datasets, cursor })
    }

    fn list_versions(
        project_name: String,
        dataset: DatasetRef,
        page: PageRequest,
    ) -> Result<VersionPage> {
        let database = database()?;
        let found = find(database, project(database, &project_name)?, &dataset)?;
        let (_, last) = cursor::read("versions", page.cursor.as_deref())?.unwrap_or((0, i64::MAX));
        let rows = database.rows(
            "SELECT version, created_at FROM dataset_versions
            WHERE dataset = $1 AND version < $2 ORDER BY version DESC LIMIT $3",
            parameters![&found.id, last, u64::from(page.limit) + 1],
        )?;
        let versions = rows.into_iter().map(|mut row| {
            let number = row.integer()?;
            let version = Version {
                id: version_id(&found.id, number),
                created_at: Some(row.time()?),
            };
            Ok((version, number))
        });
        let mut versions: Vec<(Version, i64)> = versions.collect::<Result<_>>()?;
        let cursor = cursor::cut(&mut versions, page.limit, |(_, number)| {
            cursor::after("versions", 0, *number)
        });
        Ok(VersionPage {
            versions: versions.into_iter().map(|(version, _)| version).collect(),
            cursor,
        })
    }

    fn delete_dataset(project_name: String, dataset: DatasetRef) -> Result<()> {
        write(|transaction| {
            let project = project(transaction, &project_name)?;
            let found = find(transaction, project, &dataset)?;
            transaction.run("DELETE FROM datasets WHERE id = $1", parameters![found.id])?;
            Ok(())
        })
    }
}

/// The dataset that is meant, with its newest version.
pub(crate) fn find(on: &impl Sql, project: i64, wanted: &DatasetRef) -> Result<Dataset> {
    let (column, value) = match wanted {
        DatasetRef::Id(id) => ("id", id),
        DatasetRef::Name(name) => ("name", name),
    };
    let sql = format!("{DATASETS} WHERE d.project = $1 AND d.{column} = $2");
    let found = on
        .rows(&sql, parameters![project, value])?
        .into_iter()
        .next();
    let missing = || error::not_found(format!("there is no dataset with the {column} `{value}`"));
    read(found.ok_or_else(missing)?)
}

/// The number of a version and how many records it has.
pub(crate) fn find_version(on: &impl Sql, dataset: &str, id: &str) -> Result<(i64, u64)> {
    let missing = || error::not_found(format!("the dataset has no version `{id}`"));
    let number = version_number(dataset, id).ok_or_else(missing)?;
    let sql = "SELECT version, records FROM dataset_versions WHERE dataset = $1 AND version = $2";
    let found = on
        .rows(sql, parameters![dataset, number])?
        .into_iter()
        .next();
    let mut row = found.ok_or_else(missing)?;
    Ok((row.integer()?, row.time()?))
}

/// The id of a version, which no other dataset has.
pub(crate) fn version_id(dataset: &str, number: i64) -> String {
    format!("{dataset}-v{number}")
}

/// The number that the id of a version names, if it is one of `dataset`.
pub(crate) fn version_number(dataset: &str, version: &str) -> Option<i64> {
    version
        .strip_prefix(dataset)?
        .strip_prefix("-v")?
        .parse()
        .ok()
}

/// The place that the id of a record names, if it is one of `dataset`.
pub(crate) fn place_of(dataset: &str, record: &str) -> Option<i64> {
    record
        .strip_prefix(dataset)?
        .strip_prefix('-')?
        .parse()
        .ok()
}

/// The id of the record at a place. It stays when the record is replaced, so that runs over
/// different versions can be compared.
pub(crate) fn record_id(dataset: &str, place: i64) -> String {
    format!("{dataset}-{place}")
}

fn newest(dataset: &Dataset) -> Result<i64> {
    let version = dataset.version.as_deref();
    let number = version.and_then(|version| version_number(&dataset.id, version));
    number.ok_or_else(|| Error::Internal("a dataset without a version".to_owned()))
}

fn next_place(on: &Transaction, dataset: &str) -> Result<i64, Failure> {
    let sql = "SELECT COALESCE(MAX(place), -1) + 1 FROM dataset_records WHERE dataset = $1";
    let mut found = on.rows(sql, parameters![dataset])?;
    Ok(found.first_mut().map_or(Ok(0), Row::integer)?)
}

fn insert(
    on: &Transaction,
    dataset: &str,
    version: i64,
    (place, record): (i64, &NewRecord),
) -> Result<(), Failure> {
    on.run(
        "INSERT INTO dataset_records (dataset, place, since, key, digest, input, output, metadata,
            split) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        parameters![
            dataset,
            place,
            version,
            record.key.as_ref(),
            digest(record),
            &record.input,
            record.output.as_ref(),
            record.metadata.as_ref(),
            record.split.as_ref(),
        ],
    )?;
    Ok(())
}

/// End the record with the same key, if there is one; returned is its place.
fn replace(
    on: &Transaction,
    dataset: &str,
    record: &NewRecord,
    version: i64,
) -> Result<Option<i64>, Failure> {
    let Some(key) = &record.key else {
        return Ok(None);
    };
    let ended = on.rows(
        "UPDATE dataset_records SET until = $1 WHERE dataset = $2 AND key = $3 AND until IS NULL
        RETURNING place",
        parameters![version, dataset, key],
    )?;
    Ok(ended
        .into_iter()
        .next()
        .map(|mut row| row.integer())
        .transpose()?)
}

/// Whether a record with this content is in the newest version.
fn is_there(on: &Transaction, dataset: &str, record: &NewRecord) -> Result<bool, Failure> {
    let found = on.rows(
        "SELECT key, input, output, metadata, split FROM dataset_records
        WHERE dataset = $1 AND digest = $2 AND until IS NULL",
        parameters![dataset, digest(record)],
    )?;
    for mut row in found {
        let same = row.optional_text()? == record.key
            && row.text()? == record.input
            && row.optional_text()? == record.output
            && row.optional_text()? == record.metadata
            && row.optional_text()? == record.split;
        if same {
            return Ok(true);
        }
    }
    Ok(false)
}

/// FNV-1a of what a record holds: to find one among many, not to trust.
fn digest(record: &NewRecord) -> i64 {
    let parts = [
        record.key.as_deref(),
        Some(&*record.input),
        record.output.as_deref(),
        record.metadata.as_deref(),
        record.split.as_deref(),
    ];
    let bytes = parts
        .into_iter()
        .flat_map(|part| part.unwrap_or("\0").bytes().chain([0xff]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash.cast_signed()
}

/// Write down a version whose records are all there.
fn make_version(on: &Transaction, dataset: &str, version: i64) -> Result<(), Failure> {
    let now = time::now();
    on.run(
        "INSERT INTO dataset_versions (dataset, version, records, created_at)
        SELECT CAST($1 AS TEXT), CAST($2 AS BIGINT), COUNT(*), CAST($3 AS BIGINT)
        FROM dataset_records WHERE dataset = $4 AND until IS NULL",
        parameters![dataset, version, now, dataset],
    )?;
    let sql = "UPDATE datasets SET updated_at = $1 WHERE id = $2";
    on.run(sql, parameters![now, dataset])?;
    Ok(())
}

fn read(mut row: Row) -> Result<Dataset> {
    let id = row.text()?;
    Ok(Dataset {
        name: row.text()?,
        description: row.text()?,
        metadata: row.optional_text()?,
        created_at: Some(row.time()?),
        updated_at: Some(row.time()?),
        version: Some(version_id(&id, row.integer()?)),
        record_count: Some(row.time()?),
        id,
    })
}

fn record(dataset: &str, mut row: Row) -> Result<(DatasetRecord, i64)> {
    let place = row.integer()?;
    let record = DatasetRecord {
        id: record_id(dataset, place),
        key: row.optional_text()?,
        input: row.text()?,
        output: row.optional_text()?,
        metadata: row.optional_text()?,
        split: row.optional_text()?,
    };
    Ok((record, place))
}
