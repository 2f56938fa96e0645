//! Networks, and who is at the other end of a connection: what keys that are bound to addresses are
//! held against.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// A block of addresses, in CIDR's notation: `203.0.113.0/24`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    first: IpAddr,
    prefix_bits: u8,
}

/// Why a text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseNetworkError {
    /// There is no address in it.
    #[error("expected an IPv4 or IPv6 address or range, such as 203.0.113.0/24 or 2001:db8::/32")]
    NoAddress,
    /// What stands behind the slash is no number of bits of such an address.
    #[error("expected a number from 0 to {0} behind the slash")]
    Prefix(u8),
    /// The address is inside of the range, not its first: one of the two is a slip.
    #[error("the range begins at {0}")]
    NotFirst(Network),
}

impl Network {
    /// Reads a network. An IPv4 address that is written as IPv6 (`::ffff:…`) is an IPv4 one.
    ///
    /// # Errors
    /// [`ParseNetworkError`].
    pub fn parse(text: &str) -> Result<Self, ParseNetworkError> {
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text.trim(), None),
        };
        let written: IpAddr = address.parse().map_err(|_| ParseNetworkError::NoAddress)?;
        let first = written.to_canonical();
        let (most, skipped) = (bits(first), bits(written) - bits(first));
        let prefix_bits = match prefix {
            None => most,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                let given: Option<u8> = digits.parse().ok();
                let given = given.and_then(|given| given.checked_sub(skipped));
                given
                    .filter(|bits| *bits <= most)
                    .ok_or(ParseNetworkError::Prefix(most))?
            }
            Some(_) => return Err(ParseNetworkError::Prefix(most)),
        };
        let network = Network::around(first, prefix_bits);
        match network.first == first {
            true => Ok(network),
            false => Err(ParseNetworkError::NotFirst(network)),
        }
    }

    /// The network of this size that an address is in.
    fn around(address: IpAddr, prefix_bits: u8) -> Self {
        let first = match address {
            IpAddr::V4(it) => {
                let mask = u32::MAX.checked_shl(u32::from(32 - prefix_bits));
                IpAddr::V4((it.to_bits() & mask.unwrap_or(0)).into())
            }
            IpAddr::V6(it) => {
                let mask = u128::MAX.checked_shl(u32::from(128 - prefix_bits));
                IpAddr::V6((it.to_bits() & mask.unwrap_or(0)).into())
            }
        };
        Network { first, prefix_bits }
    }

    /// Whether an address is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let same_kind = address.is_ipv4() == self.first.is_ipv4();
        same_kind && Network::around(address, self.prefix_bits).first == self.first
    }
}

fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix_bits)
    }
}

/// The neighbours that are believed when they say for whom they call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

impl TrustedProxies {
    /// Those in these networks.
    #[must_use]
    pub fn new(networks: Vec<Network>) -> Self {
        TrustedProxies(networks)
    }

    /// The networks they are in.
    #[must_use]
    pub fn networks(&self) -> &[Network] {
        &self.0
    }

    /// Who is behind a connection, by the lines of its `X-Forwarded-For` headers. Each proxy adds
    /// to the end whom it speaks for, so the list is read from there, as long as whoever speaks is
    /// believed: anybody else might say anything.
    #[must_use]
    pub fn client<'a>(
        &self,
        peer: IpAddr,
        forwarded_for: impl DoubleEndedIterator<Item = &'a str>,
    ) -> IpAddr {
        let mut client = peer.to_canonical();
        for entry in forwarded_for.rev().flat_map(|line| line.rsplit(',')) {
            let is_believed = self.0.iter().any(|network| network.contains(client));
            match address(entry.trim()).filter(|_| is_believed) {
                Some(next) => client = next.to_canonical(),
                None => break,
            }
        }
        client
    }
}

