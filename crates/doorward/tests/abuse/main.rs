//! The attacker's story comes to what the report says, and never past what the guide states.
#![expect(clippy::unwrap_used, reason = "a test's failures are panics")]

mod story;

#[test]
fn no_attack_gets_past_the_stated_limits() {
    for count in story::counts() {
        assert!(count.through <= count.stated, "{}: {} of {}", count.what, count.through, count.stated);
    }
}

#[test]
fn the_owner_is_kept_out_only_where_the_guide_says() {
    let gets_in: Vec<_> = story::owners().into_iter().map(|(_, gets_in)| gets_in).collect();
    assert_eq!(gets_in, [true, true, false, true, false, true, true]);
}

#[test]
fn the_report_is_what_the_story_comes_to() {
    assert_eq!(story::report(), include_str!("../../../../docs/reports/abuse.md"));
}
