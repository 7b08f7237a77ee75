//! From partition values to a manifest's key and back, and which keys are of a table's own shape.
//!
//! Pure. Keys here are relative to the table's location and never normalised: a partition's identity is this key, byte
//! for byte. Nothing is deleted or emptied unless [`Shape::values`] reads its key.

use std::borrow::Cow;
use std::collections::HashMap;

use super::Partition;
use crate::error::{Error, ErrorKind, Result};
use crate::map::body::Body;
use crate::map::group::Group;
use crate::rules::table::{Layout, LayoutPart, Table};
use crate::rules::wanted::{Allowed, Wanted};
use crate::uri::Uri;
use crate::value::{PartitionType, PartitionValue, hive_escape, hive_unescape};

/// The base name of every manifest.
pub const MANIFEST: &str = "symlink.txt";

/// The directory of a manifest's key, with its last slash; empty at the location itself.
pub fn directory_of(key: &str) -> &str {
    key.strip_suffix(MANIFEST).unwrap_or(key)
}

/// The base name of the marker, which lies in the location itself. Engines skip a file whose name begins with `_`.
pub const MARKER: &str = "_restitch.json";

/// What the names of the objects begin with by which `check --live` tries a location out. They last for a moment; engines
/// skip names with a `_`, and so does a plan.
pub const PROBE: &str = "_restitch_probe_";

/// The longest key that S3 takes, in bytes.
pub const KEY_LIMIT_BYTES: usize = 1024;

/// The longest path component that file systems and S3 servers on top of them take, in bytes.
const COMPONENT_LIMIT_BYTES: usize = 255;

/// Where the manifests of one table lie below its location.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    parts: Vec<LayoutPart>,
    columns: Vec<(String, PartitionType)>,
}

impl Shape {
    pub fn new(layout: &Layout, columns: impl IntoIterator<Item = (String, PartitionType)>) -> Shape {
        Shape { parts: layout.parts.clone(), columns: columns.into_iter().collect() }
    }

    pub fn of(table: &Table) -> Shape {
        let columns = table.partitioned_by.iter().map(|column| (column.name.clone(), column.partition_type()));
        Shape::new(&table.layout, columns)
    }

