//! `calibrate`: what password hashing costs on this machine, and the settings that would cost a given time.

use std::io;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Duration;

use doorward::password::calibration::{Measurement, kernel, measure, time_of_one_hash};
use doorward::password::{HashParameters, InvalidParameters, MAX_MEMORY_KIB, PoolSettings};
use serde_json::json;

use super::output::print_line;
use crate::failure::Failure;
use crate::settings::Settings;

/// What is measured besides the settings in force: RFC 9106 §4 (its first option takes 2 GiB, more than a hash may
/// take here) and OWASP's Password Storage Cheat Sheet.
const KNOWN: [(&str, [u32; 3]); 4] = [
    ("RFC 9106, second", [65_536, 3, 4]),
    ("OWASP, 46 MiB", [47_104, 1, 1]),
    ("OWASP, 19 MiB", [19_456, 2, 1]),
    ("OWASP, 12 MiB", [12_288, 3, 1]),
];
/// The least that is ever suggested: OWASP's minimum at three passes.
const LEAST: [u32; 3] = [12_288, 3, 1];
/// The most memory of a suggested hash unless `password_hash_budget_mib` says how much there is.
const UNBUDGETED_KIB: u32 = 256 * 1024;
/// A suggestion is a whole number of MiB.
const MEBIBYTE_KIB: u32 = 1024;

struct Row {
    name: &'static str,
    parameters: HashParameters,
    threads: NonZeroUsize,
    cost: Measurement,
}

