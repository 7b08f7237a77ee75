//! Rows as Parquet and ORC give them: by column, some thousand at a time. Keys stand as they are, and the buffer that
//! they were decoded into becomes the page's text.

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Int64Array, RecordBatch, new_empty_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use arrow::error::ArrowError;

use super::manifest::{Columns, plain};
use super::rows::{Rows, Said};
use crate::error::{Error, ErrorKind, Result};
use crate::listing::thread::Stop;
use crate::uri::Shown;
use crate::value::instant;

/// Rows decoded at a time: about a page's worth of keys.
pub(super) const BATCH_ROWS: usize = 8_192;

/// The columns that are read of a file.
#[derive(Debug)]
pub(super) struct Projection {
    /// Their places in the file, ascending, as batches have them.
    pub places: Vec<usize>,
    key: usize,
    is_latest: Option<usize>,
    is_delete_marker: Option<usize>,
    size: Option<usize>,
    modified: Option<usize>,
    storage_class: Option<usize>,
    etag: Option<usize>,
}

impl Projection {
    /// What is read of a file whose columns are called `names`.
    ///
    /// # Errors
    /// `Corrupt` where the file lacks a column that the manifest names.
    pub fn of(names: &[String], columns: &Columns, etags: bool, name: &str) -> Result<Projection> {
        // Hive's writers leave out the names: then the places count.
        let unnamed = names.iter().enumerate().all(|(place, name)| *name == format!("_col{place}"));
        let place = |column: usize| {
            let called = plain(&columns.names[column]);
            let place = if unnamed { Some(column) } else { names.iter().position(|name| plain(name) == called) };
            place.filter(|place| *place < names.len()).ok_or_else(|| {
                let column = Shown(&columns.names[column]);
                Error::new(ErrorKind::Corrupt, format!("{name} has no column `{column}`, which the manifest names"))
            })
        };
        let optional = |column: Option<usize>| column.map(place).transpose();
        let key = place(columns.key)?;
        let is_latest = optional(columns.versions.map(|versions| versions.is_latest))?;
        let is_delete_marker = optional(columns.versions.map(|versions| versions.is_delete_marker))?;
        let size = optional(columns.size)?;
        let modified = optional(columns.modified)?;
        let storage_class = optional(columns.storage_class)?;
        let etag = optional(columns.etag.filter(|_| etags))?;
        let all = [Some(key), is_latest, is_delete_marker, size, modified, storage_class, etag];
        let mut places: Vec<usize> = all.into_iter().flatten().collect();
        places.sort_unstable();
        places.dedup();
        let rank = |place: usize| places.binary_search(&place).expect("it is among them");
        Ok(Projection {
            key: rank(key),
            is_latest: is_latest.map(rank),
            is_delete_marker: is_delete_marker.map(rank),
            size: size.map(rank),
            modified: modified.map(rank),
            storage_class: storage_class.map(rank),
            etag: etag.map(rank),
            places,
        })
    }