/// An address; some proxies write the port behind it.
fn address(text: &str) -> Option<IpAddr> {
    let with_port = || text.parse::<SocketAddr>().ok().map(|it| it.ip());
    text.parse().ok().or_else(with_port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn network(text: &str) -> Network {
        Network::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    #[test]
    fn networks_are_read_as_they_are_written() {
        for (text, shown) in [
            ("203.0.113.0/24", "203.0.113.0/24"),
            (" 203.0.113.7 ", "203.0.113.7/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::/0", "::/0"),
            ("2001:DB8::/32", "2001:db8::/32"),
            ("2001:db8::1", "2001:db8::1/128"),
            ("::ffff:203.0.113.7", "203.0.113.7/32"),
            ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
        ] {
            assert_eq!(network(text).to_string(), shown, "{text}");
        }
    }

    #[test]
    fn slips_are_refused() {
        use ParseNetworkError::*;
        for (text, why) in [
            ("", NoAddress),
            ("/24", NoAddress),
            ("203.0.113", NoAddress),
            ("203.0.113.256", NoAddress),
            ("example.com", NoAddress),
            ("203.0.113.0/33", Prefix(32)),
            ("203.0.113.0/", Prefix(32)),
            ("203.0.113.0/+8", Prefix(32)),
            ("203.0.113.0/24/8", Prefix(32)),
            ("::ffff:203.0.113.0/95", Prefix(32)),
            ("2001:db8::/129", Prefix(128)),
            ("203.0.113.7/24", NotFirst(network("203.0.113.0/24"))),
            ("2001:db8::1/64", NotFirst(network("2001:db8::/64"))),
        ] {
            assert_eq!(Network::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn addresses_are_inside_or_outside() {
        for (block, inside, outside) in [
            ("203.0.113.0/24", "203.0.113.255", "203.0.114.0"),
            ("203.0.113.0/24", "::ffff:203.0.113.9", "2001:db8::1"),
            ("203.0.113.7", "203.0.113.7", "203.0.113.8"),
            ("203.0.113.128/25", "203.0.113.200", "203.0.113.127"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "2001:db8::1", "203.0.113.7"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
        ] {
            let block = network(block);
            assert!(block.contains(inside.parse().unwrap()), "{block} {inside}");
            let outside: IpAddr = outside.parse().unwrap();
            assert!(!block.contains(outside), "{block} {outside}");
        }
    }

    #[test]
    fn whoever_is_believed_says_for_whom_it_calls() {
        let here = ["127.0.0.0/8", "::1", "10.0.0.0/8"];
        let proxies = TrustedProxies::new(here.into_iter().map(network).collect());
        for (peer, lines, client) in [
            ("192.0.2.7", &[][..], "192.0.2.7"),
            ("192.0.2.7", &["203.0.113.9"], "192.0.2.7"),
            ("::ffff:192.0.2.7", &[], "192.0.2.7"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("127.0.0.1", &["203.0.113.9:4711"], "203.0.113.9"),
            ("127.0.0.1", &["[2001:db8::1]:443"], "2001:db8::1"),
            // What a client sent itself stands before what the proxy saw.
            ("::1", &["10.0.0.1, 203.0.113.9"], "203.0.113.9"),
            (
                "::1",
                &["198.51.100.1, 203.0.113.9, 10.0.0.1"],
                "203.0.113.9",
            ),
            (
                "::1",
                &["198.51.100.1", "203.0.113.9", "10.0.0.1"],
                "203.0.113.9",
            ),
            ("127.0.0.1", &["203.0.113.9, nonsense"], "127.0.0.1"),
            ("127.0.0.1", &["203.0.113.9", ""], "127.0.0.1"),
            ("127.0.0.1", &["10.0.0.2"], "10.0.0.2"),
        ] {
            let found = proxies.client(peer.parse().unwrap(), lines.iter().copied());
            assert_eq!(found.to_string(), client, "{peer} {lines:?}");
        }
        let nobody = TrustedProxies::default();
        let peer: IpAddr = "127.0.0.1".parse().unwrap();
        assert_eq!(nobody.client(peer, ["203.0.113.9"].into_iter()), peer);
    }

    proptest! {
        #[test]
        fn a_network_holds_its_addresses_and_reads_back(
            address: u32,
            prefix_bits in 0_u8..=32,
        ) {
            let block = Network::around(IpAddr::V4(address.into()), prefix_bits);
            prop_assert!(block.contains(IpAddr::V4(address.into())));
            prop_assert_eq!(Network::parse(&block.to_string()), Ok(block));
        }

        #[test]
        fn nothing_that_is_sent_can_panic(text in "\\PC*", line in "\\PC*") {
            let _ = Network::parse(&text);
            let all = TrustedProxies::new(vec![network("0.0.0.0/0"), network("::/0")]);
            let _ = all.client(IpAddr::V4(1.into()), [&*text, &*line].into_iter());
        }
    }
}
