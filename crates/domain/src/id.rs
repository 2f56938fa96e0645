//! Identifiers as they appear on the wire: OpenAI's prefixes, then 24 base62 characters; and the
//! request id, a UUIDv7 so that ids sort by time.

use std::fmt;
use std::sync::Arc;

use crate::Entropy;
use crate::time::AtUs;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `length` characters, each of the 62 alphanumerics with the same chance.
#[must_use]
pub fn random_base62(length: usize, entropy: Entropy) -> String {
    let mut text = String::with_capacity(length);
    let mut bytes = [0_u8; 64];
    while text.len() < length {
        entropy(&mut bytes);
        // 248 = 4 * 62: bytes above it would favour the first letters, so they are thrown away.
        let fair = bytes.iter().filter(|byte| **byte < 248);
        let letters = fair.map(|byte| char::from(BASE62[usize::from(byte % 62)]));
        text.extend(letters.take(length - text.len()));
    }
    text
}

/// `number` in base62, most significant digit first, padded with zeros to `width` characters.
#[must_use]
pub fn base62_number(mut number: u32, width: usize) -> String {
    let mut digits = vec![b'0'; width];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[usize::try_from(number % 62).expect("below 62")];
        number /= 62;
    }
    String::from_utf8(digits).expect("base62 is ASCII")
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The letters every id of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// An id read from where it was kept.
            #[must_use]
            pub fn new(text: &str) -> Self {
                $name(text.into())
            }

            /// A new id that was never given before.
            #[must_use]
            pub fn random(entropy: Entropy) -> Self {
                $name(format!("{}{}", $prefix, random_base62(24, entropy)).into())
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// An organization.
    OrganizationId,
    "org-"
);
text_id!(
    /// A project of an organization.
    ProjectId,
    "proj_"
);
text_id!(
    /// A person with a login.
    UserId,
    "user-"
);
text_id!(
    /// A key: project key, service-account key or admin key.
    KeyId,
    "key_"
);
text_id!(
    /// A service account of a project.
    ServiceAccountId,
    "svc_acct_"
);
text_id!(
    /// A role that somebody made.
    RoleId,
    "role_"
);
text_id!(
    /// A group of an organization's members.
    GroupId,
    "group_"
);
text_id!(
    /// A role assigned to somebody.
    RoleAssignmentId,
    "role_assignment_"
);
text_id!(
    /// An account at a provider that somebody signs in with.
    IdentityId,
    "identity_"
);
text_id!(
    /// An entry of the price book.
    PriceId,
    "price_"
);
text_id!(
    /// A payment: what somebody pays by card, or saves a card by.
    PaymentId,
    "pay_"
);
text_id!(
    /// A saved card.
    PaymentMethodId,
    "card_"
);
text_id!(
    /// A payment, or a part of one, that goes back.
    RefundId,
    "refund_"
);
text_id!(
    /// A comparison of a payment provider's books with ours.
    ReconciliationId,
    "reconciliation_"
);
text_id!(
    /// Money that a provider took and that matches no order.
    UnmatchedPaymentId,
    "unmatched_"
);
text_id!(
    /// A markup on an organization's prices.
    MarkupId,
    "markup_"
);
text_id!(
    /// Redeem codes that were made together.
    RedeemBatchId,
    "codes_"
);
text_id!(
    /// A budget.
    BudgetId,
    "budget_"
);
text_id!(
    /// A job: work that waits in the database until it succeeded.
    JobId,
    "job_"
);
text_id!(
    /// An alert: what an organization was told of, once.
    AlertId,
    "alert_"
);
text_id!(
    /// An address that an organization's alerts are sent to.
    WebhookEndpointId,
    "webhook_"
);
text_id!(
    /// What is sent to one endpoint about one alert.
    WebhookDeliveryId,
    "delivery_"
);
text_id!(
    /// Somebody's being signed in.
    SessionId,
    "session_"
);
text_id!(
    /// A passkey of somebody.
    PasskeyId,
    "passkey_"
);
text_id!(
    /// An invite into an organization.
    InviteId,
    "invite-"
);
text_id!(
    /// A proof of the books that was asked for.
    VerificationId,
    "verification_"
);
text_id!(
    /// An entry of the audit log.
    AuditLogId,
    "audit_log-"
);

