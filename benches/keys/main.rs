//! Writes the keys that the other benchmarks map: `cargo bench --no-default-features --bench keys -- COUNT sorted|shuffled FILE`.

#[path = "mod.rs"]
mod keys;

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let [count, order, file] = &words[..] else {
        println!("keys: COUNT sorted|shuffled FILE");
        return Ok(());
    };
    let keys = match order.as_str() {
        "sorted" => keys::sorted(count.parse()?),
        "shuffled" => keys::shuffled(count.parse()?),
        other => return Err(format!("{other}: sorted or shuffled").into()),
    };
    std::fs::write(Path::new(file), keys)?;
    Ok(())
}
