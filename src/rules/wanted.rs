//! What a partial run takes: partitions by what their columns may be.
//!
//! Pure. Texts compare as engines compare them, by bytes; whole numbers by their value. NULL is in no comparison.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::value::{PartitionType, PartitionValue};

/// Which partitions of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Each said by its values.
    exact: BTreeSet<Vec<PartitionValue>>,
    /// And those that any of these holds for, with one [`Allowed`] per partition column.
    any_of: BTreeSet<Vec<Allowed>>,
}

impl Wanted {
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.any_of.is_empty()
    }

    /// Adds one partition.
    pub fn insert(&mut self, values: Vec<PartitionValue>) {
        self.exact.insert(values);
    }

    /// Adds the partitions that these columns allow; one for each column.
    pub fn insert_all(&mut self, columns: Vec<Allowed>) {
        self.any_of.insert(columns);
    }

    /// Whether this partition is one of them.
    pub fn contains(&self, values: &[PartitionValue]) -> bool {
        self.exact.contains(values)
            || self.any_of.iter().any(|all| all.iter().zip(values).all(|(allowed, value)| allowed.contains(value)))
    }

    /// The partitions that are said by their values.
    pub fn exact(&self) -> impl ExactSizeIterator<Item = &[PartitionValue]> {
        self.exact.iter().map(Vec::as_slice)
    }

    /// Those that are said by what their columns may be.
    pub fn open(&self) -> impl ExactSizeIterator<Item = &[Allowed]> {
        self.any_of.iter().map(Vec::as_slice)
    }

    /// What columns may be, one set after the other: together they are all of it.
    pub fn each(&self) -> impl Iterator<Item = Vec<Allowed>> + '_ {
        let exact = self.exact.iter().map(|values| values.iter().cloned().map(Allowed::value).collect());
        exact.chain(self.any_of.iter().cloned())
    }
}

/// What one partition column may be; by itself, anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Allowed {
    /// How its values compare.
    order: Order,
    /// If there are some, it is one of them.
    values: Option<BTreeSet<PartitionValue>>,
    low: Option<Bound>,
    high: Option<Bound>,
    except: BTreeSet<PartitionValue>,
    not_null: bool,
}

/// How the values of a column compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// By bytes: texts, dates.
    #[default]
    Bytes,
    /// By their value: whole numbers, all in the form that [`PartitionType::value`] gives them.
    Integer,
    /// By their value where both are numbers, else by bytes: decimals, as they came.
    Number,
}

impl Order {
    pub fn of(kind: &PartitionType) -> Order {
        match kind {
            PartitionType::Text | PartitionType::Date => Order::Bytes,
            PartitionType::Integer { .. } => Order::Integer,
            PartitionType::Other => Order::Number,
        }
    }

