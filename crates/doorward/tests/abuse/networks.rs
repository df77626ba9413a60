//! Many networks that are one holder's, and many that aren't: what a /48 of IPv6 gets, and what is left for the owner.

use std::net::Ipv6Addr;

use super::*;

/// The address that the attempt of a number comes from.
type AddressOf = fn(usize) -> IpAddr;

/// The address of that number in 2001:db8:1::/48, each in another /64, and in another /56 than the one before.
fn of_a_48(number: usize) -> IpAddr {
    let network = u16::try_from(number % 65_536).unwrap().swap_bytes();
    Ipv6Addr::new(0x2001, 0xdb8, 1, network, 0, 0, 0, 1).into()
}

/// One of 5,000 addresses.
fn of_5000(number: usize) -> IpAddr {
    (BOTNET + u32::try_from(number % 5000).unwrap()).to_be_bytes().into()
}

pub(crate) fn counts() -> Vec<Count> {
    let stuffing = counted(
        "Stuffing from a /48, another /64 and account each time, for an hour",
        16 * (100 + 120),
        |world, number| world.login_from(&somebody(number), "leaked", of_a_48(number)),
    );
    let recovering = counted(
        "Requests to recover accounts that nobody has, from a /48, another /64 each time, for an hour",
        16 * (20 + 20),
        |world, number| world.ask_to_recover(&somebody(number), of_a_48(number)),
    );
    vec![stuffing, recovering]
}

fn counted(what: &'static str, stated: usize, act: impl Fn(&World, usize) -> Tried) -> Count {
    let world = World::new();
    let (tried, through) = world.for_a_time(HOUR, |number| act(&world, number));
    Count { what, tried, through, stated }
}

pub(crate) fn owners() -> Vec<(&'static str, bool)> {
    let floods: [(_, usize, AddressOf); 2] = [
        (
            "Each /64 of a /48 asks to recover an account that nobody has; she logs in from where she did before",
            65_536,
            of_a_48,
        ),
        ("5,000 addresses ask for 20,000 such accounts; she logs in from where she did before", 20_000, of_5000),
    ];
    let mut scenes = Vec::new();
    for (scene, tries, address) in floods {
        let world = World::new();
        assert!(world.owner_gets_in(HOME));
        for number in 0..tries {
            world.ask_to_recover(&somebody(number), address(number));
        }
        scenes.push((scene, world.owner_gets_in(HOME)));
        scenes.push(("…from an address never seen", world.owner_gets_in(HOME + 1)));
        let asked = world.ask_to_recover(OWNER, IpAddr::from(HOME.to_be_bytes()));
        scenes.push(("…or asks for a letter to recover hers", matches!(asked, Tried::Checked { .. })));
    }
    scenes
}
