//! Over an S3 Inventory, which is a day old: what it would change is listed live before it is a plan, but for tables that
//! are `append_only`. Reads only.

use std::collections::BTreeSet;

use super::draw::{Drawn, DrawnTable};
use super::partial::{self, Partial};
use crate::apply::Options;
use crate::apply::planning::Planning;
use crate::cli::Global;
use crate::error::Result;
use crate::listing::Sources;
use crate::plan::brakes::counted;
use crate::plan::{self, Kind, TablePlan};
use crate::rules;
use crate::rules::table::{Rules, Table};
use crate::rules::wanted::{Allowed, Order, Wanted};
use crate::uri::Shown;

/// `drawn`, with the plans of tables that an inventory would change drawn up anew from what lies in those partitions now.
/// Where the table is published for the first time, or only a whole run can tell, that is all of its partitions.
///
/// # Errors
/// As [`partial::draw`].
pub async fn confirmed(
    global: &Global,
    rules: &Rules,
    sources: &Sources,
    planning: Planning,
    mut drawn: Drawn,
    run: Option<&Options>,
) -> Result<Drawn> {
    const WHY: &str = "an inventory, which is not of now, would change them; `append_only = true` takes its word";
    let mut partial = Partial { wanted: Vec::new(), whole: BTreeSet::new(), live: true, said: String::new() };
    for table in &rules.tables {
        let drawn = drawn.tables.iter().find(|drawn| drawn.name == table.name);
        let mut wanted = Wanted::default();
        if let Some((drawn, plan)) = drawn.and_then(|drawn| Some((drawn, to_confirm(table, drawn, sources)?))) {
            wanted = changed(plan);
            let mut what = counted(plan.changes.len() as u64, "partition");
            if is_whole(table, drawn, plan, &wanted, &planning) {
                wanted.insert_all(table.partitioned_by.iter().map(|_| Allowed::any(Order::Bytes)).collect());
                partial.whole.insert(table.name.clone());
                what = "all".to_owned();
            }
            global.say(format_args!("listing {what} of `{}` live: {WHY}", Shown(&table.name)));
        }
        partial.wanted.push(wanted);
    }
    if partial.wanted.iter().all(Wanted::is_empty) {
        return Ok(drawn);
    }
    let live = partial::draw(global, rules, &partial, planning, || (), run).await;
    let live = live.map_err(|error| error.note(format!("this was asked because {WHY}")))?;
    for table in live.tables {
        if let Some(old) = drawn.tables.iter_mut().find(|old| old.name == table.name) {
            *old = table;
        }
    }
    drawn.listed.extend(live.listed);
    Ok(drawn)
}

/// The plan of a table that would be changed by an inventory's word alone.
fn to_confirm<'d>(table: &Table, drawn: &'d DrawnTable, sources: &Sources) -> Option<&'d TablePlan> {
    let is_reported = || table.rules.iter().flat_map(rules::listed).any(|prefix| sources.is_reported(&prefix));
    if table.append_only || !drawn.refusals.is_empty() || !is_reported() {
        return None;
    }
    drawn.plan.as_ref().filter(|plan| !plan.changes.is_empty() || plan.switch.is_some())
}

fn changed(plan: &TablePlan) -> Wanted {
    let (mut wanted, shape) = (Wanted::default(), plan.shape());
    plan.changes.iter().for_each(|change| wanted.insert(change.values(&shape)));
    wanted
}

/// Whether some partitions cannot be told without the others.
fn is_whole(table: &Table, drawn: &DrawnTable, plan: &TablePlan, wanted: &Wanted, planning: &Planning) -> bool {
    let Some(marker) = &drawn.published else { return true };
    let refused = || plan::partial::refusal(table, wanted, Some(marker), &plan.marker).is_some();
    plan.kind != Kind::Refresh || plan.moved_lines > 0 || planning.full || planning.adopt || refused()
}