    /// `region=amer/`: the partition's directory below the location, with its last slash; empty for an unpartitioned
    /// table. `values` has one value per partition column.
    pub fn directory(&self, values: &[PartitionValue]) -> String {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                LayoutPart::Text(text) => out.push_str(text),
                LayoutPart::Column(index) => out.push_str(&values[*index].escaped()),
            }
        }
        out
    }

    /// The manifest's key below the location: [`Shape::directory`] and [`MANIFEST`].
    ///
    /// # Errors
    /// `Unsupported` if a component of it is empty, `.`, `..`, longer than 255 bytes or the marker's name, if the whole
    /// key (with `location`'s) is longer than 1,024 bytes, or if it would read back as other values, as `{a}-{b}/` does
    /// with `x-y` and `z`: then two partitions could share it.
    pub fn key(&self, location: &Uri, values: &[PartitionValue]) -> Result<String> {
        let mut key = self.directory(values);
        let refused = |why: String| {
            Error::new(ErrorKind::Unsupported, format!("no manifest can be written for {}: {why}", self.shown(values)))
                .note(format!("its key would be {}", location.join(&self.directory(values)).shown()))
                .help("leave such objects out with `exclude` or `where`, or give the column another value with `set`")
        };
        if let Some(why) = self.parts.len().gt(&0).then(|| bad_component(&key)).flatten() {
            return Err(refused(why));
        }
        key.push_str(MANIFEST);
        let bytes = location.key.len() + key.len();
        if bytes > KEY_LIMIT_BYTES {
            return Err(refused(format!("the key has {bytes} bytes, and S3 takes {KEY_LIMIT_BYTES}")));
        }
        if self.values(&key).as_deref() != Some(values) {
            return Err(refused("the layout lets its key be read as other values too".into())
                .help("separate the columns of `layout` by slashes"));
        }
        Ok(key)
    }

    /// The values of a manifest key below the location, or `None` if it is not of this shape: only a key that
    /// [`Shape::key`] would write for some values is.
    pub fn values(&self, key: &str) -> Option<Vec<PartitionValue>> {
        let directory = key.strip_suffix(MANIFEST)?;
        let mut values = vec![None; self.columns.len()];
        self.read(&self.parts, directory, &mut values).then_some(())?;
        values.into_iter().collect()
    }

    /// What the keys of the wanted partitions begin with, sorted, none inside another.
    pub fn prefixes(&self, wanted: &Wanted) -> Vec<String> {
        let mut all: Vec<String> = wanted.exact().map(|values| self.directory(values) + MANIFEST).collect();
        all.extend(wanted.open().flat_map(|columns| self.begins(columns)));
        all.sort_unstable();
        all.dedup_by(|later, earlier| later.starts_with(earlier.as_str()));
        all
    }

    /// What the directories begin with whose columns may be these.
    fn begins(&self, columns: &[Allowed]) -> Vec<String> {
        /// Texts that one set of columns may split into.
        const MAX: usize = 100;
        let mut begins = vec![String::new()];
        for part in &self.parts {
            let (texts, ends) = match part {
                LayoutPart::Text(text) => (vec![text.clone()], false),
                LayoutPart::Column(index) => match columns[*index].values() {
                    Some(values) if values.len() * begins.len() <= MAX => {
                        (values.iter().map(|value| value.escaped().into_owned()).collect(), false)
                    }
                    _ => (vec![hive_escape(columns[*index].common()).into_owned()], true),
                },
            };
            begins = begins.iter().flat_map(|begin| texts.iter().map(move |text| format!("{begin}{text}"))).collect();
            if ends {
                break;
            }
        }
        begins
    }

    /// The partition in whose directory the key lies that is none of this shape: what readers of that partition find too.
    pub fn around(&self, key: &str) -> Option<Vec<PartitionValue>> {
        let mut ends = std::iter::once(0).chain(key.match_indices('/').map(|(slash, _)| slash + 1));
        ends.find_map(|end| self.values(&format!("{}{MANIFEST}", &key[..end])))
    }

    /// `region=amer dt=2024-01-05`, for a person; `the whole table` where there is no partition column.
    pub fn shown(&self, values: &[PartitionValue]) -> String {
        Partition::new(self, values).shown()
    }

    pub fn columns(&self) -> impl ExactSizeIterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// The layout as it is written in a rule file: `region={region}/`.
    pub fn text(&self) -> String {
        let part = |part: &LayoutPart| match part {
            LayoutPart::Text(text) => text.replace('\\', "\\\\").replace('{', "\\{").replace('}', "\\}"),
            LayoutPart::Column(index) => format!("{{{}}}", self.columns[*index].0),
        };
        self.parts.iter().map(part).collect()
    }

    /// Reads `rest` by `parts`, shortest values first. A value ends where the next text begins; it never holds a slash,
    /// as slashes are escaped, so there is something to try again only where a component holds several columns.
    fn read(&self, parts: &[LayoutPart], rest: &str, values: &mut [Option<PartitionValue>]) -> bool {
        match parts.split_first() {
            None => rest.is_empty(),
            Some((LayoutPart::Text(text), parts)) => {
                rest.strip_prefix(text.as_str()).is_some_and(|rest| self.read(parts, rest, values))
            }
            Some((LayoutPart::Column(index), parts)) => {
                let component = rest.find('/').unwrap_or(rest.len());
                let ends = rest[..component].char_indices().map(|(at, c)| at + c.len_utf8());
                let next = match parts.first() {
                    Some(LayoutPart::Text(text)) => text.as_str(),
                    _ => "",
                };
                for end in ends.filter(|end| rest[*end..].starts_with(next)) {
                    if let Some(value) = self.value(*index, &rest[..end]) {
                        values[*index] = Some(value);
                        if self.read(parts, &rest[end..], values) {
                            return true;
                        }
                    }
                }
                false
            }
        }
    }

    /// The value whose escaped form is exactly `escaped`, in the form that its type prints.
    fn value(&self, index: usize, escaped: &str) -> Option<PartitionValue> {
        let text: Cow<'_, str> = hive_unescape(escaped)?;
        let value = self.columns[index].1.value(&text)?;
        (value.escaped() == escaped).then_some(value)
    }
}

/// Why a directory below the location cannot be one.
fn bad_component(directory: &str) -> Option<String> {
    let whole = directory.strip_suffix('/').unwrap_or(directory);
    let mut components = whole.split('/').enumerate();
    components.find_map(|(at, component)| match component {
        "" => Some("a component of its path is empty".into()),
        "." | ".." => Some(format!("`{component}` as a component of its path would be read as another directory")),
        MARKER if at == 0 => Some(format!("`{MARKER}` is the marker's own name")),
        _ if component.contains('\0') => Some("a component of its path holds U+0000".into()),
        _ if component.len() > COMPONENT_LIMIT_BYTES => Some(format!(
            "a component of its path has {} bytes, and file systems take {COMPONENT_LIMIT_BYTES}",
            component.len()
        )),
        _ => None,
    })
}

/// A manifest as it should be.
#[derive(Debug)]
pub struct Desired {
    /// Below the location.
    pub key: String,
    /// Lines sorted by bytes, each once, `\n` after each.
    pub body: Body,
}

