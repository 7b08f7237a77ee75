//! A Parquet file of an inventory: the columns that are needed, row group by row group, page by page.

use std::fs::File;

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

use super::batch::{BATCH_ROWS, Projection};
use super::manifest::Columns;
use super::rows::Rows;
use crate::error::{Error, ErrorKind};
use crate::listing::thread::Stop;

/// Reads `file` to its end into `rows`; `name` is what errors call it.
///
/// # Errors
/// `Corrupt` for what is no Parquet, or not of these columns; `Unsupported` for an encoding or a codec that is not read.
pub(super) fn read(file: File, columns: &Columns, etags: bool, name: &str, rows: &mut Rows<'_>) -> Result<(), Stop> {
    let wrong = |what: String| Error::new(ErrorKind::Corrupt, format!("{name} is not read as Parquet: {what}"));
    // The types are Parquet's own, not what an Arrow writer had in mind: it may say large texts, or dictionaries.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options)
        .map_err(|error| wrong(error.to_string()).source(error))?;
    let fields = builder.parquet_schema().root_schema().get_fields();
    let names: Vec<String> = fields.iter().map(|field| field.name().to_owned()).collect();
    let projection = Projection::of(&names, columns, etags, name)?;
    let mask = ProjectionMask::roots(builder.parquet_schema(), projection.places.iter().copied());
    let expected = builder.metadata().file_metadata().num_rows();
    let batches = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build();
    let mut read = 0;
    for batch in batches.map_err(|error| wrong(error.to_string()).source(error))? {
        let batch = batch.map_err(|error| wrong(error.to_string()).source(error))?;
        let count = batch.num_rows() as u64;
        projection.read(batch, read, name, rows)?;
        read += count;
    }
    if i64::try_from(read) != Ok(expected) {
        return Err(wrong(format!("{read} rows of {expected}")).into());
    }
    Ok(())
}
