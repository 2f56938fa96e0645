//! Webhooks: addresses of customers that are told of alerts, and when such an address is given up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::network::Network;
use crate::time::{AtUs, DAY_US};

/// The most endpoints of an organization.
pub const MOST_ENDPOINTS: usize = 20;
/// An endpoint that took nothing for so long is switched off.
pub const FAILING_US: i64 = 5 * DAY_US;
/// How long what was sent, and what was answered, can be looked at.
pub const KEPT_US: i64 = 30 * DAY_US;
/// How long the secret before a rotation signs beside the new one, if nobody says otherwise.
pub const OVERLAP_US: i64 = DAY_US;
/// The longest that it may.
pub const MOST_OVERLAP_US: i64 = 30 * DAY_US;

/// What is sent to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// Events, signed as Standard Webhooks says.
    Standard,
    /// Messages for people, as Slack's incoming webhooks take them.
    Slack,
}

impl Form {
    /// Every form.
    pub const ALL: [Form; 2] = [Form::Standard, Form::Slack];

    /// The word it is written as.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Form::Standard => "standard",
            Form::Slack => "slack",
        }
    }

    /// The form that is written so.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.as_str() == word)
    }
}

/// Why an endpoint is switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Off {
    /// Somebody did.
    ByHand,
    /// It took nothing for [`FAILING_US`].
    Failing,
    /// It said that it is gone for good (410).
    Gone,
}

impl Off {
    /// Every reason.
    pub const ALL: [Off; 3] = [Off::ByHand, Off::Failing, Off::Gone];

    /// The word it is written as.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Off::ByHand => "by_hand",
            Off::Failing => "failing",
            Off::Gone => "gone",
        }
    }

    /// The reason that is written so.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|off| off.as_str() == word)
    }
}

/// Whether an endpoint that fails now, and did since `since`, is switched off.
#[must_use]
pub fn is_given_up(since: AtUs, now: AtUs) -> bool {
    now.since(since) >= FAILING_US
}

/// Which addresses may be called for customers. An operator's own network must not be reached by
/// whoever can name an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The public internet by TLS, and these networks.
    Public(Vec<Network>),
    /// Everything: an installation that only its own machine reaches.
    Everything,
}

impl Reach {
    /// Whether it may be called without TLS.
    #[must_use]
    pub fn allows_plain(&self) -> bool {
        *self == Reach::Everything
    }

    /// Whether this address may be called.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        match self {
            Reach::Everything => true,
            Reach::Public(networks) => {
                is_public(address) || networks.iter().any(|network| network.contains(address))
            }
        }
    }
}

/// Whether an address is one of the public internet: not of this machine or network, not one that
/// carries such an address in it, and not set apart for anything else (RFC 6890).
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_set_apart = address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_documentation()
        || matches!(
            (a, b, c),
            // This network; carriers' own; protocol assignments; 6to4 relays; benchmarks;
            // multicast and everything above it, which is reserved.
            (0, ..)
                | (100, 64..=127, _)
                | (192, 0, 0)
                | (192, 88, 99)
                | (198, 18..=19, _)
                | (224..=255, ..)
        );
    !is_set_apart
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    let v4 = |high: u16, low: u16| {
        is_public_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
    };
    match parts {
        // NAT64 and 6to4 lead to the IPv4 address in them.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        // Protocol assignments and Teredo; documentation.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // All that is routed begins with the bits 001; the rest is this machine's, its network's,
        // multicast, or nobody's.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn what_is_of_this_network_is_not_public_in_whatever_disguise() {
        for text in [
            "127.0.0.1",
            "127.255.255.254",
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "2002:a00:1::1",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address(text)), "{text}");
        }
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "64:ff9b::101:101",
            "2002:101:101::1",
            "::ffff:1.1.1.1",
        ] {
            assert!(is_public(address(text)), "{text}");
        }
    }

    #[test]
    fn an_operator_may_open_networks() {
        let own = Network::parse("10.1.0.0/16").expect("a network");
        let reach = Reach::Public(vec![own]);
        assert!(reach.allows(address("10.1.2.3")) && reach.allows(address("1.1.1.1")));
        assert!(!reach.allows(address("10.2.0.1")) && !reach.allows_plain());
        assert!(Reach::Everything.allows(address("127.0.0.1")));
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for form in Form::ALL {
            assert_eq!(Form::from_word(form.as_str()), Some(form));
        }
        for off in Off::ALL {
            assert_eq!(Off::from_word(off.as_str()), Some(off));
        }
        assert!(is_given_up(AtUs(0), AtUs(FAILING_US)));
        assert!(!is_given_up(AtUs(1), AtUs(FAILING_US)));
    }
}
