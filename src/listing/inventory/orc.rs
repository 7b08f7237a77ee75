//! An ORC file of an inventory: the columns that are needed, stripe by stripe.

use std::fs::File;

use orc_rust::ArrowReaderBuilder;
use orc_rust::projection::ProjectionMask;

use super::batch::{BATCH_ROWS, Projection};
use super::manifest::Columns;
use super::rows::Rows;
use crate::error::{Error, ErrorKind};
use crate::listing::thread::Stop;

/// Reads `file` to its end into `rows`; `name` is what errors call it.
///
/// # Errors
/// `Corrupt` for what is no ORC, or not of these columns.
pub(super) fn read(file: File, columns: &Columns, etags: bool, name: &str, rows: &mut Rows<'_>) -> Result<(), Stop> {
    let wrong = |what: String| Error::new(ErrorKind::Corrupt, format!("{name} is not read as ORC: {what}"));
    let builder = ArrowReaderBuilder::try_new(file).map_err(|error| wrong(error.to_string()))?;
    let root = builder.file_metadata().root_data_type();
    let names: Vec<String> = root.children().iter().map(|column| column.name().to_owned()).collect();
    let projection = Projection::of(&names, columns, etags, name)?;
    // ORC numbers its columns from 1, for the row itself is one.
    let indices: Vec<usize> =
        projection.places.iter().map(|place| root.children()[*place].data_type().column_index()).collect();
    let mask = ProjectionMask::roots(root, indices);
    let expected = builder.file_metadata().number_of_rows();
    let mut read = 0;
    for batch in builder.with_projection(mask).with_batch_size(BATCH_ROWS).build() {
        let batch = batch.map_err(|error| wrong(error.to_string()).source(error))?;
        let count = batch.num_rows() as u64;
        projection.read(batch, read, name, rows)?;
        read += count;
    }
    if read != expected {
        return Err(wrong(format!("{read} rows of {expected}")).into());
    }
    Ok(())
}
