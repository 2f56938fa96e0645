//! Bounds on what strangers may try: so many at once, then one at a time.
//!
//! As in [`rate`](crate::rate), a leaky bucket; here the whole state is one instant (when the
//! bucket will be empty again), so that a database can keep it as a number and move it in one
//! statement, whichever node asks.
//!
//! Whoever knows an address must not be able to keep its owner out. So guesses are counted for each
//! pair of account and network, and for each network; those for an account from everywhere are
//! counted too, with much more room and a wait of seconds, against guessing from many networks.

use std::net::IpAddr;

use crate::time::{AtUs, DAY_US, HOUR_US, MINUTE_US, SECOND_US};

/// `burst` at once, then one in each `every_us`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// What is counted, as it is stored.
    pub name: &'static str,
    /// Microseconds until one more is allowed.
    pub every_us: i64,
    /// How many are allowed at once.
    pub burst: i64,
}

/// Passwords and second factors, for one account from one network.
pub const GUESSES_OF_ACCOUNT_FROM_NETWORK: Throttle = Throttle {
    name: "guess/account+network",
    every_us: MINUTE_US,
    burst: 10,
};
/// Passwords and second factors, from one network.
pub const GUESSES_FROM_NETWORK: Throttle = Throttle {
    name: "guess/network",
    every_us: 5 * SECOND_US,
    burst: 50,
};
/// Passwords and second factors, for one account from everywhere.
pub const GUESSES_OF_ACCOUNT: Throttle = Throttle {
    name: "guess/account",
    every_us: 20 * SECOND_US,
    burst: 100,
};
/// Sign-ups from one network.
pub const SIGNUPS_FROM_NETWORK: Throttle = Throttle {
    name: "signup/network",
    every_us: 5 * MINUTE_US,
    burst: 20,
};
/// Browsers from one network that are sent to a provider: whole offices come from one.
pub const SSO_FROM_NETWORK: Throttle = Throttle {
    name: "sso/network",
    every_us: 2 * SECOND_US,
    burst: 100,
};
/// Mails to one address that one network causes. Whoever uses these up keeps nobody else from
/// asking for one.
pub const MAILS_TO_ADDRESS_FROM_NETWORK: Throttle = Throttle {
    name: "mail/address+network",
    every_us: 20 * MINUTE_US,
    burst: 4,
};
/// Mails to one address that anybody causes.
pub const MAILS_TO_ADDRESS: Throttle = Throttle {
    name: "mail/address",
    every_us: 5 * MINUTE_US,
    burst: 12,
};
/// Text messages to one phone that one network causes.
pub const TEXTS_TO_PHONE_FROM_NETWORK: Throttle = Throttle {
    name: "text/phone+network",
    every_us: 30 * MINUTE_US,
    burst: 4,
};
/// Text messages to one phone that anybody causes: each costs money.
pub const TEXTS_TO_PHONE: Throttle = Throttle {
    name: "text/phone",
    every_us: 20 * MINUTE_US,
    burst: 8,
};
/// Text messages caused by one network.
pub const TEXTS_FROM_NETWORK: Throttle = Throttle {
    name: "text/network",
    every_us: 10 * MINUTE_US,
    burst: 20,
};
/// Codes that are tried from one network.
pub const CODES_FROM_NETWORK: Throttle = Throttle {
    name: "code/network",
    every_us: 20 * SECOND_US,
    burst: 50,
};
/// Codes of an authenticator app that are tried for one account, from everywhere. Only who has the
/// password gets so far. One try in 333,333 is right by luck, so 3 % of whole years of trying are.
pub const FACTOR_CODES_OF_ACCOUNT: Throttle = Throttle {
    name: "factor/account",
    every_us: HOUR_US,
    burst: 10,
};
/// Challenges for passkeys that one network asks for: each is a row for five minutes.
pub const PASSKEY_CHALLENGES_FROM_NETWORK: Throttle = Throttle {
    name: "challenge/network",
    every_us: 5 * SECOND_US,
    burst: 50,
};
/// Reports of leaked keys that nobody signed who may, from one network.
pub const LEAK_REPORTS_FROM_NETWORK: Throttle = Throttle {
    name: "leak/network",
    every_us: 10 * SECOND_US,
    burst: 20,
};
/// Redeem codes that one organization tries: people type a few, and guessing takes 2^90 tries.
pub const REDEMPTIONS_OF_ORGANIZATION: Throttle = Throttle {
    name: "redeem/organization",
    every_us: MINUTE_US,
    burst: 20,
};
/// Changes of address or phone that one user begins.
pub const CHANGES_OF_USER: Throttle = Throttle {
    name: "change/user",
    every_us: DAY_US / 10,
    burst: 10,
};

impl Throttle {
    /// Takes one, at `now`, from a bucket that is empty again at `empty_at`. Answers when it will
    /// be empty then.
    ///
    /// # Errors
    /// The instant at which one may be taken.
    pub fn take(&self, empty_at: AtUs, now: AtUs) -> Result<AtUs, AtUs> {
        let room_from = empty_at.plus(-self.depth_us());
        match now < room_from {
            true => Err(room_from),
            false => Ok(empty_at.max(now).plus(self.every_us)),
        }
    }

    /// How far from now `empty_at` may be for one more to be allowed.
    #[must_use]
    pub fn depth_us(&self) -> i64 {
        self.every_us * (self.burst - 1)
    }
}

/// The network that an address belongs to, as far as one party is likely to have all of it: an IPv4
/// address, or the first 64 bits of an IPv6 address.
#[must_use]
pub fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: AtUs = AtUs(1_800_000_000_000_000);
    const FIVE: Throttle = Throttle {
        name: "five",
        every_us: MINUTE_US,
        burst: 5,
    };

    #[test]
    fn so_many_at_once_then_one_at_a_time() {
        let mut empty_at = AtUs(0);
        for _ in 0..5 {
            empty_at = FIVE.take(empty_at, START).expect("there is room");
        }
        let next = START.plus(MINUTE_US);
        assert_eq!(FIVE.take(empty_at, START), Err(next));
        assert_eq!(FIVE.take(empty_at, next.plus(-1)), Err(next));
        let empty_at = FIVE.take(empty_at, next).expect("one more");
        assert_eq!(FIVE.take(empty_at, next), Err(next.plus(MINUTE_US)));
    }

    #[test]
    fn networks_are_what_one_party_has() {
        for (address, of) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
            ("::1", "0:0:0:0::/64"),
        ] {
            assert_eq!(network(address.parse().expect(address)), of);
        }
    }

    proptest! {
        #[test]
        fn no_timing_gets_more_than_the_burst_and_the_rate(
            waits in proptest::collection::vec(0_i64..2 * MINUTE_US, 1..200),
        ) {
            let (mut empty_at, mut now, mut taken) = (AtUs(0), START, 0);
            for wait in waits {
                now = now.plus(wait);
                match FIVE.take(empty_at, now) {
                    Ok(next) => {
                        empty_at = next;
                        taken += 1;
                    }
                    Err(from) => {
                        prop_assert!(from > now);
                        prop_assert!(FIVE.take(empty_at, from).is_ok(), "waiting suffices");
                    }
                }
                prop_assert!(taken <= 5 + now.since(START) / MINUTE_US);
            }
        }
    }
}