/// Names one request: its hold, its usage record and its answer's `x-request-id`.
///
/// A UUIDv7, so ids sort by the time of admission. Shown as `req_` and 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(u128);

impl RequestId {
    /// A new id for a request that arrives at `at`.
    #[must_use]
    pub fn random(at: AtUs, entropy: Entropy) -> Self {
        let mut bytes = [0_u8; 16];
        entropy(&mut bytes);
        let random = u128::from_be_bytes(bytes);
        const RANDOM_BITS: u128 = (1 << 80) - 1;
        const VERSION_MASK: u128 = 0xf000 << 64;
        const VARIANT_MASK: u128 = 0xc000 << 48;
        let uuid = (u128::from(at.millis()) << 80) | (random & RANDOM_BITS);
        RequestId((uuid & !VERSION_MASK & !VARIANT_MASK) | (0x7000 << 64) | (0x8000 << 48))
    }

    /// The text below which every id admitted before `at` sorts, and no later one does.
    #[must_use]
    pub fn floor(at: AtUs) -> String {
        format!("req_{:012x}{}", at.millis(), "0".repeat(20))
    }

    /// Reads `req_` and 32 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix("req_").filter(|hex| hex.len() == 32)?;
        u128::from_str_radix(hex, 16).ok().map(RequestId)
    }

    /// The millisecond of admission that the id carries, as an instant.
    #[must_use]
    pub fn admitted_at(self) -> AtUs {
        let millis = i64::try_from(self.0 >> 80).expect("48 bits fit");
        AtUs(millis * 1_000)
    }

    /// 62 random bits of the id, for a fair draw.
    #[must_use]
    pub fn random_bits(self) -> u64 {
        const LOW: u128 = (1 << 62) - 1;
        u64::try_from(self.0 & LOW).expect("62 bits fit")
    }

    /// The bare 32 hexadecimal digits, for ids derived from this one.
    #[must_use]
    pub fn hex(self) -> String {
        format!("{:032x}", self.0)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "req_{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ones(buffer: &mut [u8]) {
        buffer.fill(0xff);
    }

    fn counter(buffer: &mut [u8]) {
        for (index, byte) in buffer.iter_mut().enumerate() {
            *byte = u8::try_from(index % 256).expect("below 256");
        }
    }

    #[test]
    fn request_ids_are_version_7_and_carry_their_time() {
        let at = AtUs::from_seconds(1_800_000_000);
        let id = RequestId::random(at, ones);
        let text = id.to_string();
        assert_eq!(text.len(), 36);
        assert_eq!(&text[16..17], "7");
        assert!(matches!(&text[20..21], "8" | "9" | "a" | "b"));
        assert_eq!(id.admitted_at(), at);
        assert_eq!(RequestId::parse(&text), Some(id));
        assert!(id < RequestId::random(at.plus(1_000), counter));
        assert!(RequestId::floor(at) <= text && text < RequestId::floor(at.plus(1_000)));
    }

    #[test]
    fn text_ids_have_prefix_and_24_letters() {
        let id = OrganizationId::random(counter);
        assert!(id.as_str().starts_with("org-"));
        assert_eq!(id.as_str().len(), 4 + 24);
    }

    #[test]
    fn base62_numbers_are_padded() {
        assert_eq!(base62_number(0, 6), "000000");
        assert_eq!(base62_number(61, 6), "00000z");
        assert_eq!(base62_number(62, 6), "000010");
        assert_eq!(base62_number(u32::MAX, 6), "4gfFC3");
    }
}