    /// Reads a batch of `name` into `rows`; `before` rows of the file came before it.
    ///
    /// # Errors
    /// `Corrupt` for columns of other types, and rows without a key.
    pub fn read(&self, batch: RecordBatch, before: u64, name: &str, rows: &mut Rows<'_>) -> Result<(), Stop> {
        let (_, mut columns, count) = batch.into_parts();
        let wrong = |error: ArrowError| Error::new(ErrorKind::Corrupt, format!("{name}: {error}")).source(error);
        let mistyped = |what: &str, array: &ArrayRef| {
            Error::new(ErrorKind::Corrupt, format!("{name}: {what} of type {}", array.data_type()))
        };
        let flags = |column: Option<usize>| -> Result<Option<BooleanArray>> {
            let Some(column) = column else { return Ok(None) };
            let array = &columns[column];
            array.as_boolean_opt().cloned().map(Some).ok_or_else(|| mistyped("flags", array))
        };
        let texts = |column: Option<usize>| -> Result<Option<BinaryArray>> {
            let Some(column) = column else { return Ok(None) };
            let array = cast(&columns[column], &DataType::Binary).map_err(wrong)?;
            Ok(Some(array.as_binary().clone()))
        };
        let (is_latest, is_delete_marker) = (flags(self.is_latest)?, flags(self.is_delete_marker)?);
        let (storage_class, etag) = (texts(self.storage_class)?, texts(self.etag)?);
        let size = match self.size.map(|column| &columns[column]) {
            Some(array) if array.data_type().is_integer() || array.data_type().is_null() => {
                Some(cast(array, &DataType::Int64).map_err(wrong)?.as_primitive::<Int64Type>().clone())
            }
            Some(array) => return Err(mistyped("sizes", array).into()),
            None => None,
        };
        let modified = match self.modified.map(|column| &columns[column]) {
            Some(array) => Some(Times::of(array).ok_or_else(|| mistyped("times", array))?),
            None => None,
        };
        // The last to hold the keys' buffer is who may take it.
        let keys = cast(&columns[self.key], &DataType::Binary).map_err(wrong)?.as_binary::<i32>().clone();
        columns[self.key] = new_empty_array(&DataType::Null);
        let (offsets, text, absent) = keys.into_parts();
        rows.begin(text.into_vec().unwrap_or_else(|shared| shared.to_vec()))?;
        for index in 0..count {
            let row = before + index as u64 + 1;
            let flag = |flags: &Option<BooleanArray>, otherwise: bool| match flags {
                None => Ok(otherwise),
                Some(flags) if flags.is_null(index) => Err(rows.error(row, "whether it is the latest is not said")),
                Some(flags) => Ok(flags.value(index)),
            };
            if !flag(&is_latest, true)? || flag(&is_delete_marker, false)? {
                continue;
            }
            if absent.as_ref().is_some_and(|absent| absent.is_null(index)) {
                return Err(rows.error(row, "the key is missing").into());
            }
            let size = size.as_ref().filter(|sizes| sizes.is_valid(index)).map(|sizes| sizes.value(index));
            let size = size.map(|size| u64::try_from(size).map_err(|_| rows.error(row, format!("a size of {size}"))));
            let says = Said {
                size: size.transpose()?,
                modified: modified.as_ref().and_then(|times| times.second(index)),
                storage_class: text_at(storage_class.as_ref(), index),
                etag: text_at(etag.as_ref(), index),
            };
            rows.push_at(row, offsets[index] as usize..offsets[index + 1] as usize, says)?;
        }
        rows.flush()
    }
}

fn text_at(texts: Option<&BinaryArray>, index: usize) -> Option<&[u8]> {
    texts.filter(|texts| texts.is_valid(index)).map(|texts| texts.value(index))
}

/// When objects were written, as writers have it.
enum Times {
    /// So many units a second.
    Numbers(Int64Array, i64),
    Texts(BinaryArray),
}

impl Times {
    fn of(array: &ArrayRef) -> Option<Times> {
        let units_a_second = match array.data_type() {
            DataType::Timestamp(TimeUnit::Second, _) => 1,
            // A bare number is as S3 writes it, without its type.
            DataType::Timestamp(TimeUnit::Millisecond, _) | DataType::Int64 => 1_000,
            DataType::Timestamp(TimeUnit::Microsecond, _) => 1_000_000,
            DataType::Timestamp(TimeUnit::Nanosecond, _) => 1_000_000_000,
            DataType::Utf8 | DataType::Binary => {
                return Some(Times::Texts(cast(array, &DataType::Binary).ok()?.as_binary().clone()));
            }
            _ => return None,
        };
        let numbers = cast(array, &DataType::Int64).ok()?;
        Some(Times::Numbers(numbers.as_primitive::<Int64Type>().clone(), units_a_second))
    }

    fn second(&self, index: usize) -> Option<i64> {
        match self {
            Times::Numbers(numbers, units) => numbers.is_valid(index).then(|| numbers.value(index).div_euclid(*units)),
            Times::Texts(texts) => {
                let text = text_at(Some(texts), index)?;
                std::str::from_utf8(text).ok().and_then(instant)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str], etags: bool) -> Result<Projection> {
        let columns = Columns {
            names: ["Bucket", "Key", "Size", "ETag"].map(str::to_owned).to_vec(),
            key: 1,
            size: Some(2),
            modified: None,
            storage_class: None,
            etag: Some(3),
            versions: None,
        };
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Projection::of(&names, &columns, etags, "data.orc")
    }

    #[test]
    fn columns_are_found_by_name_or_where_files_have_none_by_place() {
        let named = of(&["e_tag", "size", "key", "bucket"], true).unwrap();
        assert_eq!((named.places, named.key, named.size, named.etag), (vec![0, 1, 2], 2, Some(1), Some(0)));
        let unnamed = of(&["_col0", "_col1", "_col2", "_col3"], false).unwrap();
        assert_eq!((unnamed.places, unnamed.key, unnamed.size, unnamed.etag), (vec![1, 2], 0, Some(1), None));
        for names in [&["bucket", "key"][..], &["_col0", "_col1"]] {
            assert_eq!(
                of(names, false).unwrap_err().message(),
                "data.orc has no column `Size`, which the manifest names"
            );
        }
    }
}
