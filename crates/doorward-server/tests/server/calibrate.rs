//! `doorward calibrate`, on this machine.

use serde_json::Value;

use crate::application::Home;

#[test]
fn calibrating_suggests_settings_that_the_server_takes() {
    let home = Home::new();
    let output = home.run(&["calibrate", "--target-ms", "20"]).done();
    assert!(output.contains("kernel ") && output.contains("RFC 9106, second"), "{output}");
    let lines: Vec<_> = output.lines().filter(|line| line.starts_with("password_hash_")).collect();
    assert_eq!(lines.len(), 3, "{output}");
    home.write("doorward.toml", &lines.join("\n"));
    // Nothing below OWASP's minimum: that would be a warning.
    let checked = home.run(&["config", "check"]).done();
    assert!(checked.ends_with("ok\n") && !checked.contains("cheaper"), "{checked}");
    assert!(!home.data("doorward.db").exists() && !home.data("secret.key").exists());
}

#[test]
fn calibrating_keeps_to_the_budget_and_speaks_json() {
    let arguments = ["calibrate", "--json", "--target-ms", "1", "--password-hash-budget-mib", "64"];
    let output: Value = serde_json::from_str(&Home::new().run(&arguments).done()).unwrap();
    assert!(["AVX-512", "AVX2", "portable"].contains(&output["kernel"].as_str().unwrap()));
    assert_eq!(output["measured"].as_array().unwrap().len(), 5);
    let suggested = &output["suggested"];
    assert!(suggested["memory_kib"].as_u64() >= Some(12_288) && suggested["iterations"].as_u64() >= Some(3));
    for row in output["measured"].as_array().unwrap().iter().chain([suggested]) {
        assert!(row["memory_mib"].as_u64().unwrap() <= 64, "{row}");
        assert!(row["one_hash_ms"].as_f64() > Some(0.0) && row["hashes_a_second"].as_f64() > Some(0.0), "{row}");
    }
}