    fn compare(self, a: &str, b: &str) -> Ordering {
        let by_value = match self {
            Order::Bytes => None,
            Order::Integer => a.parse::<i64>().ok().zip(b.parse::<i64>().ok()).map(|(a, b)| a.cmp(&b)),
            Order::Number => a.parse::<f64>().ok().zip(b.parse::<f64>().ok()).and_then(|(a, b)| a.partial_cmp(&b)),
        };
        by_value.unwrap_or_else(|| a.as_bytes().cmp(b.as_bytes()))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Bound {
    text: String,
    inclusive: bool,
}

impl Allowed {
    /// This value and no other.
    pub fn value(value: PartitionValue) -> Allowed {
        Allowed { values: Some(BTreeSet::from([value])), ..Allowed::default() }
    }

    /// Anything, compared in this order.
    pub fn any(order: Order) -> Allowed {
        Allowed { order, ..Allowed::default() }
    }

    /// One of these, besides.
    pub fn within(&mut self, values: impl IntoIterator<Item = PartitionValue>) {
        let values: BTreeSet<PartitionValue> = values.into_iter().collect();
        self.values = Some(match self.values.take() {
            Some(already) => already.into_iter().filter(|value| values.contains(value)).collect(),
            None => values,
        });
    }

    /// Not this, and not NULL.
    pub fn not(&mut self, value: PartitionValue) {
        self.except.insert(value);
        self.not_null = true;
    }

    pub fn not_null(&mut self) {
        self.not_null = true;
    }

    /// At least this, or more than it.
    pub fn at_least(&mut self, text: &str, inclusive: bool) {
        let order = self.order;
        tighten(&mut self.low, text, inclusive, |new, old| order.compare(new, old));
        self.not_null = true;
    }

    /// At most this, or less than it.
    pub fn at_most(&mut self, text: &str, inclusive: bool) {
        let order = self.order;
        tighten(&mut self.high, text, inclusive, |new, old| order.compare(old, new));
        self.not_null = true;
    }

    /// The one value that it may be, where that is said.
    pub fn only(&self) -> Option<&PartitionValue> {
        let values = self.values.as_ref()?;
        values.first().filter(|_| values.len() == 1)
    }

    pub fn is_any(&self) -> bool {
        *self == Allowed::any(self.order)
    }

    pub fn contains(&self, value: &PartitionValue) -> bool {
        if self.values.as_ref().is_some_and(|values| !values.contains(value)) || self.except.contains(value) {
            return false;
        }
        let Some(text) = value.as_str() else { return !self.not_null };
        let beyond = |bound: &Option<Bound>, outside: Ordering| {
            bound.as_ref().is_none_or(|bound| match self.order.compare(text, &bound.text) {
                Ordering::Equal => bound.inclusive,
                found => found != outside,
            })
        };
        beyond(&self.low, Ordering::Less) && beyond(&self.high, Ordering::Greater)
    }

    /// All values that it may be, where they are few.
    pub fn values(&self) -> Option<Vec<PartitionValue>> {
        /// Whole numbers between two bounds that are taken one by one.
        const MAX_BETWEEN: i64 = 400;
        if let Some(values) = &self.values {
            return Some(values.iter().filter(|value| self.contains(value)).cloned().collect());
        }
        let number = |bound: &Option<Bound>| bound.as_ref()?.text.parse::<i64>().ok();
        let (low, high) = (number(&self.low)?, number(&self.high)?);
        if self.order != Order::Integer || high.checked_sub(low)? > MAX_BETWEEN {
            return None;
        }
        let all = (low..=high).map(|number| PartitionValue::new(&number.to_string()));
        Some(all.filter(|value| self.contains(value)).collect())
    }

    /// Whether some value that it may be can begin so. `prefix` is text that no type has read yet.
    pub(super) fn may_begin(&self, prefix: &str) -> bool {
        if self.order != Order::Bytes {
            return true;
        }
        if let Some(values) = &self.values {
            return values.iter().any(|value| value.as_str().is_none_or(|text| text.starts_with(prefix)));
        }
        let cut = |text: &'_ str| text.as_bytes()[..text.len().min(prefix.len())].to_vec();
        self.low.as_ref().is_none_or(|low| prefix.as_bytes() >= cut(&low.text).as_slice())
            && self.high.as_ref().is_none_or(|high| prefix <= high.text.as_str())
    }

    /// Whether every text that begins so lies between its bounds.
    pub(super) fn holds_all(&self, prefix: &str) -> bool {
        let crossed = |bound: &Option<Bound>| bound.as_ref().is_some_and(|bound| bound.text.starts_with(prefix));
        self.values.is_none() && self.may_begin(prefix) && !crossed(&self.low) && !crossed(&self.high)
    }

    /// The text that no value lies before, where values compare by bytes.
    pub(super) fn least(&self) -> Option<&str> {
        let low = self.low.as_ref().filter(|_| self.order == Order::Bytes && self.values.is_none());
        low.map(|low| low.text.as_str())
    }

    /// What every value begins with, where values compare by bytes.
    pub fn common(&self) -> &str {
        let (Some(low), Some(high)) = (self.least(), &self.high) else { return "" };
        let same = low.char_indices().zip(high.text.chars()).find(|((_, a), b)| a != b);
        &low[..same.map_or(low.len().min(high.text.len()), |((at, _), _)| at)]
    }
}

/// Puts a bound where it leaves less than the one that was there; `further` says how far a text goes beyond another.
fn tighten(bound: &mut Option<Bound>, text: &str, inclusive: bool, further: impl Fn(&str, &str) -> Ordering) {
    let keeps = bound.as_ref().is_some_and(|old| match further(text, &old.text) {
        Ordering::Less => true,
        Ordering::Equal => inclusive || !old.inclusive,
        Ordering::Greater => false,
    });
    if !keeps {
        *bound = Some(Bound { text: text.to_owned(), inclusive });
    }
}
