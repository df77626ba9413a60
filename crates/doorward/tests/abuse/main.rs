//! The attacker's story comes to what the report says, and never past what the guide states.
#![expect(clippy::unwrap_used, reason = "a test's failures are panics")]

mod story;

use std::net::IpAddr;

use doorward::error::Fault;
use doorward::limits::{Attempt, Outcome};
use doorward::testing::block_on;

#[test]
fn no_attack_gets_past_the_stated_limits() {
    for count in story::counts() {
        assert!(count.through <= count.stated, "{}: {} of {}", count.what, count.through, count.stated);
    }
}

#[test]
fn the_owner_is_kept_out_only_where_the_guide_says() {
    let gets_in: Vec<_> = story::owners().into_iter().map(|(_, gets_in)| gets_in).collect();
    assert_eq!(
        gets_in,
        [
            true, true, false, true, false, true, true, true, true, true, false, true, false, true, true, true, true,
            true, true, true
        ]
    );
}

#[test]
fn the_report_is_what_the_story_comes_to() {
    assert_eq!(story::report(), include_str!("../../../../docs/reports/abuse.md"));
}

#[test]
fn codes_and_recoveries_are_limited_before_they_are_tried() {
    let auth = story::World::new().auth;
    let account = "ada@example.com";
    let address = |last: u8| Some(IpAddr::from([203, 0, 113, last]));
    let admitted = |attempt: Attempt<'_>, outcome| match block_on(auth.admit(attempt)) {
        Ok(admission) => {
            block_on(auth.settle(admission, outcome));
            true
        }
        Err(Fault::Limited(_)) => false,
        Err(error) => unreachable!("{error}"),
    };
    let through = |attempt: &dyn Fn(u8) -> Attempt<'static>, outcome| {
        (0..200_u8).filter(|number| admitted(attempt(*number), outcome)).count()
    };
    // A code is one account's wherever it is entered; a right one costs nothing.
    assert_eq!(through(&|last| Attempt::Code { account, address: address(last) }, Outcome::Succeeded), 200);
    assert_eq!(through(&|last| Attempt::Code { account, address: address(last) }, Outcome::Failed), 5);
    assert_eq!(through(&|last| Attempt::Recovery { account, address: address(last) }, Outcome::Succeeded), 3);
    let others = ["a@example.com", "b@example.com", "c@example.com", "d@example.com"];
    let other = |number: u8| others[usize::from(number) % others.len()];
    assert_eq!(
        through(&|number| Attempt::Recovery { account: other(number), address: address(1) }, Outcome::Failed),
        12
    );
    let fresh: Vec<String> = (0..200).map(|number| format!("{number}@example.com")).collect();
    let requests = fresh
        .iter()
        .filter(|account| admitted(Attempt::Recovery { account, address: address(250) }, Outcome::Succeeded));
    assert_eq!(requests.count(), 20);
    assert_eq!(auth.refused_by_limits().filter(|(_, refused)| *refused > 0).count(), 3);
}