/// The manifests that `groups` ask for, in byte order of their keys.
///
/// # Errors
/// As [`Shape::key`]; `Unsupported` too if two different tuples of values give one key, or (where `folds_case`, a store
/// whose names differ by more than case) two keys that are one file there.
pub fn desired(shape: &Shape, location: &Uri, groups: Vec<Group>, folds_case: bool) -> Result<Vec<Desired>> {
    let mut out = Vec::with_capacity(groups.len());
    for group in groups {
        let key = shape.key(location, &group.values)?;
        out.push(Desired { key, body: group.body });
    }
    out.sort_unstable_by(|a, b| a.key.as_bytes().cmp(b.key.as_bytes()));
    if let Some(pair) = out.windows(2).find(|pair| pair[0].key == pair[1].key) {
        return Err(collision(shape, location, &pair[0], &pair[1], "the same"));
    }
    if folds_case {
        let mut folded: Vec<(String, usize)> =
            out.iter().enumerate().map(|(at, desired)| (desired.key.to_lowercase(), at)).collect();
        folded.sort_unstable();
        if let Some(pair) = folded.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(collision(
                shape,
                location,
                &out[pair[0].1],
                &out[pair[1].1],
                "one file there, where case does not count,",
            ));
        }
    }
    Ok(out)
}

/// What refuses new manifests of which a published one has the file already, where names differ by more than case.
pub fn folded<'k>(location: &Uri, new: impl IntoIterator<Item = &'k str>, published: &[String]) -> Option<Error> {
    let there: HashMap<String, &String> = published.iter().map(|key| (key.to_lowercase(), key)).collect();
    let taken = |key: &str| there.get(&key.to_lowercase()).filter(|there| there.as_str() != key).copied();
    let (new, there) = new.into_iter().find_map(|key| Some((key, taken(key)?)))?;
    let (new, there) = (location.join(new).shown(), location.join(there).shown());
    let error = Error::new(ErrorKind::Unsupported, format!("{new} is the file of {there}, where case does not count"));
    Some(error.note("that one is published; as long as it lies there, a manifest under the other name cannot").help(
        "keep to one case: let `set` give it (`{x|lower}`); or, once it has been empty for a day: restitch prune",
    ))
}