/// Measures, prints a table and the settings for `target_millis`. Touches no data.
pub(crate) fn run(settings: &Settings, target_millis: u32, json: bool) -> Result<ExitCode, Failure> {
    let target = Duration::from_millis(target_millis.into());
    let rows = rows(settings).map_err(Failure::because)?;
    let suggested = suggestion(settings, target).map_err(Failure::because)?;
    if json {
        print_line(&as_json(&rows, &suggested, target_millis).to_string())?;
    } else {
        print_table(&rows, &suggested, target)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn rows(settings: &Settings) -> io::Result<Vec<Row>> {
    let known = KNOWN.into_iter().filter_map(|(name, cost)| Some((name, parameters(cost).ok()?)));
    let all = [("the settings in force", settings.hash_parameters)].into_iter().chain(known);
    all.map(|(name, parameters)| row(settings, name, parameters)).collect()
}

fn row(settings: &Settings, name: &'static str, parameters: HashParameters) -> io::Result<Row> {
    let threads = match settings.hash_budget_mib {
        Some(budget) => PoolSettings::within_budget(parameters, budget),
        None => PoolSettings::new(parameters),
    }
    .workers;
    Ok(Row { name, parameters, threads, cost: measure(parameters, threads)? })
}

fn suggestion(settings: &Settings, target: Duration) -> io::Result<Row> {
    let cores = u32::try_from(PoolSettings::new(settings.hash_parameters).workers.get()).unwrap_or(u32::MAX);
    let most_kib = settings.hash_budget_mib.map_or(UNBUDGETED_KIB, |budget| budget.saturating_mul(1024) / cores);
    let found = strongest_within(target, most_kib.min(MAX_MEMORY_KIB), time_of_one_hash)?;
    row(settings, "suggested", found)
}

/// The strongest parameters of which `time` says that one hash stays within `target`, and never less than OWASP's
/// minimum: memory first, for it is memory that an attacker pays for, up to `most_kib`; then passes.
fn strongest_within(
    target: Duration,
    most_kib: u32,
    mut time: impl FnMut(HashParameters) -> io::Result<Duration>,
) -> io::Result<HashParameters> {
    let least = parameters(LEAST).map_err(io::Error::other)?;
    let mut candidate = parameters([most_kib.clamp(LEAST[0], 65_536), 3, 4]).map_err(io::Error::other)?;
    let mut share = 1.0;
    for _ in 0..6 {
        let took = time(candidate)?;
        let affordable = work(candidate) * target.as_secs_f64() / took.as_secs_f64().max(1e-9) * share;
        let Some(next) = shaped(affordable, most_kib) else { return Ok(least) };
        // What is measured decides, not what was reckoned: the time of a block grows with the memory.
        let is_best = took <= target && work(candidate) >= 0.93 * affordable;
        if is_best {
            return Ok(candidate);
        }
        candidate = next;
        share *= 0.98;
    }
    Ok(if time(candidate)? <= target { candidate } else { least })
}

/// Blocks computed for one hash.
fn work(parameters: HashParameters) -> f64 {
    f64::from(parameters.memory_kib()) * f64::from(parameters.iterations())
}

/// Parameters of at most that work; `None` when these would be less than OWASP's minimum.
fn shaped(work: f64, most_kib: u32) -> Option<HashParameters> {
    let most_kib = most_kib.max(LEAST[0]) / MEBIBYTE_KIB * MEBIBYTE_KIB;
    let memory_kib = whole(work / 3.0).min(most_kib) / MEBIBYTE_KIB * MEBIBYTE_KIB;
    if memory_kib < LEAST[0] {
        return None;
    }
    let iterations = whole(work / f64::from(memory_kib)).max(3);
    let allowed = (3..=iterations).rev().find_map(|iterations| parameters([memory_kib, iterations, 4]).ok());
    allowed.or_else(|| parameters(LEAST).ok())
}

/// The whole number below.
fn whole(number: f64) -> u32 {
    // Saturates, and makes nothing of what is no number.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "that is what is asked for")]
    let whole = number as u32;
    whole
}

fn parameters([memory_kib, iterations, lanes]: [u32; 3]) -> Result<HashParameters, InvalidParameters> {
    HashParameters::new(memory_kib, iterations, lanes)
}

fn print_table(rows: &[Row], suggested: &Row, target: Duration) -> Result<(), Failure> {
    print_line(&format!("Argon2id here: kernel {}, as many hashes at once as cores and budget allow\n", kernel()))?;
    print_line("                         m KiB   t   p  one hash, ms  a second  memory in all")?;
    for row in rows.iter().chain([suggested]) {
        let [memory, iterations, lanes] = cost(row);
        let (millis, rate, mib) = (millis(row), row.cost.hashes_a_second, memory_mib(row));
        let name = row.name;
        print_line(&format!(
            "{name:22} {memory:>7} {iterations:>3} {lanes:>3} {millis:>13.1} {rate:>9.1} {mib:>10} MiB"
        ))?;
    }
    let [memory, iterations, lanes] = cost(suggested);
    let target = target.as_millis();
    print_line(&format!("\nFor doorward.toml, at most {target} ms a hash on an idle machine:\n"))?;
    print_line(&format!("password_hash_memory_kib = {memory}"))?;
    print_line(&format!("password_hash_iterations = {iterations}"))?;
    print_line(&format!("password_hash_lanes = {lanes}"))?;
    if cost(suggested) == LEAST {
        print_line(&format!(
            "\nThis is OWASP's minimum; nothing weaker is suggested, even where it takes over {target} ms."
        ))?;
    }
    Ok(())
}

fn as_json(rows: &[Row], suggested: &Row, target_millis: u32) -> serde_json::Value {
    let value = |row: &Row| {
        let [memory_kib, iterations, lanes] = cost(row);
        json!({
            "name": row.name,
            "memory_kib": memory_kib,
            "iterations": iterations,
            "lanes": lanes,
            "one_hash_ms": millis(row),
            "hashes_a_second": row.cost.hashes_a_second,
            "threads": row.threads,
            "memory_mib": memory_mib(row),
        })
    };
    json!({
        "kernel": kernel(),
        "target_ms": target_millis,
        "measured": rows.iter().map(value).collect::<Vec<_>>(),
        "suggested": value(suggested),
    })
}

fn cost(row: &Row) -> [u32; 3] {
    [row.parameters.memory_kib(), row.parameters.iterations(), row.parameters.lanes()]
}

fn millis(row: &Row) -> f64 {
    row.cost.one_hash.as_secs_f64() * 1000.0
}

fn memory_mib(row: &Row) -> u64 {
    u64::from(row.parameters.memory_kib()) * row.threads.get() as u64 / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a machine that takes so long for a block.
    fn found(target_millis: u64, most_mib: u32, block_nanos: f64) -> [u32; 3] {
        let time = |parameters| Ok(Duration::from_secs_f64(work(parameters) * block_nanos / 1e9));
        let found = strongest_within(Duration::from_millis(target_millis), most_mib * 1024, time).unwrap();
        assert!(!found.is_below_recommendation());
        let takes = work(found) * block_nanos / 1e6;
        let least = [found.memory_kib(), found.iterations(), found.lanes()] == LEAST;
        assert!(least || takes <= target_millis as f64, "{takes} of {target_millis} ms");
        [found.memory_kib(), found.iterations(), found.lanes()]
    }

    #[test]
    fn memory_comes_first_then_passes() {
        let [memory, iterations, lanes] = found(100, 256, 250.0);
        assert!((120 * 1024..=134 * 1024).contains(&memory) && (iterations, lanes) == (3, 4), "{memory}");
        let [memory, iterations, _] = found(1000, 256, 250.0);
        assert_eq!(memory, 256 * 1024);
        assert!((14..=15).contains(&iterations), "{iterations}");
        assert_eq!(found(100, 32, 250.0)[0], 32 * 1024);
    }

    #[test]
    fn nothing_is_suggested_below_owasps_minimum() {
        assert_eq!(found(1, 256, 250.0), LEAST);
        assert_eq!(found(250, 256, 100_000.0), LEAST);
        for target in [1, 5, 9, 10, 12, 20, 100, 250, 1000, 60_000] {
            for most_mib in [0, 1, 12, 13, 64, 1024] {
                for block_nanos in [1.0, 60.0, 250.0, 2000.0] {
                    found(target, most_mib, block_nanos);
                }
            }
        }
    }
}