fn collision(shape: &Shape, location: &Uri, a: &Desired, b: &Desired, how: &str) -> Error {
    let [a_shown, b_shown] = [a, b].map(|one| shape.shown(&shape.values(&one.key).unwrap_or_default()));
    let message = format!("two partitions would share a manifest: {a_shown} and {b_shown}");
    Error::new(ErrorKind::Unsupported, message)
        .note(format!("both keys are {how}: {}", location.join(&a.key).shown()))
        .help("let `set` give them one value (`{x|lower}`), or different ones")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uri::{Bucket, Scheme};

    fn shape(layout: &[&str], columns: &[(&str, &str)]) -> Shape {
        let index = |name: &str| columns.iter().position(|(column, _)| *column == name);
        let part = |text: &&str| match text.strip_prefix('$') {
            Some(name) => LayoutPart::Column(index(name).unwrap()),
            None => LayoutPart::Text((*text).into()),
        };
        let layout = Layout { parts: layout.iter().map(part).collect(), custom: true };
        Shape::new(&layout, columns.iter().map(|(name, kind)| ((*name).into(), PartitionType::parse(kind))))
    }

    fn values(texts: &[&str]) -> Vec<PartitionValue> {
        texts.iter().map(|text| PartitionValue::new(text)).collect()
    }

    fn location() -> Uri {
        Uri::new(Bucket::new(Scheme::S3, "b"), "t/")
    }

    #[test]
    fn values_and_keys_are_one_to_one() {
        let shape = shape(&["region=", "$region", "/h=", "$h", "/"], &[("region", "string"), ("h", "int")]);
        for texts in [["amer", "1"], ["a/b=c%", "-7"], ["", ""], ["é x'){}", "0"], ["%41", "2147483647"]] {
            let key = shape.key(&location(), &values(&texts)).unwrap();
            assert_eq!(shape.values(&key).unwrap(), values(&texts), "{key}");
        }
        assert_eq!(
            shape.key(&location(), &values(&["", "5"])).unwrap(),
            "region=__HIVE_DEFAULT_PARTITION__/h=5/symlink.txt"
        );
    }

    #[test]
    fn only_keys_that_would_be_written_are_of_the_shape() {
        let shape = shape(&["region=", "$region", "/h=", "$h", "/"], &[("region", "string"), ("h", "int")]);
        for key in [
            "region=a/h=01/symlink.txt",
            "region=a/h=x/symlink.txt",
            "region=/h=1/symlink.txt",
            "region=a%3ab/h=1/symlink.txt",
            "region=a:b/h=1/symlink.txt",
            "region=a/h=1/symlink.txt.gz",
            "region=a/h=1/x/symlink.txt",
            "region=a/b/h=1/symlink.txt",
            "region=a/h=1/",
            "symlink.txt",
            "Region=a/h=1/symlink.txt",
        ] {
            assert_eq!(shape.values(key), None, "{key}");
        }
    }

    #[test]
    fn a_key_lies_in_the_directory_of_a_partition_or_of_none() {
        let shape = shape(&["region=", "$region", "/h=", "$h", "/"], &[("region", "string"), ("h", "int")]);
        for (key, around) in [
            ("region=a/h=1/x/symlink.txt", Some(["a", "1"])),
            ("region=a/h=1/x/y/z", Some(["a", "1"])),
            ("region=a/h=x/symlink.txt", None),
            ("region=a/symlink.txt", None),
            ("symlink.txt", None),
            ("_temporary/region=a/h=1/symlink.txt", None),
        ] {
            assert_eq!(shape.around(key), around.map(|texts| values(&texts)), "{key}");
        }
        assert_eq!(self::shape(&[], &[]).around("x/symlink.txt"), Some(vec![]));
    }

    #[test]
    fn an_unpartitioned_table_has_one_manifest() {
        let shape = shape(&[], &[]);
        assert_eq!(shape.key(&location(), &[]).unwrap(), "symlink.txt");
        assert_eq!(shape.values("symlink.txt"), Some(vec![]));
        assert_eq!(shape.values("x/symlink.txt"), None);
    }

    #[test]
    fn odd_components_are_refused() {
        let plain = shape(&["$r", "/"], &[("r", "string")]);
        let long = "x".repeat(256);
        for (value, why) in
            [(".", "another directory"), ("..", "another directory"), (&long, "256 bytes"), (MARKER, "marker")]
        {
            let error = plain.key(&location(), &values(&[value])).unwrap_err();
            assert!(error.message().contains(why), "{error}");
        }
        assert!(plain.key(&location(), &values(&[&"x".repeat(255)])).is_ok());
        let deep = shape(
            &["a=", "$a", "/b=", "$b", "/c=", "$c", "/d=", "$d", "/e=", "$e", "/"],
            &[("a", "string"), ("b", "string"), ("c", "string"), ("d", "string"), ("e", "string")],
        );
        let text = "y".repeat(200);
        let text = text.as_str();
        let error = deep.key(&location(), &values(&[text; 5])).unwrap_err();
        assert!(error.message().contains("1028 bytes"), "{error}");
    }

    #[test]
    fn a_layout_that_reads_back_otherwise_is_refused() {
        let joined = shape(&["$a", "-", "$b", "/"], &[("a", "string"), ("b", "string")]);
        assert!(joined.key(&location(), &values(&["x", "y-z"])).is_ok());
        let error = joined.key(&location(), &values(&["x-y", "z"])).unwrap_err();
        assert!(error.help_text().unwrap().contains("slashes"), "{error}");
        let typed = shape(&["$y", "-", "$m", "/"], &[("y", "int"), ("m", "int")]);
        assert_eq!(typed.values("2024-11/symlink.txt"), Some(values(&["2024", "11"])));
        assert_eq!(typed.values("-5--7/symlink.txt"), Some(values(&["-5", "-7"])));
    }

    #[test]
    fn manifests_come_in_the_byte_order_of_their_keys() {
        let shape = shape(&["a=", "$a", "/"], &[("a", "string")]);
        let group = |value: &str| Group { values: values(&[value]), body: "x\n".into() };
        let sorted =
            desired(&shape, &location(), vec![group("1"), group("1-x"), group("Z"), group("é")], false).unwrap();
        let keys: Vec<&str> = sorted.iter().map(|desired| desired.key.as_str()).collect();
        assert_eq!(keys, ["a=1-x/symlink.txt", "a=1/symlink.txt", "a=Z/symlink.txt", "a=é/symlink.txt"]);
        assert!(desired(&shape, &location(), vec![group("x"), group("x")], false).is_err());
        assert!(desired(&shape, &location(), vec![group("x"), group("X")], false).is_ok());
        assert!(desired(&shape, &location(), vec![group("x"), group("X")], true).is_err());
    }

    #[test]
    fn a_published_manifest_keeps_its_file_where_case_does_not_count() {
        let published = ["a=É/symlink.txt".to_owned(), "a=x/symlink.txt".to_owned()];
        let refused =
            |new: &[&str]| folded(&location(), new.iter().copied(), &published).map(|error| error.to_string());
        assert_eq!(refused(&["a=x/symlink.txt", "a=y/symlink.txt"]), None);
        assert!(refused(&["a=y/symlink.txt", "a=X/symlink.txt"]).unwrap().contains("a=X/symlink.txt is the file of"));
        assert!(refused(&["a=é/symlink.txt"]).unwrap().contains("a=É/symlink.txt"));
    }
}
